# SPDX-License-Identifier: Apache-2.0
"""Subtask-level reward: the difference of a potential that rises around each subtask's completion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

NEVER = float('nan')
"""Completion time of a subtask that was never completed."""


def sigmoid(x: npt.ArrayLike) -> Float64:
    """1 / (1 + exp(-x)) without overflow at either end."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * np.asarray(x, np.float64))))


def potential(t: npt.ArrayLike, completed_at: Sequence[float], weights: Sequence[float], kappa: float) -> Float64:
    r"""Potential of an episode at the times ``t``.

    .. math:: \Phi(t) = \sum_k w_k \, \sigma\big((t - t_k) / \kappa\big)

    A subtask that was never completed (``NEVER``) contributes nothing.

    Args:
        t: times, any shape; the same unit as ``completed_at`` and ``kappa``.
        completed_at: [K] completion times t_k.
        weights: [K] weights w_k, summing to 1 over the task.
        kappa: width of the rise.

    Returns:
        float64 of the shape of ``t``, in [0, 1].

    Raises:
        ValueError: ``kappa`` is not positive, or the sequences differ in length.
    """
    if kappa <= 0:
        raise ValueError(f'kappa must be positive, not {kappa:g}')
    times = np.asarray(t, np.float64)
    total = np.zeros_like(times)
    for t_k, w_k in zip(completed_at, weights, strict=True):
        if not np.isnan(t_k):
            total = total + w_k * sigmoid((times - t_k) / kappa)
    return total


def subtask_reward(
    length: int,
    completed_at: Sequence[float],
    weights: Sequence[float],
    kappa: float,
    gamma: float | None = None,
) -> Float64:
    r"""Reward of every step t = 0 … T-1 of one episode.

    .. math:: r^{sub}_t = \Phi(t + 1) - \Phi(t) \qquad (\text{or } \gamma\Phi(t + 1) - \Phi(t))

    The plain difference telescopes to :math:`\Phi(T) - \Phi(0)`. With ``gamma`` it is potential-based
    shaping in the strict sense, which leaves the optimal policy unchanged (Ng, Harada, Russell 1999).

    Args:
        length: number of steps T.
        completed_at: [K] completion times in steps, ``NEVER`` where not completed.
        weights: [K] weights.
        kappa: width of the rise in steps.
        gamma: discount of the shaping, None for the plain difference.

    Returns:
        [T] float64.
    """
    phi = potential(np.arange(length + 1), completed_at, weights, kappa)
    return (1.0 if gamma is None else gamma) * phi[1:] - phi[:-1]


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
