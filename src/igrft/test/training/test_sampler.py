# SPDX-License-Identifier: Apache-2.0
"""Which chunks a batch consists of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igrft.episodes.sampler import ChunkSampler, SamplerError, chunk_rows, episode_ends, usable_prefix

lengths = st.lists(st.integers(1, 9), min_size=1, max_size=5)


@given(lengths, st.integers(1, 6), st.randoms(use_true_random=False))
def test_chunks_stay_in_their_episode(sizes: list[int], horizon: int, random: object) -> None:
    ends = episode_ends(sizes)
    starts = np.arange(sum(sizes))
    rows, mask = chunk_rows(starts, ends, horizon)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    assert (owner[rows] == owner[starts][:, None]).all()
    assert (rows[mask] == (starts[:, None] + np.arange(horizon))[mask]).all()
    assert (mask.sum(1) == np.minimum(horizon, ends - starts)).all()


def test_a_chunk_is_cut_at_the_first_unusable_step() -> None:
    mask = np.array([[True, True, True, False]])
    usable = np.array([[True, False, True, True]])
    assert usable_prefix(mask, usable).tolist() == [[True, False, False, False]]


def test_shares_hold_in_every_batch_and_empty_groups_give_theirs_away() -> None:
    groups = {'a': np.arange(10), 'b': np.arange(10, 15), 'c': np.array([], np.int64)}
    sampler = ChunkSampler(groups, {'a': 0.5, 'b': 0.25, 'c': 0.25}, 0)
    assert sampler.shares == pytest.approx({'a': 2 / 3, 'b': 1 / 3})
    for _ in range(20):
        rows = sampler.draw(32)
        assert len(rows) == 32 and 20 <= (rows < 10).sum() <= 22
    seen = np.unique(np.concatenate([sampler.draw(32) for _ in range(30)]))
    assert seen.tolist() == list(range(15))


def test_a_restored_sampler_draws_the_same() -> None:
    sampler = ChunkSampler({'a': np.arange(100)}, {'a': 1.0}, 3)
    sampler.draw(7)
    state = sampler.state()
    ahead = [sampler.draw(7).tolist() for _ in range(3)]
    other = ChunkSampler({'a': np.arange(100)}, {'a': 1.0}, 99)
    other.restore(state)
    assert [other.draw(7).tolist() for _ in range(3)] == ahead


def test_nothing_to_draw_from_is_an_error_with_counts() -> None:
    with pytest.raises(SamplerError, match='policy: 0'):
        ChunkSampler({'policy': np.array([], np.int64), 'demonstration': np.arange(3)}, {'policy': 1.0}, 0)
