# SPDX-License-Identifier: Apache-2.0
"""The promise behind a call for help: at most a share α of successful episodes, whatever the scores are."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igrft.control.conformal import CalibrationError, conformal_threshold, episodes_needed

SCORES = st.floats(-1e6, 1e6)
ALPHAS = st.floats(0.02, 0.9)


@given(st.data(), ALPHAS)
def test_of_exchangeable_episodes_at_most_alpha_exceed_the_threshold_of_the_others(data, alpha) -> None:
    """Exchangeable: each of n + 1 episodes is as likely to be the new one. So the rate is a count, not an estimate."""
    n = data.draw(st.integers(episodes_needed(alpha), episodes_needed(alpha) + 20))
    scores = data.draw(st.lists(SCORES, min_size=n + 1, max_size=n + 1))
    called = sum(score > conformal_threshold(scores[:i] + scores[i + 1 :], alpha) for i, score in enumerate(scores))
    assert called <= alpha * (n + 1) + 1e-9


@given(st.lists(SCORES, min_size=9, max_size=60, unique=True))
def test_the_bound_is_not_looser_than_it_must_be(scores) -> None:
    """Without ties the threshold is exceeded as often as whole episodes allow."""
    n, alpha = len(scores) - 1, 0.2
    called = sum(score > conformal_threshold(scores[:i] + scores[i + 1 :], alpha) for i, score in enumerate(scores))
    assert called == math.floor(alpha * (n + 1) + 1e-9)


@given(st.lists(SCORES, min_size=50, max_size=60), ALPHAS, ALPHAS, st.floats(0, 1e3))
def test_threshold_is_monotone(scores, first, second, more) -> None:
    low, high = sorted((first, second))
    assert conformal_threshold(scores, low) >= conformal_threshold(scores, high)
    raised = [score + more for score in scores]
    assert conformal_threshold(raised, low) >= conformal_threshold(scores, low)
    assert conformal_threshold(scores[::-1], low) == conformal_threshold(scores, low), 'order does not matter'


@pytest.mark.parametrize(('alpha', 'needed'), [(0.5, 1), (0.2, 4), (0.1, 9), (0.05, 19), (0.01, 99)])
def test_the_fewest_episodes(alpha, needed) -> None:
    assert episodes_needed(alpha) == needed
    assert conformal_threshold([float(i) for i in range(needed)], alpha) == needed - 1
    with pytest.raises(CalibrationError, match=f'at least {needed} successful episodes, there are {needed - 1}'):
        conformal_threshold([0.0] * (needed - 1), alpha)


@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused(bad) -> None:
    with pytest.raises(CalibrationError, match='calibration episode 3'):
        conformal_threshold([0.0, 1.0, 2.0, bad, *[0.0] * 10], 0.1)


@pytest.mark.parametrize('alpha', [0.0, 1.0, -0.1, math.nan])
def test_a_rate_that_is_none_is_refused(alpha) -> None:
    with pytest.raises(CalibrationError, match='between 0 and 1'):
        conformal_threshold([0.0] * 100, alpha)
