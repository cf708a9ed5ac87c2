# SPDX-License-Identifier: Apache-2.0
"""From a device's axes and buttons to what the operator means (``config/teleop``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from igrft.config import nearest
from igrft.devices.device import RawInput
from igrft.types import ARM_ACTION_DIM, Float32, TeleopInput

EVENTS = ('mark_subtask', 'success', 'failure', 'discard', 'pause', 'e_stop')
"""What goes out as a TeleopEvent; ``gripper`` toggles the gripper here."""
TWIST = ('vx', 'vy', 'vz', 'wx', 'wy', 'wz')


@dataclass(frozen=True, kw_only=True)
class TeleopConfig:
    """How a device drives an arm."""

    device: str
    """spacemouse, joy, keyboard, fake_spacemouse"""
    path: str = ''
    """device file or recording; empty finds the first device"""
    model: str = ''
    """the SpaceMouse's name in pyspacemouse's tables, needed only with a path"""
    axes: Mapping[str, str]
    """twist component (vx … wz) to device axis, with a leading '-' to turn it round"""
    linear_scale: float = 0.25
    """[m/s] at full deflection"""
    angular_scale: float = 0.8
    """[rad/s] at full deflection"""
    dead_band: float = 0.08
    """deflection below which an axis is zero; above it the axis starts from zero again"""
    deadman: str = ''
    """button that must be held to drive; empty: any deflection drives"""
    engage_hold: float = 0.4
    """[s] without deflection after which the operator counts as having let go, where there is no deadman"""
    timeout: float = 0.1
    """[s] of silence after which a joy device counts as gone"""
    buttons: Mapping[str, str] = field(default_factory=dict)
    """button to gripper, mark_subtask, success, failure, discard, pause or e_stop"""

    def __post_init__(self) -> None:
        for name in self.axes:
            if name not in TWIST:
                raise ValueError(f"axes: unknown component '{name}'; {nearest(name, TWIST)}")
        for button, event in self.buttons.items():
            if event not in (*EVENTS, 'gripper'):
                raise ValueError(f"buttons: {button}: unknown '{event}'; {nearest(event, (*EVENTS, 'gripper'))}")
        if not 0.0 <= self.dead_band < 1.0:
            raise ValueError('dead_band must lie in [0, 1)')
        if min(self.linear_scale, self.angular_scale, self.timeout) <= 0 or self.engage_hold < 0:
            raise ValueError('scales and timeout must be positive, engage_hold not negative')


class TeleopMapper:
    """Dead-band, scales, deadman and the gripper's toggle.

    Args:
        config: the device's mapping.
        n_arms: of the robot.
        arm: index of the arm that is driven; the others stand still.
    """

    def __init__(self, config: TeleopConfig, n_arms: int = 1, arm: int = 0) -> None:
        self.config = config
        self._n_arms = n_arms
        self._arm = arm
        self._scales = np.repeat(np.array([config.linear_scale, config.angular_scale], np.float32), 3)
        self._openings = np.ones(n_arms, np.float32)
        self._pressed: frozenset[str] = frozenset()
        self._engaged = False
        self._last_motion = float('-inf')

    def follow(self, openings: Float32) -> None:
        """The grippers' commanded openings [n_arms]: a takeover must begin where they are, not open them."""
        if not self._engaged:
            self._openings = np.array(openings, np.float32)

    def update(self, raw: RawInput, stamp: float, now: float) -> tuple[TeleopInput, list[str]]:
        """The operator's input and the events of buttons that have gone down.

        Args:
            raw: the device's state.
            stamp: its acquisition time, node's clock [s].
            now: monotonic [s].
        """
        twist = self._twist(raw)
        moving = bool(np.abs(twist).any())
        if moving:
            self._last_motion = now
        self._engaged = self._is_engaged(raw, moving, now)
        events = []
        for button in sorted(raw.pressed - self._pressed):
            meaning = self.config.buttons.get(button)
            if meaning == 'gripper':
                # Closing is meant for a gripper that is more open than closed, and the other way round.
                self._openings[self._arm] = 0.0 if self._openings[self._arm] > 0.5 else 1.0
                # A press of the gripper's button is driving, too.
                self._engaged = self._engaged or (raw.connected and not self.config.deadman)
                self._last_motion = now
            elif meaning:
                events.append(meaning)
        self._pressed = raw.pressed
        action = np.zeros((self._n_arms, ARM_ACTION_DIM), np.float32)
        action[:, -1] = self._openings
        if self._engaged:
            action[self._arm, :-1] = twist
        teleop = TeleopInput(stamp, action.reshape(-1), self._engaged, raw.connected, self.config.device)
        return teleop, events

    def _twist(self, raw: RawInput) -> Float32:
        values = np.zeros(6, np.float32)
        for index, name in enumerate(TWIST):
            source = self.config.axes.get(name, '')
            value = raw.axes.get(source.lstrip('+-'), 0.0) if source else 0.0
            beyond = max(abs(value) - self.config.dead_band, 0.0) / (1.0 - self.config.dead_band)
            sign = -1.0 if (value < 0) != source.startswith('-') else 1.0
            values[index] = sign * beyond if beyond else 0.0
        return values * self._scales

    def _is_engaged(self, raw: RawInput, moving: bool, now: float) -> bool:
        if not raw.connected:
            return False
        if self.config.deadman:
            # Holding the button alone interrupts nobody; once driving, standing still is driving, too.
            return self.config.deadman in raw.pressed and (moving or self._engaged)
        return moving or (self._engaged and now - self._last_motion <= self.config.engage_hold)
