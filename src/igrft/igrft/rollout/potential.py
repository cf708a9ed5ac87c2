# SPDX-License-Identifier: Apache-2.0
"""The subtask potential while an episode runs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from igrft.reward.subtask import NEVER, potential


@dataclass
class PotentialTracker:
    """The potential while the episode runs: only the marks received so far count.

    Attributes:
        weights: [K] weights of the ordered subtasks.
        kappa: width of the rise [s].
        completed_at: [K] completion times [s], ``NEVER`` until marked.
        value: the potential at the last :meth:`advance`.
    """

    weights: tuple[float, ...]
    kappa: float
    completed_at: list[float] = field(default_factory=list)
    value: float = 0.0

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget every mark: a new episode begins."""
        self.completed_at = [NEVER] * len(self.weights)
        self.value = 0.0

    @property
    def completed(self) -> int:
        """How many subtasks are marked."""
        return int(np.sum(~np.isnan(self.completed_at)))

    @property
    def next_open(self) -> int:
        """Index of the first subtask without a mark; the number of subtasks when all have one."""
        return next((k for k, t in enumerate(self.completed_at) if np.isnan(t)), len(self.weights))

    def mark(self, index: int, stamp: float) -> None:
        """Subtask ``index`` was completed at ``stamp`` [s]; a second mark of it is ignored.

        Raises:
            ValueError: the task has no such subtask.
        """
        if not 0 <= index < len(self.weights):
            raise ValueError(f'subtask index {index}: the task has {len(self.weights)} subtasks')
        if np.isnan(self.completed_at[index]):
            self.completed_at[index] = stamp

    def advance(self, stamp: float) -> float:
        """Move to ``stamp`` [s]; returns the reward, the potential's rise since the last call."""
        now = float(potential(stamp, self.completed_at, self.weights, self.kappa))
        rise, self.value = now - self.value, now
        return rise
