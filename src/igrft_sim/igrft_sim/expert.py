# SPDX-License-Identifier: Apache-2.0
"""Hand motion for the scripted experts: smooth, a little noisy, as a person's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from igrft_sim.tasks.base import Float64

STEP = 0.1
"""[s] of a policy step, which the expert plans for."""

OPEN, CLOSED = 1.0, 0.0


@dataclass(frozen=True, slots=True)
class Motion:
    """How a hand moves.

    Attributes:
        speed: [m/s] at most.
        turning: [rad/s] at most.
        gain: share of the remaining way that a step goes.
    """

    speed: float = 0.36
    turning: float = 1.5
    gain: float = 0.5


class Hand:
    """Twists towards poses with the tool pointing down, with noise on pace, aim and path.

    Args:
        rng: of the noise.
        noise: 1 a practised operator, 0 exact.
        motion: pace.
    """

    def __init__(self, rng: np.random.Generator, noise: float, motion: Motion = Motion()) -> None:
        self._rng = rng
        self._noise = noise
        self._motion = motion
        self._pace = 1.0 + noise * rng.uniform(-0.12, 0.08)
        self._aim = noise * rng.normal(0.0, 0.0015, 3)
        self._wobble = np.zeros(3)

    def hold(self, opening: float) -> npt.NDArray[np.float32]:
        """Stay where it is."""
        return np.array([0, 0, 0, 0, 0, 0, opening], np.float32)

    def towards(
        self,
        tool: Float64,
        position: Float64,
        yaw: float,
        opening: float,
        lateral_share: float = 1.0,
    ) -> npt.NDArray[np.float32]:
        """The action [7] that goes to a pose.

        Args:
            tool: [7] pose now.
            position: [3] to reach.
            yaw: [rad] of the downward tool to reach.
            opening: gripper command.
            lateral_share: scale of the horizontal motion, below 1 while height is gained first.
        """
        way = position + self._aim - tool[:3]
        way[:2] *= lateral_share
        velocity = _limited(way * (self._motion.gain / STEP), self._motion.speed * self._pace)
        # an unsteady hand is unsteadier the faster it goes
        self._wobble = 0.7 * self._wobble + 0.3 * self._rng.normal(0.0, 1.0, 3)
        velocity += self._noise * self._wobble * (0.004 + 0.10 * np.linalg.norm(velocity))
        turn = rotation_to(tool[3:7], downward(yaw))
        spin = _limited(turn * (self._motion.gain / STEP), self._motion.turning)
        return np.concatenate([velocity, spin, [opening]]).astype(np.float32)


def _limited(vector: Float64, limit: float) -> Float64:
    size = float(np.linalg.norm(vector))
    return vector if size <= limit else vector * (limit / size)


def downward(yaw: float) -> Float64:
    """Quaternion (w, x, y, z) of a tool that points down, turned by ``yaw`` about z."""
    return np.array([0.0, np.cos(yaw / 2), np.sin(yaw / 2), 0.0])


def multiply(a: Float64, b: Float64) -> Float64:
    """Product of quaternions (w, x, y, z)."""
    aw, ax, ay, az = a
    bw, bx, by, bz = b
    return np.array(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ]
    )


def rotation_to(start: Float64, goal: Float64) -> Float64:
    """Rotation vector [3] in the base frame that turns ``start`` into ``goal``, the short way."""
    difference = multiply(goal, start * np.array([1.0, -1.0, -1.0, -1.0]))
    if difference[0] < 0:
        difference = -difference
    size = float(np.linalg.norm(difference[1:]))
    if size < 1e-9:
        return np.zeros(3)
    return difference[1:] * (2 * np.arctan2(size, difference[0]) / size)


def tool_yaw(tool: Float64) -> float:
    """Yaw [rad] in [-pi, pi] of a tool that points down, roughly."""
    _, x, y, _ = tool[3:7]
    return float((2 * np.arctan2(y, x) + np.pi) % (2 * np.pi) - np.pi)


def grasp_yaw(pose: Float64) -> float:
    """Yaw [rad] in [-pi/4, pi/4] to hold a cube by its sides, whichever face it lies on."""
    w, x, y, z = pose[3:7]
    axes = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)],
            [2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)],
            [2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    level = axes[np.argmin(np.abs(axes[:, 2]))]
    heading = np.arctan2(level[1], level[0])
    return float((heading + np.pi / 4) % (np.pi / 2) - np.pi / 4)
