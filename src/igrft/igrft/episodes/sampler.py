# SPDX-License-Identifier: Apache-2.0
"""Which chunks a training batch consists of: rows of concatenated episodes, drawn by group, cut at episode ends."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class SamplerError(ValueError):
    """Nothing to draw from; the text says which group is empty."""


def episode_ends(lengths: Sequence[int]) -> Rows:
    """For every row of concatenated episodes, the row after its episode's last: [sum(lengths)]."""
    ends = np.cumsum(np.asarray(lengths, np.int64))
    return np.repeat(ends, lengths)


def chunk_rows(starts: Rows, ends: Rows, horizon: int) -> tuple[Rows, Mask]:
    """The rows of the chunks that begin at ``starts``.

    Args:
        starts: [B] rows.
        ends: [N] from :func:`episode_ends`.
        horizon: H.

    Returns:
        rows [B, H], repeated at the episode's last row beyond its end, and the mask [B, H] of rows that exist.
    """
    rows = starts[:, None] + np.arange(horizon)
    limit = ends[starts][:, None]
    return np.minimum(rows, limit - 1), rows < limit


def usable_prefix(mask: Mask, usable: Mask) -> Mask:
    """Cut every chunk at its first step that is not usable: what follows it was done from elsewhere.

    Args:
        mask: [B, H], the steps that exist.
        usable: [B, H], for instance the steps whose weight is positive.
    """
    cut: Mask = np.logical_and.accumulate(mask & usable, axis=1)
    return cut


class ChunkSampler:
    """Draws chunk starts: first a group by its share, then a row of the group uniformly.

    Groups without rows give their share to the others, in proportion, so that D_demo : D_real is 1 : 1 only once
    D_real exists.
    """

    def __init__(self, groups: Mapping[str, Rows], shares: Mapping[str, float], seed: int) -> None:
        """Prepare the draw.

        Args:
            groups: name to rows that may begin a chunk.
            shares: name to its share of a batch; a group without one is not drawn from.
            seed: of the draw.

        Raises:
            SamplerError: no group with a share has a row.
        """
        self.names = sorted(name for name, share in shares.items() if share > 0 and len(groups.get(name, ())))
        if not self.names:
            counts = ', '.join(f'{name}: {len(rows)}' for name, rows in sorted(groups.items())) or 'none'
            raise SamplerError(f'no step to train on; steps by group: {counts}; shares: {dict(shares)}')
        self.groups = {name: np.asarray(groups[name], np.int64) for name in self.names}
        weights = np.array([shares[name] for name in self.names], np.float64)
        self.shares: dict[str, float] = dict(zip(self.names, (weights / weights.sum()).tolist(), strict=True))
        self._generator = np.random.Generator(np.random.PCG64(seed))

    def draw(self, batch: int) -> Rows:
        """``batch`` rows, grouped; the number from each group is its share, rounded at random."""
        counts = self._counts(batch)
        drawn = [
            rows[self._generator.integers(0, len(rows), count)]
            for rows, count in zip(self.groups.values(), counts, strict=True)
        ]
        return np.concatenate(drawn)

    def _counts(self, batch: int) -> list[int]:
        exact = np.array([self.shares[name] * batch for name in self.names])
        counts = np.floor(exact).astype(int)
        remainder = exact - counts
        missing = batch - int(counts.sum())
        if missing:
            chosen = self._generator.choice(len(exact), missing, replace=False, p=remainder / remainder.sum())
            counts[chosen] += 1
        return [int(count) for count in counts]

    def state(self) -> str:
        """The generator's state as JSON."""
        return json.dumps(self._generator.bit_generator.state)

    def restore(self, state: str) -> None:
        """Go on from :meth:`state`."""
        data: dict[str, Any] = json.loads(state)
        self._generator.bit_generator.state = data
