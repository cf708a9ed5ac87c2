# SPDX-License-Identifier: Apache-2.0
"""Which tick is an episode's first."""

from __future__ import annotations

JUMP = 500_000_000
"""[ns] by which the cell's time goes on at least at a reset, and never within an episode."""

PATIENT = 3
"""Arrivals of the same tick after which it is no straggler."""


class EpisodeGate:
    """Keeps the last episode's ticks out of the next one.

    Topics have no order among each other: an episode may be known to record before the tick of its reset has
    arrived. An answer to the tick before it would be lost, and the operator would be a step ahead.
    """

    def __init__(self) -> None:
        self._seed = -1
        self._open = False
        self._last = -JUMP
        self._stamp = -1
        self._arrivals = 0

    def begin(self, seed: int) -> None:
        """An episode of that seed records."""
        self._seed = seed
        self._open = False
        self._arrivals = 0

    def arrived(self, stamp: int) -> None:
        """A tick [ns] has arrived, or has arrived again."""
        self._arrivals = self._arrivals + 1 if stamp == self._stamp else 1
        self._stamp = stamp

    def admits(self, stamp: int, seed: int) -> bool:
        """The tick belongs to the episode. A cell that was not reset repeats its tick until that is plain."""
        if not self._open:
            fresh = seed == self._seed and stamp >= self._last + JUMP
            self._open = fresh or (stamp == self._stamp and self._arrivals >= PATIENT)
        if self._open:
            self._last = stamp
        return self._open
