# SPDX-License-Identifier: Apache-2.0
"""Returns and advantages along an episode.

A success ends the task: nothing is worth anything after it, V = 0. A timeout, or an operator who lets go of the
recording, ends only the recording: the return goes on from V of the last state.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


def _successors(values: Float64, terminal: bool) -> tuple[Float64, int]:
    """V(s_{t+1}) for every usable t, and how many steps are usable."""
    if terminal:
        return np.append(values[1:], 0.0), len(values)
    return values[1:].copy(), len(values) - 1


def lambda_returns(rewards: Float64, values: Float64, gamma: float, lam: float, terminal: bool) -> Float64:
    """G_t = r_t + γ [(1 − λ) V(s_{t+1}) + λ G_{t+1}].

    Args:
        rewards: r_t, [T].
        values: V(s_t), [T].
        gamma: discount a step, in [0, 1].
        lam: λ in [0, 1]; 0 is the one-step target, 1 the discounted sum.
        terminal: whether the last step ended the task. If not, its state only lends its value: G_T = V(s_T).

    Returns:
        [T].
    """
    following, usable = _successors(values, terminal)
    returns = np.array(values, np.float64)
    ahead = 0.0 if terminal else float(values[-1]) if len(values) else 0.0
    for t in range(usable - 1, -1, -1):
        ahead = rewards[t] + gamma * ((1 - lam) * following[t] + lam * ahead)
        returns[t] = ahead
    return returns


def chunk_returns(rewards: Float64, values: Float64, gamma: float, horizon: int, terminal: bool) -> Float64:
    """G_t = Σ_{k<n} γ^k r_{t+k} + γ^n V(s_{t+n}), the return over one chunk of ``horizon`` steps: [T].

    Near the end n is what is left; the arguments are those of :func:`lambda_returns`.
    """
    following, usable = _successors(values, terminal)
    returns = np.array(values, np.float64)
    for t in range(usable):
        n = min(horizon, usable - t)
        discounts = gamma ** np.arange(n)
        returns[t] = discounts @ rewards[t : t + n] + gamma**n * following[t + n - 1]
    return returns


def advantages(rewards: Float64, values: Float64, gamma: float, lam: float, horizon: int, terminal: bool) -> Float64:
    """Â_t = G_t − V(s_t): [T].

    Args:
        horizon: n ≥ 1 takes the return over a chunk of n steps; 0 takes the λ-return (generalised advantage
        estimation).
    """
    if horizon:
        return chunk_returns(rewards, values, gamma, horizon, terminal) - values
    return lambda_returns(rewards, values, gamma, lam, terminal) - values
