# SPDX-License-Identifier: Apache-2.0
"""The last word before the robot: bounded twists inside the workspace, or none.

A filter has no clock and no thread: the caller passes the duration of the tick. It is the same object in
``safety_node`` at 50 Hz and around an environment in process at one policy step a tick.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from igrft.config import LimitsConfig
from igrft.control.inputs import hold_action, openings_of, refusal, shorten, twists_of
from igrft.types import ARM_ACTION_DIM, Float32

Vector = npt.NDArray[np.float64]


class State(IntEnum):
    """The verdict; the values of ``igrft_msgs/SafetyStatus``."""

    OK = 0
    LIMITED = 1
    STALE = 2
    INVALID = 3
    E_STOP = 4


@dataclass(frozen=True, slots=True)
class Verdict:
    """What goes to the robot.

    Attributes:
        action: [n_arms * 7] float32, always finite and within the limits.
        state: why it is what it is.
        text: the same for people.
    """

    action: Float32
    state: State
    text: str


class SafetyFilter:
    """Bounds what an arm is told to do.

    Per arm, in this order: velocity norms; the workspace box, approached no faster than the acceleration limit can
    brake; acceleration norms; and the box again, which wins over the acceleration. A twist that leads out of the
    box is cut on that axis, the way back in stays open.

    Args:
        limits: per arm.
        n_arms: number of arms.
    """

    def __init__(self, limits: LimitsConfig, n_arms: int = 1) -> None:
        self.limits = limits
        self.n_arms = n_arms
        self.rejected = 0
        """Commands refused since start."""
        self.limited = 0
        """Commands clipped since start."""
        self._low = np.asarray(limits.workspace_min, np.float64)
        self._high = np.asarray(limits.workspace_max, np.float64)
        self._twists: Vector = np.zeros((n_arms, 6))
        self._openings: Float32 | None = None
        self._wanted_motion = False
        self._stops: dict[str, bool] = {}

    # Emergency stop -----------------------------------------------------------------------------------------

    def e_stop(self, cause: str, asserted: bool) -> None:
        """A stop button: asserting latches, letting go does not release."""
        if asserted:
            self._stops[cause] = True
            self._twists[:] = 0.0
        elif cause in self._stops:
            self._stops[cause] = False

    def reset(self) -> str:
        """Release the emergency stop. Returns why it can not be, '' when it is released."""
        pressed = [cause for cause, asserted in self._stops.items() if asserted]
        if pressed:
            return f"still asserted by '{pressed[0]}'; release it first"
        if self._wanted_motion:
            return 'the last command asks for motion; let go of the input first'
        self._stops.clear()
        return ''

    @property
    def stopped(self) -> bool:
        """The emergency stop is latched."""
        return bool(self._stops)

    @property
    def openings(self) -> Float32 | None:
        """The grippers' last commanded openings [n_arms], None before the first command."""
        return self._openings

    # The filter ---------------------------------------------------------------------------------------------

    def __call__(self, action: npt.ArrayLike, ee_position: npt.ArrayLike, dt: float) -> Float32:
        """The action let through, for use around an environment in process; see :meth:`filter`."""
        return self.filter(np.asarray(action, np.float32), np.asarray(ee_position, np.float64), dt).action

    def filter(self, action: Float32, ee_position: npt.ArrayLike | None, dt: float) -> Verdict:
        """Judge one tick.

        Args:
            action: [n_arms * 7] wanted.
            ee_position: [3] or [n_arms, 3] tool positions in ``base_link`` [m], None when not known.
            dt: how long the action will last [s]; also the time in which the acceleration is bounded.
        """
        reason = refusal(action, ARM_ACTION_DIM * self.n_arms)
        self._wanted_motion = not reason and bool(np.abs(twists_of(action)).max() > 1e-6)
        if self.stopped:
            return self.halt(State.E_STOP, 'emergency stop: ' + ', '.join(self._stops))
        if reason:
            return self._refuse(f'command refused: {reason}')
        position = None if ee_position is None else np.asarray(ee_position, np.float64).reshape(-1, 3)
        if position is None or position.shape != (self.n_arms, 3) or not np.isfinite(position).all():
            return self._refuse('the tool position is not known, the workspace cannot be kept')
        if not (np.isfinite(dt) and dt > 0):
            return self._refuse(f'a tick of {dt} s')

        wanted = twists_of(action).astype(np.float64)
        twists = np.stack([self._arm(wanted[i], self._twists[i], position[i], dt) for i in range(self.n_arms)])
        openings = np.clip(openings_of(action), 0.0, 1.0)
        out = np.concatenate([twists, openings[:, None]], axis=1).astype(np.float32).reshape(-1)
        self._twists, self._openings = twists, openings
        if np.abs(out - action).max() > 1e-5:
            self.limited += 1
            return Verdict(out, State.LIMITED, self._what(wanted, twists, openings_of(action), openings))
        return Verdict(out, State.OK, 'ok')

    def halt(self, state: State = State.STALE, text: str = 'no command') -> Verdict:
        """Stand still at once, grippers as they are; the next command starts from standstill.

        A stop is a step, not a ramp: the servo behind it brakes within the joints' own limits.
        """
        self._twists = np.zeros((self.n_arms, 6))
        openings = self._openings if self._openings is not None else np.ones(self.n_arms, np.float32)
        return Verdict(hold_action(openings), state, text)

    def restart(self) -> None:
        """A new episode: at rest, grippers wherever the scene has them."""
        self._twists = np.zeros((self.n_arms, 6))
        self._openings = None

    def idle(self) -> None:
        """The commands have gone silent, so nobody asks for motion."""
        self._wanted_motion = False

    def _refuse(self, text: str) -> Verdict:
        self.rejected += 1
        return self.halt(State.INVALID, text)

    def _arm(self, wanted: Vector, last: Vector, position: Vector, dt: float) -> Vector:
        limits = self.limits
        linear = shorten(wanted[:3], limits.linear_velocity)
        angular = shorten(wanted[3:], limits.angular_velocity)
        slowed = self._box(linear, position, dt, limits.linear_acceleration)
        linear = last[:3] + shorten(slowed - last[:3], limits.linear_acceleration * dt)
        linear = self._box(linear, position, dt, np.inf)
        angular = last[3:] + shorten(angular - last[3:], limits.angular_acceleration * dt)
        return np.concatenate([linear, angular])

    def _box(self, velocity: Vector, position: Vector, dt: float, braking: float) -> Vector:
        """Cut each axis to what neither leaves the box within ``dt`` nor is too fast to brake before its wall.

        Braking by a dt a tick from v takes v^2 / (2 a) + v dt / 2 to stop.
        """
        up = np.maximum(self._high - position, 0.0)
        down = np.maximum(position - self._low, 0.0)
        fastest, slowest = up / dt, down / dt
        if np.isfinite(braking):
            half = braking * dt / 2.0
            fastest = np.minimum(fastest, np.sqrt(half**2 + 2.0 * braking * up) - half)
            slowest = np.minimum(slowest, np.sqrt(half**2 + 2.0 * braking * down) - half)
        return np.clip(velocity, -slowest, fastest)

    def _what(self, wanted: Vector, twists: Vector, asked: Float32, openings: Float32) -> str:
        """Which part was limited, in words."""
        parts = []
        if np.abs(wanted[:, :3] - twists[:, :3]).max() > 1e-5:
            parts.append('translation')
        if np.abs(wanted[:, 3:] - twists[:, 3:]).max() > 1e-5:
            parts.append('rotation')
        if np.abs(asked - openings).max() > 1e-5:
            parts.append('gripper')
        return ' and '.join(parts) + ' limited'
