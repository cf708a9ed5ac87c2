# SPDX-License-Identifier: Apache-2.0
"""What a trunk says of things that are not there is neither moved in training nor acted on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from igrft.config import RobotConfig, named
from igrft.policies.own_task import OwnTask
from igrft.policies.protocol import Batch, Inputs
from igrft.policies.registry import create
from igrft.training.worker import robot_spec

TASKS = ('block_stacking', 'drink_shelving', 'parcel_packing')


def spoken(targets: tuple[str, ...], task: str, count: int) -> tuple[Tensor, Tensor]:
    """Which predictions are of a task, [K] bool, and some that say little of the others, [count, K]."""
    own = torch.tensor([name.startswith(f'{task}/') for name in targets])
    return own, torch.randn(count, len(own)) * torch.where(own, 1.0, 0.1)


@pytest.mark.parametrize('task', TASKS)
@given(seed=st.integers(0, 2**32 - 1))
def test_it_is_the_task_whose_things_are_seen(task: str, seed: int) -> None:
    targets = create('compact_flow', **robot_spec(named('robots', 'sim', RobotConfig))).targets
    torch.manual_seed(seed)
    own, said = spoken(targets, task, 4)
    waves = torch.tensor(['.cos.' in name or '.sin.' in name for name in targets])
    said[:, waves & ~own] = 2.0  # calculated from whatever is said
    assert torch.equal(OwnTask(targets)(said), own.expand(4, -1))


def test_of_a_single_task_and_of_none_everything_counts() -> None:
    assert bool(OwnTask(('a/red.base.x', 'a/blue.base.x'))(torch.zeros(3, 2)).all())
    assert bool(OwnTask(('left', 'right'))(torch.zeros(3, 2)).all())
    assert OwnTask(())(torch.zeros(3, 0)).shape == (3, 0)


def test_what_a_trunk_says_of_another_task_follows_no_move() -> None:
    policy = create('compact_flow', **robot_spec(named('robots', 'sim', RobotConfig))).train()
    spec, count = policy.spec, 16
    own = torch.tensor([name.startswith('drink_shelving/') for name in policy.targets])
    features = torch.randn(count, policy.feature_dim)
    features[:, -len(own) :] *= torch.where(own, 1.0, 0.1)
    inputs = Inputs(torch.ones(count, spec.proprio_dim), ['go'] * count, features=features.clone())
    mask = torch.ones(count, spec.horizon, dtype=torch.bool)
    varied = policy.varied(Batch(inputs, torch.ones(count, spec.horizon, spec.action_dim), mask))
    after = torch.as_tensor(varied.inputs.features)[:, -len(own) :]
    before = features[:, -len(own) :]
    assert torch.equal(after[:, ~own], before[:, ~own]) and not torch.equal(after[:, own], before[:, own])
    assert torch.equal(OwnTask(policy.targets)(before), own.expand(count, -1))


@pytest.mark.parametrize('others', [False, True])
def test_a_policy_acts_on_nothing_that_is_not_there_unless_told_to(others: bool) -> None:
    spec = robot_spec(named('robots', 'sim', RobotConfig))
    policy = create('compact_flow', overrides=[f'model.others={str(others).lower()}'], **spec).eval()
    own, said = spoken(policy.targets, 'block_stacking', 3)
    features = torch.cat([torch.zeros(3, policy.feature_dim - len(own)), said], -1)
    inputs = Inputs(torch.ones(3, policy.spec.proprio_dim), ['go'] * 3, features=features)
    elsewhere = replace(inputs, features=features + torch.cat([torch.zeros(features.shape[1] - len(own)), 0.1 * ~own]))
    chunks = [policy.sample(each, 1.0, torch.Generator().manual_seed(0)) for each in (inputs, elsewhere)]
    assert np.array_equal(*chunks) is not others
