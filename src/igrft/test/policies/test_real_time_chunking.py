# SPDX-License-Identifier: Apache-2.0
"""A new chunk continues the running one: weights, guidance, freezing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from igrft.bench.latency import SPEC, TwoWays
from igrft.method.flow_matching import integrate
from igrft.policies.protocol import Inputs
from igrft.policies.real_time_chunking import Committed, continued, guidance_weight, guided, soft_mask
from igrft.policies.serving import committed
from igrft.types import ActionChunk


@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 60))
def test_weights_fall_from_one_to_nothing(horizon: int, frozen: int, overlap: int) -> None:
    weights = soft_mask(horizon, frozen, overlap)
    assert weights.shape == (horizon,) and bool(((weights >= 0) & (weights <= 1)).all())
    assert bool((weights.diff() <= 1e-6).all())
    assert bool((weights[: min(frozen, overlap)] == 1).all()) and not bool(weights[overlap:].any())
    if frozen < overlap <= horizon:
        assert 0 < float(weights[overlap - 1]) < 1


def test_the_pull_is_bounded_also_at_both_ends() -> None:
    weights = guidance_weight(torch.tensor([0.0, 0.5, 1.0]), 5.0)
    torch.testing.assert_close(weights, torch.tensor([5.0, 2.0, 5.0]))


def test_guidance_ends_at_what_is_committed_to_where_it_counts() -> None:
    """The guided flow to one Gaussian ends on the target's side of its mean, and free steps where they would."""
    mean, target = torch.zeros(1, 4, 2), torch.ones(1, 4, 2)
    weights = torch.tensor([1.0, 1.0, 0.0, 0.0])[:, None]

    def velocity(a: torch.Tensor, tau: torch.Tensor) -> torch.Tensor:
        t = tau[:, None, None]
        variance = (1 - t).square() + (0.3 * t).square()
        return mean + (t * 0.09 - (1 - t)) / variance * (a - t * mean)

    start = torch.zeros(1, 4, 2)
    free = integrate(velocity, start, 20)
    pulled = integrate(guided(velocity, target, weights, 5.0), start, 20)
    torch.testing.assert_close(pulled[:, 2:], free[:, 2:])
    assert bool((pulled[:, :2] > 0.2).all()) and bool((pulled[:, :2] < 1.5).all())


def two_ways_chunk(stamp: float, side: float) -> ActionChunk:
    policy = TwoWays()
    inputs = Inputs(torch.tensor([[0.0, 0.0, stamp]]), [''])
    ways, _ = policy.prepare(inputs)
    actions = policy.normalisation.physical_actions(ways[0, int(side > 0)])
    return ActionChunk(stamp, actions.numpy(), SPEC.step_dt)


@pytest.mark.parametrize('side', [-1.0, 1.0])
def test_an_open_choice_stays_with_what_was_begun(side: float) -> None:
    """In the middle both ways are as probable; the committed one is taken always, the free draw takes both."""
    policy = TwoWays()
    inputs = Inputs(torch.tensor([[0.0, 0.0, 0.3]]), [''])
    meanwhile = committed(two_ways_chunk(0.0, side), 0.3, 0.3, 10.0)
    assert meanwhile is not None and meanwhile.frozen == 3 and len(meanwhile.actions) == SPEC.horizon - 3
    taken, free = [], []
    for seed in range(16):
        drawn = policy.sample(inputs, 1.0, torch.Generator().manual_seed(seed), meanwhile)
        np.testing.assert_allclose(drawn[0, :3], meanwhile.actions[:3], atol=1e-6)
        taken.append(np.sign(drawn[0, 8, 1]))
        free.append(np.sign(policy.sample(inputs, 1.0, torch.Generator().manual_seed(seed))[0, 8, 1]))
    assert set(taken) == {side}
    assert set(free) == {-1.0, 1.0}


def test_the_running_chunk_is_aligned_to_the_new_ones_steps() -> None:
    actions = np.repeat(np.arange(6, dtype=np.float32)[:, None], 7, 1)
    chunk = ActionChunk(1.0, actions, 0.1)
    half = committed(chunk, 1.15, 0.25, 5.0)
    assert half is not None and half.frozen == 3
    np.testing.assert_allclose(half.actions[:, 0], [1.5, 2.5, 3.5, 4.5, 5.0], atol=1e-4)
    np.testing.assert_allclose(half.actions[:, 6], [1, 2, 3, 4, 5])
    assert committed(None, 1.0, 0.3, 5.0) is None
    assert committed(chunk, 1.2, 0.09, 5.0) is None, 'within a step blending is enough'
    assert committed(chunk, 1.6, 0.3, 5.0) is None, 'it has run out'
    assert committed(chunk, 0.9, 0.3, 5.0) is None, 'it began later'
    assert committed(chunk, 1.5, 9.0, 5.0).frozen == 1  # type: ignore[union-attr]


def test_a_policy_that_cannot_be_guided_averages_the_overlap() -> None:
    new, running = torch.zeros(1, 5, 7), Committed(torch.ones(4, 7), 2)
    np.testing.assert_allclose(continued(new, running)[0, :, 0], [1, 1, 2 / 3, 1 / 3, 0], atol=1e-6)
    blended = continued(new, running, blend=True)[0, :, 0]
    assert blended[0] == blended[1] == 1 and 1 > blended[2] > blended[3] > blended[4] == 0
    assert continued(new, None) is new
    with pytest.raises(ValueError, match='not be negative'):
        Committed(torch.ones(4, 7), -1)
