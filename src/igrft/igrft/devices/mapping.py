# SPDX-License-Identifier: Apache-2.0
"""From a device's axes and buttons to what the operator means (``config/teleop``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from igrft.config import nearest
from igrft.devices.device import RawInput
from igrft.devices.frames import FRAMES, Matrix, from_rpy, turned
from igrft.types import ARM_ACTION_DIM, Float32, TeleopInput

EVENTS = ('mark_subtask', 'success', 'failure', 'discard', 'pause', 'e_stop', 'dismiss_help')
"""What goes out as a TeleopEvent."""
LOCKS = ('lock_translation', 'lock_rotation')
"""Buttons that take one half of the twist away, and give it back when pressed again."""
MEANINGS = (*EVENTS, 'gripper', 'take_over', *LOCKS)
"""What a button may mean. ``gripper`` toggles it; ``take_over`` drives while it is held, also standing still."""
TWIST = ('vx', 'vy', 'vz', 'wx', 'wy', 'wz')
CURVE = np.linspace(0.0, 1.0, 101)
"""where the curve is looked up backwards"""


@dataclass(frozen=True, kw_only=True)
class TeleopConfig:
    """How a device drives an arm."""

    device: str
    """spacemouse, joy, keyboard, fake_spacemouse"""
    path: str = ''
    """device file, recording or socket; empty finds the first device"""
    model: str = ''
    """the SpaceMouse's name in pyspacemouse's tables, needed only with a device file or a socket"""
    axes: Mapping[str, str]
    """twist component (vx … wz) to device axis, with a leading '-' to turn it round"""
    linear_scale: float = 0.25
    """[m/s] at full deflection"""
    angular_scale: float = 0.8
    """[rad/s] at full deflection"""
    gains: Mapping[str, float] = field(default_factory=dict)
    """twist component to a factor on top of its scale"""
    dead_band: float = 0.08
    """deflection below which an axis is zero; above it the axis starts from zero again"""
    dead_bands: Mapping[str, float] = field(default_factory=dict)
    """twist component to a dead-band of its own"""
    expo: float = 0.0
    """0 is linear, towards 1 the middle becomes finer (cubic); full deflection stays what it is"""
    frame: str = 'base'
    """base, tool or camera: whose axes a deflection means"""
    view: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """[rad] roll, pitch, yaw of the camera's view in the base frame (x into the picture, y left, z up in it)"""
    locked: tuple[str, ...] = ()
    """locks that hold at the start: lock_translation, lock_rotation"""
    deadman: str = ''
    """button that must be held to drive; empty: any deflection drives"""
    engage_hold: float = 0.4
    """[s] without deflection after which the operator counts as having let go, where there is no deadman"""
    timeout: float = 0.1
    """[s] of silence after which a joy device counts as gone"""
    silence: float = 0.05
    """[s] of silence after which a deflected SpaceMouse counts as gone: a cap that is held repeats its reports"""
    daemon: str = ''
    """Unix socket of the daemon behind a joy device (spacenavd); while nobody answers there, the device is gone"""
    buttons: Mapping[str, str] = field(default_factory=dict)
    """button to what it means, see MEANINGS"""

    def __post_init__(self) -> None:
        for option in ('axes', 'gains', 'dead_bands'):
            for name in getattr(self, option):
                if name not in TWIST:
                    raise ValueError(f"{option}: unknown component '{name}'; {nearest(name, TWIST)}")
        for button, meaning in self.buttons.items():
            if meaning not in MEANINGS:
                raise ValueError(f"buttons: {button}: unknown '{meaning}'; {nearest(meaning, MEANINGS)}")
        for lock in self.locked:
            if lock not in LOCKS:
                raise ValueError(f"locked: unknown '{lock}'; {nearest(lock, LOCKS)}")
        if self.frame not in FRAMES:
            raise ValueError(f"frame: unknown '{self.frame}'; {nearest(self.frame, FRAMES)}")
        if not all(0.0 <= band < 1.0 for band in (self.dead_band, *self.dead_bands.values())):
            raise ValueError('dead_band and dead_bands must lie in [0, 1)')
        if not 0.0 <= self.expo <= 1.0:
            raise ValueError('expo must lie in [0, 1]')
        if min(self.linear_scale, self.angular_scale, self.timeout, self.silence) <= 0 or self.engage_hold < 0:
            raise ValueError('scales, timeout and silence must be positive, engage_hold not negative')


class TeleopMapper:
    """Dead-band, curve, scales, frame, locks, deadman and the gripper's toggle.

    Args:
        config: the device's mapping.
        n_arms: of the robot.
        arm: index of the arm that is driven; the others stand still.
    """

    def __init__(self, config: TeleopConfig, n_arms: int = 1, arm: int = 0) -> None:
        self.config = config
        self._n_arms = n_arms
        self._arm = arm
        scales = (config.linear_scale,) * 3 + (config.angular_scale,) * 3
        self._scales = np.array(
            [scale * config.gains.get(name, 1.0) for name, scale in zip(TWIST, scales, strict=True)], np.float32
        )
        self._bands = [config.dead_bands.get(name, config.dead_band) for name in TWIST]
        self._view = from_rpy(*config.view)
        self._tool: Matrix | None = None
        self._openings = np.ones(n_arms, np.float32)
        self._pressed: frozenset[str] = frozenset()
        self._engaged = False
        self._last_motion = float('-inf')
        self.locked = set(config.locked)
        """The locks that hold now."""

    def follow(self, openings: Float32) -> None:
        """The grippers' commanded openings [n_arms]: a takeover must begin where they are, not open them."""
        if not self._engaged:
            self._openings = np.array(openings, np.float32)

    def orient(self, tool: Matrix | None) -> None:
        """The driven arm's tool in the base frame [3, 3], None while it is not known: frame ``tool`` then stands."""
        self._tool = tool

    def update(self, raw: RawInput, stamp: float, now: float) -> tuple[TeleopInput, list[str]]:
        """The operator's input and the events of buttons that have gone down.

        Args:
            raw: the device's state.
            stamp: its acquisition time, node's clock [s].
            now: monotonic [s].
        """
        events = self._buttons(raw, now)
        twist = self._twist(raw)
        moving = bool(np.abs(twist).any())
        if moving:
            self._last_motion = now
        self._engaged = self._is_engaged(raw, moving, now)
        action = np.zeros((self._n_arms, ARM_ACTION_DIM), np.float32)
        action[:, -1] = self._openings
        if self._engaged:
            action[self._arm, :-1] = twist
        teleop = TeleopInput(stamp, action.reshape(-1), self._engaged, raw.connected, self.config.device)
        return teleop, events

    def deflection(self, twist: Float32) -> dict[str, float]:
        """The device's axes in [-1, 1] that mean a twist [6] in the base frame, as far as the scales reach.

        :meth:`update` backwards, for whoever stands in for the operator.
        """
        rotation = {'base': None, 'camera': self._view, 'tool': self._tool}[self.config.frame]
        meant = twist if rotation is None else turned(twist, rotation.T)
        axes = {}
        for index, name in enumerate(TWIST):
            source = self.config.axes.get(name, '')
            if not source:
                continue
            share = min(abs(float(meant[index] / self._scales[index])), 1.0)
            beyond = float(np.interp(share, self._curve(CURVE), CURVE))
            value = self._bands[index] + (1.0 - self._bands[index]) * beyond if share else 0.0
            negative = (meant[index] < 0) != source.startswith('-')
            axes[source.lstrip('+-')] = -value if negative else value
        return axes

    def _curve(self, beyond: Any) -> Any:
        """Deflection beyond the dead-band to share of full speed, both in [0, 1]."""
        return (1.0 - self.config.expo) * beyond + self.config.expo * beyond**3

    def _buttons(self, raw: RawInput, now: float) -> list[str]:
        events = []
        for button in sorted(raw.pressed - self._pressed):
            meaning = self.config.buttons.get(button)
            if meaning == 'gripper':
                # Closing is meant for a gripper that is more open than closed, and the other way round.
                self._openings[self._arm] = 0.0 if self._openings[self._arm] > 0.5 else 1.0
                # A press of the gripper's button is driving, too.
                self._engaged = self._engaged or (raw.connected and not self.config.deadman)
                self._last_motion = now
            elif meaning in LOCKS:
                self.locked ^= {meaning}
            elif meaning in EVENTS:
                events.append(meaning)
        self._pressed = raw.pressed
        return events

    def _twist(self, raw: RawInput) -> Float32:
        values = np.zeros(6, np.float32)
        for index, name in enumerate(TWIST):
            source = self.config.axes.get(name, '')
            value = raw.axes.get(source.lstrip('+-'), 0.0) if source else 0.0
            band = self._bands[index]
            beyond = max(abs(value) - band, 0.0) / (1.0 - band)
            beyond = self._curve(beyond)
            sign = -1.0 if (value < 0) != source.startswith('-') else 1.0
            values[index] = sign * beyond if beyond else 0.0
        if 'lock_translation' in self.locked:
            values[:3] = 0.0
        if 'lock_rotation' in self.locked:
            values[3:] = 0.0
        return self._in_base(values * self._scales)

    def _in_base(self, twist: Float32) -> Float32:
        if self.config.frame == 'base' or not twist.any():
            return twist
        rotation = self._view if self.config.frame == 'camera' else self._tool
        return turned(twist, rotation) if rotation is not None else np.zeros_like(twist)

    def _is_engaged(self, raw: RawInput, moving: bool, now: float) -> bool:
        if not raw.connected:
            return False
        if any(self.config.buttons.get(button) == 'take_over' for button in raw.pressed):
            return True
        if self.config.deadman:
            # Holding the button alone interrupts nobody; once driving, standing still is driving, too.
            return self.config.deadman in raw.pressed and (moving or self._engaged)
        return moving or (self._engaged and now - self._last_motion <= self.config.engage_hold)
