# SPDX-License-Identifier: Apache-2.0
"""Advantages, weights, and the loss that uses them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from igrft.method.advantage import advantages, chunk_returns, lambda_returns
from igrft.method.awr import StepWeightConfig, awr_loss, step_weights
from igrft.method.critic import Critic, CriticConfig, critic_loss, expectile_loss
from igrft.method.weights import WeightConfig, advantage_weights, effective_sample_size
from igrft.types import Source

finite = st.floats(-5, 5, allow_nan=False)
episodes = st.lists(st.tuples(finite, finite), min_size=2, max_size=20)
P, H, N = int(Source.POLICY), int(Source.HUMAN), int(Source.HOLD)


@given(st.lists(finite, min_size=2, max_size=50), st.floats(0.1, 5), st.floats(1, 20), st.booleans())
def test_weights_are_monotone_bounded_and_not_negative(
    a: list[float], beta: float, clip: float, positive: bool
) -> None:
    advantage = torch.tensor(sorted(a), dtype=torch.float64)
    weights = advantage_weights(advantage, WeightConfig(beta=beta, clip=clip, positive_only=positive))
    assert bool((weights[1:] >= weights[:-1] - 1e-9).all())
    assert float(weights.min()) >= 0
    assert float(weights.max()) <= clip + 1e-9
    ess = float(effective_sample_size(weights))
    assert 0 <= ess <= 1 + 1e-9
    assert ess > 0 or not bool(weights.any())


@given(st.lists(finite, min_size=2, max_size=30), st.floats(0.1, 100))
def test_weights_do_not_depend_on_the_rewards_unit(a: list[float], scale: float) -> None:
    advantage = torch.tensor(a, dtype=torch.float64)
    if float(advantage.std(correction=0)) < 1e-3:
        return
    config = WeightConfig(beta=1.0, clip=10.0)
    torch.testing.assert_close(
        advantage_weights(advantage, config),
        advantage_weights(scale * advantage, config),
        atol=1e-6,
        rtol=1e-6,
    )


def test_one_step_that_did_unheard_of_well_does_not_outweigh_all_others() -> None:
    advantage = torch.cat([0.01 * torch.randn(5000, generator=torch.Generator().manual_seed(0)), torch.tensor([1.0])])
    weights = advantage_weights(advantage, WeightConfig(beta=0.5, clip=5.0))
    assert float(weights[-1]) == pytest.approx(5.0)
    assert float(effective_sample_size(weights)) > 0.5


def test_effective_sample_size_counts() -> None:
    assert float(effective_sample_size(torch.ones(8))) == pytest.approx(1.0)
    assert float(effective_sample_size(torch.tensor([1.0, 0, 0, 0]))) == pytest.approx(0.25)
    assert float(effective_sample_size(torch.zeros(4))) == 0.0


@given(episodes, st.floats(0, 1), st.booleans())
@settings(max_examples=50)
def test_returns_interpolate_between_one_step_and_the_sum(
    rows: list[tuple[float, float]], gamma: float, terminal: bool
) -> None:
    rewards, values = np.array(rows).T
    one = lambda_returns(rewards, values, gamma, 0.0, terminal)
    np.testing.assert_allclose(one, chunk_returns(rewards, values, gamma, 1, terminal), atol=1e-9)
    whole = lambda_returns(rewards, values, gamma, 1.0, terminal)
    np.testing.assert_allclose(whole, chunk_returns(rewards, values, gamma, len(rows), terminal), atol=1e-9)


@given(episodes, st.floats(0, 1), st.integers(0, 6), st.floats(0, 1))
@settings(max_examples=50)
def test_a_perfect_critic_sees_no_advantage(
    rows: list[tuple[float, float]], gamma: float, horizon: int, lam: float
) -> None:
    rewards = np.array(rows)[:, 0]
    values = lambda_returns(rewards, np.zeros(len(rewards)), gamma, 1.0, True)
    np.testing.assert_allclose(advantages(rewards, values, gamma, lam, horizon, True), 0, atol=1e-7)


def test_a_time_limit_is_no_termination() -> None:
    rewards, values = np.zeros(3), np.array([1.0, 1.0, 1.0])
    np.testing.assert_allclose(lambda_returns(rewards, values, 1.0, 1.0, True), 0)
    np.testing.assert_allclose(lambda_returns(rewards, values, 1.0, 1.0, False), 1)
    np.testing.assert_allclose(advantages(rewards, values, 1.0, 0.9, 0, False), 0)


def test_demonstrations_count_one_unless_told_otherwise() -> None:
    source, shown = torch.full((5,), H), torch.ones(5, dtype=torch.bool)
    none = torch.zeros(5, dtype=torch.bool)
    advantage = torch.arange(5.0)
    assert step_weights(advantage, source, shown, none, StepWeightConfig()).tolist() == [1.0] * 5
    weighted = step_weights(advantage, source, shown, none, StepWeightConfig(all_by_advantage=True))
    assert bool((weighted[1:] > weighted[:-1]).all())
    source[[1, 3]] = int(Source.HOLD)
    for config in (StepWeightConfig(), StepWeightConfig(all_by_advantage=True)):
        held = step_weights(advantage, source, shown, none, config) == 0
        assert held.tolist() == [False, True, False, True, False], 'where nobody drives there is nothing to imitate'


def test_demonstrations_and_rollouts_are_weighed_against_each_other() -> None:
    source = torch.tensor([H, H, P, P])
    shown, none = source == H, torch.zeros(4, dtype=torch.bool)
    advantage = torch.tensor([1.0, 2.0, 0.0, 1.0])
    weights = step_weights(advantage, source, shown, none, StepWeightConfig(all_by_advantage=True))
    assert float(weights[0]) == float(weights[3]), 'the same advantage is the same weight, whoever drove'
    assert float(weights[2]) < float(weights[0]) < float(weights[1])
    corrected = step_weights(advantage, source, none, none, StepWeightConfig(all_by_advantage=True))
    assert torch.equal(corrected, weights), 'also where the human drove in a rollout'


def test_the_loss_is_plain_flow_matching_for_unit_weights() -> None:
    velocity, target = torch.randn(4, 3, 7), torch.randn(4, 3, 7)
    mask = torch.ones(4, 3, dtype=torch.bool)
    loss = awr_loss(velocity, target, torch.ones(4, 3), mask)
    torch.testing.assert_close(loss.total, (velocity - target).square().mean())


def test_masked_and_weightless_steps_have_no_gradient_and_the_anchor_pulls() -> None:
    velocity = torch.randn(2, 3, 7, requires_grad=True)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    weights = torch.tensor([[1.0, 0.0, 1.0], [2.0, 1.0, 1.0]])
    awr_loss(velocity, torch.zeros(2, 3, 7), weights, mask).total.backward()
    gradient = velocity.grad
    assert gradient is not None
    assert float(gradient[0, 1].abs().sum()) == 0
    assert float(gradient[0, 2].abs().sum()) == 0
    assert float(gradient[1, 0].abs().sum()) > 0
    torch.testing.assert_close(gradient[1, 0] / velocity[1, 0].detach(), 2 * gradient[1, 1] / velocity[1, 1].detach())
    held = awr_loss(velocity.detach(), torch.zeros(2, 3, 7), weights, mask, velocity.detach() + 1, 0.5)
    assert float(held.anchor) == pytest.approx(1.0)
    assert float(held.total - held.regression) == pytest.approx(0.5)


def test_the_expectile_leans_upwards() -> None:
    targets = torch.tensor([0.0, 1.0])
    grid = torch.linspace(0, 1, 101)

    def best(expectile: float) -> float:
        losses = [float(expectile_loss(x.expand(2), targets, expectile).sum()) for x in grid]
        return float(grid[int(np.argmin(losses))])

    assert best(0.5) == pytest.approx(0.5, abs=0.011)
    assert best(0.9) == pytest.approx(0.9, abs=0.011)


def test_the_critic_learns_both_heads_and_passes_no_gradient_down() -> None:
    torch.manual_seed(0)
    state = torch.randn(256, 4, requires_grad=True)
    returns, interaction = state[:, 0].detach() * 2, (state[:, 1].detach() > 0).float()
    critic = Critic(4, CriticConfig(hidden=32))
    optimiser = torch.optim.Adam(critic.parameters(), lr=1e-2)
    for _ in range(150):
        loss = critic_loss(critic, state, returns, interaction)
        optimiser.zero_grad()
        loss.total.backward()
        optimiser.step()
    assert state.grad is None
    assert float(loss.accuracy) > 0.95
    assert float(loss.mean) == pytest.approx(float(critic.value(state.detach()).detach().mean()), abs=0.1)
    assert float((critic.value(state) - returns).square().mean().detach()) < 0.2
    probability = critic.interaction_probability(state)
    assert bool(((probability >= 0) & (probability <= 1)).all())


def test_a_member_of_the_critic_never_learns_how_its_share_of_the_episodes_ended() -> None:
    torch.manual_seed(0)
    episodes = torch.eye(6)  # a state that gives its episode away
    returns = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0, 0.0])
    unseen = torch.tensor([0, 1, 2, 0, 1, 2])
    critic = Critic(6, CriticConfig(hidden=32))
    optimiser = torch.optim.Adam(critic.parameters(), lr=1e-2)
    for _ in range(150):
        loss = critic_loss(critic, episodes, returns, torch.zeros(6), unseen_by=unseen)
        optimiser.zero_grad()
        loss.total.backward()
        optimiser.step()
    with torch.no_grad():
        others = torch.stack([critic.value(episodes, (unseen + k) % 3) for k in (1, 2)])
        alone = critic.value(episodes, unseen)
    assert float((others - returns).abs().max()) < 0.1, 'the others know it by heart'
    assert float((alone - returns).abs().max()) > 0.3
