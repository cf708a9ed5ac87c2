# SPDX-License-Identifier: Apache-2.0
"""Trajectory-level reward: success, spread evenly over the steps it took."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def trajectory_reward(length: int, success: bool) -> npt.NDArray[np.float64]:
    r"""Reward of every step of one episode.

    .. math:: r^{traj}_t = \mathbb{1}[\text{success}] / T

    It sums to 1 over a successful episode and to 0 over a failed one, so a faster success is denser.

    Args:
        length: number of steps T.
        success: whether the episode was labelled a success.

    Returns:
        [T] float64.

    Raises:
        ValueError: ``length`` is not positive.
    """
    if length < 1:
        raise ValueError(f'an episode has at least one step, not {length}')
    return np.full(length, 1.0 / length if success else 0.0)
