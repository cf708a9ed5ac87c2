# SPDX-License-Identifier: Apache-2.0
"""The hybrid reward's properties: it sums to what it says, and depends on time differences only."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igrft.config import config_dir, load
from igrft.reward.hybrid import HybridConfig, hybrid_reward
from igrft.reward.subtask import NEVER, potential, sigmoid, subtask_reward
from igrft.reward.trajectory import trajectory_reward
from igrft.rollout.potential import PotentialTracker

lengths = st.integers(1, 300)
kappas = st.floats(0.05, 50.0)


@st.composite
def subtasks(draw: st.DrawFn) -> tuple[list[float], list[float]]:
    """Completion times (some never) and weights that sum to 1."""
    count = draw(st.integers(1, 6))
    weights = np.array(draw(st.lists(st.floats(0.05, 1.0), min_size=count, max_size=count)))
    times = draw(st.lists(st.one_of(st.just(NEVER), st.floats(0, 300)), min_size=count, max_size=count))
    return times, list(weights / weights.sum())


@given(lengths, st.booleans())
def test_trajectory_reward_sums_to_the_label(length: int, success: bool) -> None:
    reward = trajectory_reward(length, success)
    assert len(reward) == length
    assert reward.sum() == pytest.approx(1.0 if success else 0.0)
    assert len(set(reward.tolist())) == 1


def test_trajectory_reward_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match='at least one step'):
        trajectory_reward(0, True)


@given(lengths, subtasks(), kappas)
def test_subtask_reward_telescopes(length: int, parts: tuple[list[float], list[float]], kappa: float) -> None:
    times, weights = parts
    ends = potential(np.array([0, length]), times, weights, kappa)
    assert subtask_reward(length, times, weights, kappa).sum() == pytest.approx(ends[1] - ends[0], abs=1e-9)


@given(lengths, subtasks(), kappas, st.floats(0.5, 1.0))
def test_shaping_telescopes_under_its_discount(
    length: int, parts: tuple[list[float], list[float]], kappa: float, gamma: float
) -> None:
    times, weights = parts
    reward = subtask_reward(length, times, weights, kappa, gamma)
    discounted = float(np.sum(gamma ** np.arange(length) * reward))
    ends = potential(np.array([0, length]), times, weights, kappa)
    assert discounted == pytest.approx(gamma**length * ends[1] - ends[0], abs=1e-9)


@given(subtasks(), kappas, st.floats(-1000, 1000), st.floats(-100, 400))
def test_potential_depends_on_time_differences_only(
    parts: tuple[list[float], list[float]], kappa: float, shift: float, t: float
) -> None:
    times, weights = parts
    shifted = [time + shift for time in times]
    assert potential(t + shift, shifted, weights, kappa) == pytest.approx(
        float(potential(t, times, weights, kappa)), abs=1e-6
    )


@given(subtasks(), kappas)
def test_potential_rises_to_the_weight_of_what_was_completed(
    parts: tuple[list[float], list[float]], kappa: float
) -> None:
    times, weights = parts
    phi = potential(np.linspace(-10, 310, 50), times, weights, kappa)
    assert np.all(np.diff(phi) >= -1e-12)
    completed = sum(w for t, w in zip(times, weights, strict=True) if not math.isnan(t))
    assert float(potential(1e9, times, weights, kappa)) == pytest.approx(completed)


def test_a_subtask_never_completed_contributes_nothing() -> None:
    alone = subtask_reward(20, [5.0], [0.4], 2.0)
    assert np.array_equal(subtask_reward(20, [5.0, NEVER], [0.4, 0.6], 2.0), alone)
    assert not subtask_reward(20, [NEVER], [1.0], 2.0).any()


@given(st.floats(-1e300, 1e300))
def test_sigmoid_never_overflows(x: float) -> None:
    with np.errstate(all='raise', under='ignore'):
        assert 0.0 <= float(sigmoid(x)) <= 1.0


def test_hybrid_is_the_weighted_sum_of_its_parts() -> None:
    config = HybridConfig(lambda_trajectory=2.0, lambda_subtask=3.0, kappa=0.2)
    reward = hybrid_reward(30, True, [10.0, 25.0], [0.5, 0.5], 0.1, config)
    assert np.allclose(reward.total, 2 * reward.trajectory + 3 * reward.subtask)
    assert reward.trajectory.sum() == pytest.approx(1.0)
    assert int(reward.subtask[:18].argmax()) in (9, 10)


def test_the_tracker_pays_what_the_potential_rises_by() -> None:
    tracker = PotentialTracker((0.3, 0.7), 0.3)
    total = 0.0
    for step in range(40):
        if step == 10:
            tracker.mark(0, 1.0)
            tracker.mark(0, 3.0)  # a second mark changes nothing
        if step == 25:
            tracker.mark(tracker.next_open, 2.5)
        total += tracker.advance(step * 0.1)
    assert tracker.completed == 2
    assert total == pytest.approx(tracker.value)
    assert tracker.value == pytest.approx(float(potential(3.9, [1.0, 2.5], [0.3, 0.7], 0.3)))
    with pytest.raises(ValueError, match='has 2 subtasks'):
        tracker.mark(2, 4.0)
    tracker.reset()
    assert (tracker.completed, tracker.value) == (0, 0.0)


def test_the_shipped_configuration_is_the_default() -> None:
    assert load(config_dir() / 'reward' / 'hybrid.yaml', HybridConfig) == HybridConfig()


@pytest.mark.parametrize('bad', [{'kappa': 0.0}, {'lambda_subtask': -1.0}, {'shaping_gamma': 0.0}])
def test_impossible_constants_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        HybridConfig(**bad)
