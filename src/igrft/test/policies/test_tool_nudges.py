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
from igrft.policies.tool_nudges import LESS, ToolNudges
from igrft.policies.way_back import across, going_down, lead_back, within_reach
from igrft.training.targets import Float64, Thing, target_names, targets
from igrft.training.worker import robot_spec
from igrft.types import proprioception

THINGS = (Thing('red'), Thing('blue', 2), Thing('rack', 1, free=False, grips=()))
ARMS = {1: ('arm',), 2: ('left', 'right')}
DT = 0.1
NONE = torch.zeros(2, dtype=torch.bool)


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
@given(seed=st.integers(0, 2**32 - 1), idle=st.integers(0, 8), down=st.booleans(), spared=st.booleans())
def test_it_equals_a_record_of_the_nudged_tools(
    arms: int, holds: tuple[tuple[int, str], ...], seed: int, idle: int, down: bool, spared: bool
) -> None:
    rng = np.random.default_rng(seed)
    held = {(arm, name) for arm, name in holds if arm < arms}
    poses, tools = scene(rng, arms)
    names = target_names('toy', THINGS, ARMS[arms])
    norm = [rng.normal(size=len(names)), rng.uniform(0.5, 2.0, len(names))]
    actions = torch.tensor(rng.normal(scale=0.05, size=(1, 8, arms, 7)))
    actions[..., 6] = 0.3
    actions[:, idle:, 0, 6] = 0.9
    actions[..., 2] = actions[..., 2].abs()
    if down:
        actions[:, :2, :, 2] = -2.0
    nudge = torch.tensor(rng.uniform(-0.03, 0.03, (1, arms, 3)))
    one_thing = len(held) == 2 and len({name for _, name in held}) == 1
    # what is held is near every tool here, so that all of them wait
    wait = [0] * arms if one_thing else [idle] * arms if held else [idle, 8][:arms]
    size = LESS * (not spared) if down else 1.0
    ways = going_down(actions, DT)
    by = within_reach(size * across(nudge, actions, DT), torch.tensor([wait]), ways)[0]

    there = {name: pose.copy() for name, pose in poses.items()}
    for arm, name in held:
        there[name][:3] += by[arm].numpy()
    there_tools = tools.copy()
    there_tools[:, :3] += by.numpy()
    flat = actions.flatten(-2)
    before, after = (record(*at, held, flat, norm) for at in ((poses, tools), (there, there_tools)))
    mean, scale = map(torch.tensor, norm)
    own = torch.ones(1, len(names), dtype=torch.bool)
    nudged = ToolNudges(names, arms)(before, nudge, torch.tensor([spared]), DT, mean, scale, own)
    for name in ('features', 'proprio'):
        torch.testing.assert_close(getattr(nudged.inputs, name), getattr(after.inputs, name), atol=1e-6, rtol=0)
    back = lead_back(actions, by[None], ways[:, 0], torch.tensor([bool(held)]), DT)
    torch.testing.assert_close(nudged.actions, back.flatten(-2))
    again = record(poses, tools, held, flat, norm).inputs
    assert torch.equal(torch.as_tensor(before.inputs.features), torch.as_tensor(again.features)), 'what is stored stays'


def test_a_far_thing_stays_finite_and_so_does_one_at_the_fixtures_origin() -> None:
    names = target_names('toy', THINGS)
    for said in (0.0, 1.0):
        features = torch.full((1, len(names)), said)
        batch = Batch(Inputs(torch.randn(1, 17), ['go'], features=features), torch.ones(1, 4, 7), torch.ones(1, 4))
        one = torch.ones(len(names))
        by = torch.full((1, 1, 3), 0.02)
        nudged = ToolNudges(names, 1)(batch, by, NONE[: len(by)], DT, 0 * one, one, one[None] > 0)
        assert bool(torch.as_tensor(nudged.inputs.features).isfinite().all())


def test_without_features_nothing_can_be_nudged() -> None:
    batch = Batch(Inputs(torch.zeros(1, 17), ['go']), torch.zeros(1, 4, 7), torch.ones(1, 4))
    with pytest.raises(ValueError, match='features'):
        by = torch.zeros(1, 1, 3)
        ToolNudges((), 1)(batch, by, NONE[: len(by)], DT, torch.zeros(0), torch.ones(0), torch.ones(1, 0) > 0)


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
    by = torch.tensor([0.02, -0.02, 0.0]).expand(2, 1, 3)
    nudged = ToolNudges(names, 1)(batch, by, NONE[: len(by)], DT, 0 * one, one, own)
    assert torch.equal(nudged.actions[0], batch.actions[0]) and not torch.equal(nudged.actions[1], batch.actions[1])


@pytest.mark.parametrize(('apart', 'who'), [(0.10, [False, False]), (0.20, [False, True])])
def test_an_arm_is_nudged_beside_one_that_is_busy_elsewhere(apart: float, who: list[bool]) -> None:
    poses, tools = scene(np.random.default_rng(0), 2)
    poses['red'][:3] = tools[0, :3]
    tools[1, :3] = poses['red'][:3] + [apart, 0.0, 0.0]
    names = target_names('toy', THINGS, ARMS[2])
    actions = torch.zeros(1, 8, 2, 7, dtype=torch.float64)
    actions[..., 6] = 0.3
    actions[:, 1:, 0, 6] = 1.0  # lets go
    norm = [np.zeros(len(names)), np.ones(len(names))]
    before = record(poses, tools, {(0, 'red')}, actions.flatten(-2), norm)
    by, one = torch.full((1, 2, 3), 0.02, dtype=torch.float64), torch.ones(len(names), dtype=torch.float64)
    nudged = ToolNudges(names, 2)(before, by, NONE[:1], DT, 0 * one, one, one[None] > 0)
    moved = nudged.inputs.proprio != before.inputs.proprio
    assert moved.view(2, -1).any(-1).tolist() == who


@pytest.mark.parametrize('robot', ['sim', 'sim_dual'])
def test_training_nudges_the_less_the_sooner_a_gripper_moves(robot: str) -> None:
    description = robot_spec(named('robots', robot, RobotConfig))
    alone = ['model.shift=0', 'model.turn=0']
    policy = create('compact_flow', overrides=alone, **description)
    spec = policy.spec
    inputs = Inputs(torch.ones(32, spec.proprio_dim), ['go'] * 32, features=torch.zeros(32, policy.feature_dim))
    actions = torch.ones(32, spec.horizon, spec.action_dim)
    actions[:8, 1:, 6::7] = 0.0
    actions[8:16, 2:, 6::7] = 0.0
    batch = Batch(inputs, actions, torch.ones(32, spec.horizon, dtype=torch.bool))
    torch.manual_seed(0)
    nudged = policy.train().varied(batch)
    assert torch.equal(nudged.actions[:8], actions[:8]), 'about to let go'
    assert len(nudged.inputs.proprio[8:].unique(dim=0)) == 24
    soon, later = ((nudged.inputs.proprio - 1)[rows].abs().amax() for rows in (slice(8, 16), slice(16, None)))
    assert soon <= 0.02 + 1e-6 < later <= 0.04 + 1e-6
    assert policy.eval().varied(batch) is batch
    still = create('compact_flow', overrides=[*alone, 'model.nudge=0'], **description)
    assert still.train().varied(batch) is batch
