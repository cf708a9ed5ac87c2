# SPDX-License-Identifier: Apache-2.0
"""A nudged step is what would have been recorded had the tools been there, and leads back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from igrft.config import RobotConfig, named
from igrft.policies.protocol import Batch, Inputs
from igrft.policies.registry import create
from igrft.policies.tool_nudges import ToolNudges, idle_grippers
from igrft.training.targets import Float64, Thing, target_names, targets
from igrft.training.worker import robot_spec
from igrft.types import proprioception

THINGS = (Thing('red'), Thing('blue', 2), Thing('rack', 1, free=False, grips=()))
ARMS = {1: ('arm',), 2: ('left', 'right')}
STEPS, DT = 4, 0.1


def scene(rng: np.random.Generator, arms: int) -> tuple[dict[str, Float64], Float64]:
    """Things and tools near each other; the fixture stands upright."""

    def pose(quaternion: Float64) -> Float64:
        return np.array([*rng.uniform(-0.05, 0.05, 3), *quaternion / np.linalg.norm(quaternion)])

    poses = {thing.name: pose(rng.normal(size=4)) for thing in THINGS}
    yaw = rng.uniform(-3, 3)
    poses['rack'] = pose(np.array([np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)]))
    return poses, np.stack([pose(rng.normal(size=4)) for _ in range(arms)])


def record(
    poses: dict[str, Float64], tools: Float64, held: set[tuple[int, str]], actions: torch.Tensor, norm: list[Float64]
) -> Batch:
    """What is recorded of a scene by a trunk without error."""
    found = np.array(targets(THINGS, poses, {}, tools, held))
    state = np.concatenate([proprioception(np.zeros(7), 0.3, tool[:3], tool[3:]) for tool in tools])
    features = torch.cat([torch.arange(3.0, dtype=torch.float64), torch.tensor((found - norm[0]) / norm[1])])[None]
    inputs = Inputs(torch.tensor(state, dtype=torch.float64)[None], ['go'], features=features)
    return Batch(inputs, actions, torch.ones(actions.shape[:2], dtype=torch.bool))


@pytest.mark.parametrize('arms', [1, 2])
@pytest.mark.parametrize('holds', [(), ((0, 'red'),), ((0, 'blue'), (1, 'red')), ((0, 'red'), (1, 'red'))])
@given(seed=st.integers(0, 2**32 - 1))
def test_it_equals_a_record_of_the_nudged_tools(arms: int, holds: tuple[tuple[int, str], ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    held = {(arm, name) for arm, name in holds if arm < arms}
    poses, tools = scene(rng, arms)
    names = target_names('toy', THINGS, ARMS[arms])
    norm = [rng.normal(size=len(names)), rng.uniform(0.5, 2.0, len(names))]
    nudge = rng.uniform(-0.02, 0.02, (arms, 3))
    together = len(held) == 2 and len({name for _, name in held}) == 1
    by = np.zeros_like(nudge) if together else nudge
    there = {name: pose.copy() for name, pose in poses.items()}
    for arm, name in held:
        there[name][:3] += by[arm]
    there_tools = tools.copy()
    there_tools[:, :3] += by

    actions = torch.tensor(rng.normal(size=(1, 6, arms, 7)))
    actions[..., 6] = 0.3
    actions = actions.flatten(-2)
    before, after = (record(*at, held, actions, norm) for at in ((poses, tools), (there, there_tools)))
    mean, scale = map(torch.tensor, norm)
    own = torch.ones(1, len(names), dtype=torch.bool)
    nudged = ToolNudges(names, arms)(before, torch.tensor(nudge)[None], STEPS, DT, mean, scale, own)
    for name in ('features', 'proprio'):
        torch.testing.assert_close(getattr(nudged.inputs, name), getattr(after.inputs, name), atol=1e-6, rtol=0)
    # the way of the tools from there, over the chunk, ends where the recorded one does
    ways = [batch.actions.unflatten(-1, (arms, 7))[0, ..., :3].cumsum(0) * DT for batch in (before, nudged)]
    torch.testing.assert_close(ways[1][STEPS - 1 :] + torch.tensor(by), ways[0][STEPS - 1 :], atol=1e-6, rtol=0)
    rest = [batch.actions.unflatten(-1, (arms, 7))[..., 3:] for batch in (before, nudged)]
    assert torch.equal(*rest), 'nothing but the way'
    again = record(poses, tools, held, actions, norm).inputs
    assert torch.equal(torch.as_tensor(before.inputs.features), torch.as_tensor(again.features)), 'what is stored stays'


def test_a_far_thing_stays_finite_and_so_does_one_at_the_fixtures_origin() -> None:
    names = target_names('toy', THINGS)
    for said in (0.0, 1.0):
        features = torch.full((1, len(names)), said)
        batch = Batch(Inputs(torch.randn(1, 17), ['go'], features=features), torch.ones(1, 4, 7), torch.ones(1, 4))
        one = torch.ones(len(names))
        nudged = ToolNudges(names, 1)(batch, torch.full((1, 1, 3), 0.02), STEPS, DT, 0 * one, one, one[None] > 0)
        assert bool(torch.as_tensor(nudged.inputs.features).isfinite().all())


def test_without_features_nothing_can_be_nudged() -> None:
    batch = Batch(Inputs(torch.zeros(1, 17), ['go']), torch.zeros(1, 4, 7), torch.ones(1, 4))
    with pytest.raises(ValueError, match='features'):
        ToolNudges((), 1)(batch, torch.zeros(1, 1, 3), STEPS, DT, torch.zeros(0), torch.ones(0), torch.ones(1, 0) > 0)


def test_grippers_are_idle_where_none_moves_or_will() -> None:
    actions = torch.zeros(6, 8, 2, 7)
    actions[..., 6] = 0.7 + 0.01 * torch.arange(8)[:, None]  # a hand that is not quite steady
    actions[1, 5:, 1, 6] = 0.2
    actions[2, :2, 0, 6] = 0.0
    actions[3:, :, 0, 6] = torch.tensor([1.0, 0.0, 0.0])[:, None]
    openings = torch.full((6, 2), 0.7)
    openings[3:, 0] = 0.4
    holds = torch.zeros(6, 2, dtype=torch.bool)
    holds[[3, 5], 0] = True
    names = ['steady', 'lets go', 'grips', 'opens by now', 'closes by now', 'closed around something']
    idle = dict(zip(names, idle_grippers(actions, openings, holds).tolist(), strict=True))
    assert idle == dict.fromkeys(names, False) | {'steady': True, 'closed around something': True}


def test_nothing_is_nudged_with_a_thing_in_hand_where_a_fixture_hinges() -> None:
    hinged = (*THINGS, Thing('lid', 1, free=False, jointed=True, grips=()))
    names = target_names('toy', hinged)
    batch = Batch(
        Inputs(torch.randn(2, 17), ['go'] * 2, features=torch.zeros(2, len(names))),
        torch.ones(2, 4, 7),
        torch.ones(2, 4),
    )
    batch.inputs.proprio[:, -10] = 1.0
    features = torch.as_tensor(batch.inputs.features)
    features[0, names.index('toy/red.held')] = 1.0
    one = torch.ones(len(names))
    own = torch.ones(2, len(names), dtype=torch.bool)
    nudged = ToolNudges(names, 1)(batch, torch.full((2, 1, 3), 0.02), STEPS, DT, 0 * one, one, own)
    assert torch.equal(nudged.actions[0], batch.actions[0]) and not torch.equal(nudged.actions[1], batch.actions[1])


@pytest.mark.parametrize('robot', ['sim', 'sim_dual'])
def test_training_nudges_where_no_gripper_moves(robot: str) -> None:
    alone = ['model.shift=0', 'model.turn=0']
    policy = create('compact_flow', overrides=alone, **robot_spec(named('robots', robot, RobotConfig)))
    spec = policy.spec
    inputs = Inputs(torch.ones(4, spec.proprio_dim), ['go'] * 4, features=torch.zeros(4, policy.feature_dim))
    actions = torch.ones(4, spec.horizon, spec.action_dim)
    actions[2:, 3:, 6] = 0.0
    batch = Batch(inputs, actions, torch.ones(4, spec.horizon, dtype=torch.bool))
    nudged = policy.train().varied(batch)
    assert len(nudged.actions[:2].unique(dim=0)) == len(nudged.inputs.proprio[:2].unique(dim=0)) == 2
    assert torch.equal(nudged.actions[2:], actions[2:]), 'about to let go'
    assert policy.eval().varied(batch) is batch
    still = create(
        'compact_flow', overrides=[*alone, 'model.nudge=0'], **robot_spec(named('robots', robot, RobotConfig))
    )
    assert still.train().varied(batch) is batch
