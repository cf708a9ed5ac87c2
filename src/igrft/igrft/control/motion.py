# SPDX-License-Identifier: Apache-2.0
"""Joint motion without a planner: time-optimal and jerk-limited, straight in joint space (Ruckig).

It knows nothing of obstacles: for a cell whose named poses are reached freely, and for robots without MoveIt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import ruckig

Vector = npt.NDArray[np.float64]


class MotionError(ValueError):
    """A motion that cannot be made."""


@dataclass(frozen=True, kw_only=True)
class MotionLimits:
    """Of every joint."""

    velocity: float = 1.0
    """[rad/s]"""
    acceleration: float = 2.0
    """[rad/s²]"""
    jerk: float = 10.0
    """[rad/s³]"""

    def __post_init__(self) -> None:
        if min(self.velocity, self.acceleration, self.jerk) <= 0:
            raise ValueError('velocity, acceleration and jerk must be positive')


@dataclass(frozen=True, slots=True)
class MotionPoint:
    """positions [n] rad, velocities [n] rad/s; progress 0 to 1; done at the last point."""

    positions: Vector
    velocities: Vector
    progress: float
    done: bool


class JointMotion:
    """One motion from rest to rest, sampled at the control rate; :meth:`brake` ends it early.

    Args:
        start: [n] joint positions [rad].
        target: [n] joint positions [rad].
        limits: of every joint.
        dt: between two points [s].

    Raises:
        MotionError: other sizes, or values that are not finite.
    """

    def __init__(self, start: Sequence[float], target: Sequence[float], limits: MotionLimits, dt: float) -> None:
        if len(start) != len(target):
            raise MotionError(f'{len(target)} joint positions for an arm with {len(start)} joints')
        if not (np.isfinite(start).all() and np.isfinite(target).all()):
            raise MotionError('joint positions must be finite')
        n = len(start)
        self._ruckig = ruckig.Ruckig(n, dt)
        self._input = ruckig.InputParameter(n)
        self._output = ruckig.OutputParameter(n)
        self._input.current_position = [float(v) for v in start]
        self._input.target_position = [float(v) for v in target]
        self._input.max_velocity = [limits.velocity] * n
        self._input.max_acceleration = [limits.acceleration] * n
        self._input.max_jerk = [limits.jerk] * n
        self._braking = False
        self._elapsed = 0.0
        self._dt = dt
        self.duration = 0.0
        """[s] of the whole motion, known after the first point."""

    def brake(self) -> None:
        """Come to rest as fast as the limits allow."""
        if not self._braking:
            self._braking = True
            n = self._input.degrees_of_freedom
            self._input.control_interface = ruckig.ControlInterface.Velocity
            self._input.target_velocity = [0.0] * n
            self._input.target_acceleration = [0.0] * n

    def step(self) -> MotionPoint:
        """The next point.

        Raises:
            MotionError: the target cannot be reached within the limits.
        """
        result = self._ruckig.update(self._input, self._output)
        if result < 0:
            raise MotionError(f'no motion within the limits: {result}')
        self._elapsed += self._dt
        self.duration = float(self._output.trajectory.duration)
        positions = np.asarray(self._output.new_position, np.float64)
        velocities = np.asarray(self._output.new_velocity, np.float64)
        self._output.pass_to_input(self._input)
        done = result == ruckig.Result.Finished
        progress = 1.0 if done else min(self._elapsed / max(self.duration, self._dt), 1.0)
        return MotionPoint(positions, velocities, progress, done)
