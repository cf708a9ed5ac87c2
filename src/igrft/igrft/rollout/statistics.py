# SPDX-License-Identifier: Apache-2.0
"""Success rates with their uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z_95 = 1.959963984540054
"""Two-sided 95 % quantile of the standard normal."""


@dataclass(frozen=True, slots=True)
class Proportion:
    """A success rate out of ``n`` trials with its Wilson score interval (Wilson 1927)."""

    successes: int
    n: int

    def __post_init__(self) -> None:
        if not 0 <= self.successes <= self.n:
            raise ValueError(f'{self.successes} successes out of {self.n} trials')

    @property
    def rate(self) -> float:
        """Share of successes, NaN without a trial."""
        return self.successes / self.n if self.n else math.nan

    def interval(self, z: float = Z_95) -> tuple[float, float]:
        """Wilson score interval [low, high]; (0, 1) without a trial."""
        if not self.n:
            return 0.0, 1.0
        p, n = self.rate, self.n
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return max(0.0, centre - half), min(1.0, centre + half)

    def __str__(self) -> str:
        low, high = self.interval()
        return f'{self.rate:6.1%}  [{low:.1%}, {high:.1%}]  n = {self.n}'
