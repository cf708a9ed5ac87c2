# SPDX-License-Identifier: Apache-2.0
"""Rigid transforms as 4x4 matrices. ``a_from_b`` takes coordinates in frame b to coordinates in frame a."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


def pose(rotation: npt.ArrayLike, translation: npt.ArrayLike) -> Float64:
    """[4, 4] from a rotation [3, 3] and a translation [3] or [3, 1] m."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = np.ravel(np.asarray(translation, np.float64))
    return matrix


def inverse(matrix: Float64) -> Float64:
    """[4, 4] of the opposite direction."""
    rotation = matrix[:3, :3].T
    return pose(rotation, -rotation @ matrix[:3, 3])


def from_vector(vector: npt.ArrayLike) -> Float64:
    """[4, 4] from [6]: a rotation vector [rad], then a translation [m]."""
    values = np.asarray(vector, np.float64)
    return pose(cv2.Rodrigues(values[:3])[0], values[3:])


def to_vector(matrix: Float64) -> Float64:
    """[6] from [4, 4]; the inverse of :func:`from_vector`."""
    return np.concatenate([np.ravel(cv2.Rodrigues(matrix[:3, :3])[0]), matrix[:3, 3]])


def from_quaternion(position: Sequence[float], quaternion: Sequence[float]) -> Float64:
    """[4, 4] from a position [3] m and a quaternion (w, x, y, z), of any length but zero.

    Raises:
        ValueError: not finite, or a quaternion of no length.
    """
    q = np.asarray(quaternion, np.float64)
    norm = float(np.linalg.norm(q))
    if not (np.isfinite(q).all() and np.isfinite(np.asarray(position, np.float64)).all() and norm > 1e-6):
        raise ValueError(f'position {tuple(position)} with quaternion {tuple(quaternion)} (w x y z) is not a pose')
    w, x, y, z = q / norm
    rotation = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return pose(rotation, position)


def quaternion_of(matrix: Float64) -> Float64:
    """[4] (w, x, y, z) of a transform, w not negative."""
    vector = np.ravel(cv2.Rodrigues(matrix[:3, :3])[0])
    angle = float(np.linalg.norm(vector))
    axis = vector / angle if angle > 1e-12 else np.zeros(3)
    found = np.concatenate([[np.cos(angle / 2)], np.sin(angle / 2) * axis])
    return np.asarray(found if found[0] >= 0 else -found)


def angle_between(first: Float64, second: Float64) -> float:
    """Angle [rad] of the rotation from one transform to the other."""
    cosine = (np.trace(first[:3, :3].T @ second[:3, :3]) - 1) / 2
    return float(np.arccos(np.clip(cosine, -1.0, 1.0)))
