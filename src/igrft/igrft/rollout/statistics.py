# SPDX-License-Identifier: Apache-2.0
"""Success rates with their uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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


def paired_difference(tasks: Sequence[Sequence[Sequence[float]]]) -> tuple[float, float]:
    """The mean of paired differences, and half its 95 % interval.

    Args:
        tasks: one or more, of each its trainings, of each training the differences of its episodes, as many as of any.

    Returns:
        mean and margin. The margin is of the episodes, as if each training were the only one there could be; where
        every task was trained more than once, it is at least Student's, from how trainings of a task differ (degrees of
        freedom by Satterthwaite 1946: the tasks' trainings need not differ alike).
    """
    episodes = np.concatenate([np.asarray(training, np.float64) for trainings in tasks for training in trainings])
    mean, margin = float(episodes.mean()), Z_95 * float(episodes.std() / math.sqrt(len(episodes)))
    if any(len(trainings) < 2 for trainings in tasks):
        return mean, margin
    from scipy.stats import t  # slow to import, and only a benchmark with repetitions needs it

    counts = np.array([len(trainings) for trainings in tasks])
    spread = np.array([np.var([np.mean(training) for training in trainings], ddof=1) for trainings in tasks])
    shares = (counts / counts.sum()) ** 2 * spread / counts
    if not shares.any():
        return mean, margin
    freedom = shares.sum() ** 2 / (shares**2 / (counts - 1)).sum()
    return mean, max(margin, float(t.ppf(0.975, freedom)) * math.sqrt(shares.sum()))


def bootstrap_ratio(
    numerators: Sequence[float], denominators: Sequence[float], resamples: int = 4000, seed: int = 0
) -> tuple[float, float, float]:
    """Σ numerators / Σ denominators over episodes, and its 95 % percentile interval when episodes are drawn anew.

    Args:
        numerators: [N], one an episode.
        denominators: [N], ones for a mean.
        resamples: how often they are drawn.
        seed: of the draws.

    Returns:
        ratio, low, high; NaN without an episode.
    """
    above, below = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    if not len(above):
        return math.nan, math.nan, math.nan
    rows = np.random.default_rng(seed).integers(0, len(above), (resamples, len(above)))
    low, high = np.quantile(above[rows].sum(1) / below[rows].sum(1), (0.025, 0.975))
    return float(above.sum() / below.sum()), float(low), float(high)
