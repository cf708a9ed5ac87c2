# SPDX-License-Identifier: Apache-2.0
"""A moved step is what would have been recorded had the scene stood there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from igrft.config import RobotConfig, named
from igrft.policies.protocol import Batch, Inputs, Policy
from igrft.policies.registry import create, describe, rebuild
from igrft.policies.scene_moves import SceneMoves
from igrft.training.targets import Float64, Thing, rotation, target_names, targets
from igrft.training.worker import robot_spec
from igrft.types import proprioception

THINGS = (
    Thing('red'),
    Thing('blue', 4),
    Thing('rack', 1, free=False, grips=()),
    Thing('lid', 1, free=False, jointed=True, grips=()),
)
ARMS = {1: ('arm',), 2: ('left', 'right')}


def turned(pose: Float64, pivot: Float64, way: Float64, angle: float) -> Float64:
    """A pose [7] carried about the vertical through ``pivot`` and then along ``way``."""
    c, s, half = np.cos(angle), np.sin(angle), angle / 2
    place = pose[:3].copy()
    place[:2] = np.array([[c, -s], [s, c]]) @ (place[:2] - pivot) + pivot + way
    a, (w, x, y, z) = np.array([np.cos(half), np.sin(half)]), pose[3:]
    # the quaternion (cos, 0, 0, sin) from the left
    return np.array([*place, a[0] * w - a[1] * z, a[0] * x - a[1] * y, a[0] * y + a[1] * x, a[0] * z + a[1] * w])


def step(poses: dict[str, Float64], tools: Float64, twists: Float64) -> tuple[list[float], Float64, Float64]:
    """What is recorded of a scene: predictions without error, proprioception and the action."""
    found = targets(THINGS, poses, {'lid': 0.4}, tools, {(0, 'red')})
    state = np.concatenate([proprioception(np.zeros(7), 0.3, tool[:3], tool[3:]) for tool in tools])
    actions = []
    for tool, twist in zip(tools, twists, strict=True):  # in the tool's frame
        frame = rotation(tool[3:])
        actions += [*frame @ twist[:3], *frame @ twist[3:], 0.3]
    return found, state, np.array(actions)


@pytest.mark.parametrize('arms', [1, 2])
@given(seed=st.integers(0, 2**32 - 1), angle=st.floats(-3.0, 3.0))
def test_it_equals_a_record_of_the_moved_scene(arms: int, seed: int, angle: float) -> None:
    rng = np.random.default_rng(seed)

    def pose() -> Float64:
        quaternion = rng.normal(size=4)
        return np.array([*rng.uniform(-0.05, 0.05, 3), *quaternion / np.linalg.norm(quaternion)])

    poses, tools = {thing.name: pose() for thing in THINGS}, np.stack([pose() for _ in range(arms)])
    twists, way = rng.normal(size=(arms, 6)), rng.uniform(-0.1, 0.1, 2)
    names = target_names('toy', THINGS, ARMS[arms])
    mean, scale = rng.normal(size=len(names)), rng.uniform(0.5, 2.0, len(names))
    middle = tools[:, :2].mean(0)
    there = {name: turned(place, middle, way, angle) for name, place in poses.items()}
    moved_tools = np.stack([turned(tool, middle, way, angle) for tool in tools])

    def recorded(found: list[float], state: Float64, action: Float64) -> Batch:
        latent = torch.arange(3.0, dtype=torch.float64)
        features = torch.cat([latent, torch.tensor((np.array(found) - mean) / scale)])[None]
        inputs = Inputs(torch.tensor(state, dtype=torch.float64)[None], ['go'], features=features)
        return Batch(inputs, torch.tensor(action)[None, None], torch.ones(1, 1, dtype=torch.bool))

    before, after = recorded(*step(poses, tools, twists)), recorded(*step(there, moved_tools, twists))
    by = torch.tensor(way)[None], torch.tensor([angle], dtype=torch.float64)
    moved = SceneMoves(names, arms)(before, *by, torch.tensor(mean), torch.tensor(scale))
    for name in ('features', 'proprio'):
        torch.testing.assert_close(getattr(moved.inputs, name), getattr(after.inputs, name), atol=1e-6, rtol=0)
    torch.testing.assert_close(moved.actions, after.actions, atol=1e-9, rtol=0)
    again = recorded(*step(poses, tools, twists)).inputs
    assert torch.equal(torch.as_tensor(before.inputs.features), torch.as_tensor(again.features)), 'what is stored stays'


def test_a_far_pair_stays_finite() -> None:
    names = target_names('toy', THINGS)
    ones = torch.ones(len(names))
    batch = Batch(Inputs(torch.randn(1, 17), ['go'], features=ones[None]), torch.ones(1, 2, 7), torch.ones(1, 2))
    moved = SceneMoves(names, 1)(batch, torch.zeros(1, 2), torch.ones(1), 0 * ones, ones)
    assert bool(torch.as_tensor(moved.inputs.features).isfinite().all())


def test_without_features_nothing_can_be_moved() -> None:
    batch = Batch(Inputs(torch.zeros(1, 17), ['go']), torch.zeros(1, 1, 7), torch.ones(1, 1))
    with pytest.raises(ValueError, match='features'):
        SceneMoves((), 1)(batch, torch.zeros(1, 2), torch.zeros(1), torch.zeros(0), torch.ones(0))


@pytest.mark.parametrize('robot', ['sim', 'sim_dual'])
def test_training_moves_every_row_on_its_own_and_acting_none(robot: str) -> None:
    policy = create('compact_flow', **robot_spec(named('robots', robot, RobotConfig)))
    spec = policy.spec
    inputs = Inputs(torch.zeros(4, spec.proprio_dim), ['go'] * 4, features=torch.zeros(4, policy.feature_dim))
    batch = Batch(inputs, torch.ones(4, spec.horizon, spec.action_dim), torch.ones(4, spec.horizon, dtype=torch.bool))
    moved = policy.train().varied(batch)
    assert len(moved.actions.unique(dim=0)) == len(moved.inputs.proprio.unique(dim=0)) == 4
    assert policy.eval().varied(batch) is batch
    still = create(
        'compact_flow',
        overrides=['model.shift=0', 'model.turn=0', 'model.nudge=0'],
        **robot_spec(named('robots', robot, RobotConfig)),
    )
    assert still.train().varied(batch) is batch


def test_joint_angles_are_not_seen_unless_told_to(
    make_policy: Callable[..., Policy], make_inputs: Callable[[int], Inputs]
) -> None:
    inputs = make_inputs(2)
    bent = inputs.proprio.clone()
    bent[:, :7] += 1.0
    for joints in (False, True):
        policy = make_policy('compact_flow', f'model.joints={str(joints).lower()}').eval()
        features = policy.features(inputs)
        chunks = [
            policy.sample(replace(inputs, proprio=proprio, features=features), 1.0, torch.Generator().manual_seed(0))
            for proprio in (inputs.proprio, bent)
        ]
        assert np.array_equal(*chunks) is not joints


def test_an_older_checkpoint_goes_on_as_it_was(make_policy: Callable[..., Policy]) -> None:
    """From before steps were moved: it saw joint angles, and goes on with what was recorded."""
    was = make_policy('compact_flow', 'model.joints=true')
    description = describe(was)
    was_not = {'shift': 0.0, 'turn': 0.0, 'nudge': 0.0, 'joints': True, 'others': True}
    for key in was_not:
        del description['model'][key]
    again = rebuild(description, 'policy.json')
    again.load_state_dict(was.state_dict())
    settings = again.config_dict()
    assert {key: settings[key] for key in was_not} == was_not
