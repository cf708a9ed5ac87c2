# SPDX-License-Identifier: Apache-2.0
"""The command, and what an action is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from igrft.types import ARM_ACTION_DIM, Float32, Source


@dataclass(frozen=True, slots=True)
class Command:
    """One control tick's action on its way to the robot.

    Attributes:
        stamp: the tick [s].
        action: [n_arms * 7] float32.
        source: who drives.
        chunk_step: index in the policy's chunk, -1 when the action is not from a chunk.
        checkpoint: id of the checkpoint when the policy drives.
    """

    stamp: float
    action: Float32
    source: Source
    chunk_step: int = -1
    checkpoint: str = ''


def refusal(action: Float32, dim: int) -> str:
    """Why an action [dim] cannot be used, '' when it can."""
    if action.shape != (dim,):
        return f'an action has {dim} floats here, got {action.shape}'
    if not np.isfinite(action).all():
        return f'not finite: {np.array2string(action, precision=3)}'
    return ''


def hold_action(openings: Float32) -> Float32:
    """The action that stands still with the grippers as they are: [n_arms] openings to [n_arms * 7]."""
    action = np.zeros((len(openings), ARM_ACTION_DIM), np.float32)
    action[:, -1] = openings
    return action.reshape(-1)


def slowed(action: Float32, share: float) -> Float32:
    """The action [n_arms * 7] at a share of its speed; the grippers as they are meant."""
    result = action.copy().reshape(-1, ARM_ACTION_DIM)
    result[:, :-1] *= np.float32(share)
    return result.reshape(-1)


def openings_of(action: Float32) -> Float32:
    """The gripper openings [n_arms] of an action [n_arms * 7]."""
    return action[ARM_ACTION_DIM - 1 :: ARM_ACTION_DIM]


def twists_of(action: Float32) -> Float32:
    """The twists [n_arms, 6] of an action [n_arms * 7]."""
    return action.reshape(-1, ARM_ACTION_DIM)[:, :-1]


def shorten(vector: npt.NDArray[Any], length: float) -> npt.NDArray[Any]:
    """The vector, no longer than ``length``."""
    norm = float(np.linalg.norm(vector))
    return vector * (length / norm) if norm > length else vector
