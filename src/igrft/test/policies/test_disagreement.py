# SPDX-License-Identifier: Apache-2.0
"""How far draws lie apart, and that measuring it changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from igrft.method.critic import Critic, CriticConfig
from igrft.policies.disagreement import disagreement
from igrft.policies.protocol import Inputs, Policy, PolicyError
from igrft.policies.serving import Agent
from igrft.types import Observation


@pytest.fixture
def policy(make_policy: Callable[..., Policy]) -> Policy:
    return make_policy().eval()


def inputs(policy: Policy, rows: int) -> Inputs:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(rows, policy.feature_dim, generator=generator)
    proprio = torch.randn(rows, policy.spec.proprio_dim, generator=generator)
    return Inputs(proprio, ['stack'] * rows, features)


def test_is_the_spread_of_the_draws_in_deviations_of_the_actions(policy: Policy) -> None:
    batch = inputs(policy, 3)
    found = disagreement(policy, batch, 5)
    policy.normalisation.action_scale.fill_(4.0)
    one = Inputs(batch.proprio[1:2], ['stack'], batch.features[1:2])  # type: ignore[index]
    draws = [policy.sample(one, 1.0, [torch.Generator().manual_seed(k)])[0] for k in range(5)]
    expected = np.sqrt(np.stack(draws).reshape(5, -1).var(0, ddof=1).mean()) / 4.0
    again = disagreement(policy, batch, 5)
    assert again[1] == pytest.approx(expected, rel=1e-4)
    assert (found > 0).all() and torch.equal(again, disagreement(policy, batch, 5)), 'of the observation alone'


def test_rows_do_not_disturb_each_other(policy: Policy) -> None:
    batch = inputs(policy, 4)
    alone = Inputs(batch.proprio[2:3], ['stack'], batch.features[2:3])  # type: ignore[index]
    assert disagreement(policy, batch, 4)[2] == pytest.approx(float(disagreement(policy, alone, 4)[0]), rel=1e-4)


def test_a_policy_that_always_says_the_same_agrees_with_itself(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = policy.spec
    monkeypatch.setattr(
        policy, 'sample', lambda batch, *_: np.ones((len(batch), spec.horizon, spec.action_dim), np.float32)
    )
    assert disagreement(policy, inputs(policy, 2), 8).tolist() == [0.0, 0.0]


def test_the_driving_chunk_is_drawn_as_if_nobody_had_asked(policy: Policy, observation: Observation) -> None:
    agent = Agent(policy, Critic(policy.critic_dim, CriticConfig(hidden=8)), checkpoint='c')
    plain, asked = (
        replace(agent, draws=draws).act([observation], [torch.Generator().manual_seed(3)])[0] for draws in (0, 8)
    )
    np.testing.assert_array_equal(plain.actions, asked.actions)
    assert np.isnan(plain.disagreement) and asked.disagreement > 0
    assert plain.value == asked.value


def test_a_policy_that_would_see_its_images_again_is_not_asked(policy: Policy, observation: Observation) -> None:
    policy.caches_features = False
    (chunk,) = Agent(policy, draws=8).act([observation], [torch.Generator()])
    assert np.isnan(chunk.disagreement)


@pytest.mark.parametrize('draws', [1, -2])
def test_one_draw_has_no_spread(policy: Policy, draws: int) -> None:
    with pytest.raises(PolicyError, match='at least 2'):
        Agent(policy, draws=draws)
    with pytest.raises(PolicyError, match='at least 2'):
        disagreement(policy, inputs(policy, 1), draws)
