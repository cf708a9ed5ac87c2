# SPDX-License-Identifier: Apache-2.0
"""Subtask-level reward: the difference of a potential that rises around each subtask's completion."""

from __future__ import annotations

from collections.abc import Sequence

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
