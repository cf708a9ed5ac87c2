# SPDX-License-Identifier: Apache-2.0
"""Which way is forward for the operator: the frames that a deflection may be meant in, turned into ``base_link``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from igrft.types import Float32

Matrix = npt.NDArray[np.float64]

FRAMES = ('base', 'tool', 'camera')
"""``base``: of the robot; ``tool``: of the gripper; ``camera``: of a view, x into the picture, y left, z up in it."""


def from_quaternion(quaternion: Sequence[float]) -> Matrix:
    """Rotation matrix [3, 3] of a quaternion (w, x, y, z), which is brought to unit length.

    Raises:
        ValueError: it has no length or is not finite.
    """
    q = np.asarray(quaternion, np.float64)
    norm = float(np.linalg.norm(q))
    if not (np.isfinite(norm) and norm > 1e-6):
        raise ValueError(f'{q} (w x y z) is no orientation')
    w, x, y, z = q / norm
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def from_rpy(roll: float, pitch: float, yaw: float) -> Matrix:
    """Rotation matrix [3, 3] of fixed-axis angles [rad] as URDF has them: about x, then y, then z."""
    half = np.array([roll, pitch, yaw]) / 2.0
    (cr, cp, cy), (sr, sp, sy) = np.cos(half), np.sin(half)
    return from_quaternion(
        (
            cr * cp * cy + sr * sp * sy,
            sr * cp * cy - cr * sp * sy,
            cr * sp * cy + sr * cp * sy,
            cr * cp * sy - sr * sp * cy,
        )
    )


def turned(twist: Float32, rotation: Matrix) -> Float32:
    """A twist [6] of the tool, given along the axes of a frame, along those of the frame it is rotated into.

    Both halves turn alike: the point that moves stays the tool, only the axes change.
    """
    return np.concatenate([rotation @ twist[:3], rotation @ twist[3:]]).astype(np.float32)
