# SPDX-License-Identifier: Apache-2.0
"""How many periods are due on the wall's clock."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pacer:
    """Counts periods without drift; a machine that cannot follow loses time, it never has to rush.

    Args:
        rate: periods a second of wall time.
        most_late: periods that are made up for at once; what is beyond is dropped.
        clock: monotonic seconds.
    """

    def __init__(self, rate: float, most_late: int = 5, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._most_late = most_late
        self._clock = clock
        self._begin = clock()
        self._done = 0
        self._dropped = 0

    def due(self) -> int:
        """Periods to do now; they count as done."""
        # the tiny share keeps a period that is due to the nanosecond from being rounded away
        behind = int((self._clock() - self._begin) * self._rate + 1e-6) - self._done
        if behind > self._most_late:
            self._dropped += behind - self._most_late
            self._begin += (behind - self._most_late) / self._rate
            behind = self._most_late
        self._done += behind
        return behind

    def dropped(self) -> int:
        """Periods lost since the last call."""
        dropped, self._dropped = self._dropped, 0
        return dropped
