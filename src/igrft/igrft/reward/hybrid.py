# SPDX-License-Identifier: Apache-2.0
"""The hybrid dense reward: trajectory level plus subtask level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from igrft.reward.interaction import InteractionConfig
from igrft.reward.subtask import subtask_reward
from igrft.reward.trajectory import trajectory_reward

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class HybridConfig:
    """Constants of the derived labels (``config/reward``)."""

    lambda_trajectory: float = 1.0
    """Weight of the trajectory-level reward; 0 ablates it."""
    lambda_subtask: float = 1.0
    """Weight of the subtask-level reward; 0 ablates it."""
    kappa: float = 0.3
    """[s] width of the potential's rise around a completion"""
    shaping_gamma: float | None = None
    """Discount of gamma Phi(t+1) - Phi(t); none takes the plain difference"""
    interaction: InteractionConfig = field(default_factory=InteractionConfig)

    def __post_init__(self) -> None:
        if self.kappa <= 0:
            raise ValueError('kappa must be positive [s]')
        if self.shaping_gamma is not None and not 0 < self.shaping_gamma <= 1:
            raise ValueError('shaping_gamma must lie in (0, 1], or be left out')
        if self.lambda_trajectory < 0 or self.lambda_subtask < 0:
            raise ValueError('lambda_trajectory and lambda_subtask must not be negative')


@dataclass(frozen=True, slots=True)
class HybridReward:
    """The reward of every step and its two parts (before their weights), [T] float64 each."""

    total: Float64
    trajectory: Float64
    subtask: Float64


def hybrid_reward(
    length: int,
    success: bool,
    completed_at: Sequence[float],
    weights: Sequence[float],
    dt: float,
    config: HybridConfig,
) -> HybridReward:
    r"""Reward of every step of one episode.

    .. math:: r_t = \lambda_{traj} \, r^{traj}_t + \lambda_{sub} \, r^{sub}_t

    Args:
        length: number of steps T.
        success: the episode's label.
        completed_at: [K] completion times in steps, NaN where never completed.
        weights: [K] subtask weights.
        dt: duration of a step [s].
        config: constants.
    """
    trajectory = trajectory_reward(length, success)
    subtask = subtask_reward(length, completed_at, weights, config.kappa / dt, config.shaping_gamma)
    total = config.lambda_trajectory * trajectory + config.lambda_subtask * subtask
    return HybridReward(total=total, trajectory=trajectory, subtask=subtask)
