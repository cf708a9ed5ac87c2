# SPDX-License-Identifier: Apache-2.0
"""The keyboard of a terminal: keys move while they repeat, a terminal knows no release.

w s  forward, back     a d  left, right     r f  up, down
u o  roll              i k  pitch           j l  yaw
space, enter, other keys: buttons of that name (``space``, ``enter``, ``p`` …)
"""

from __future__ import annotations

import os
import re
import sys
import termios
import tty
from typing import Any

from igrft.devices.device import GONE, DeviceError, RawInput

MOTION = {
    'w': ('x', 1.0),
    's': ('x', -1.0),
    'a': ('y', 1.0),
    'd': ('y', -1.0),
    'r': ('z', 1.0),
    'f': ('z', -1.0),
    'u': ('roll', -1.0),
    'o': ('roll', 1.0),
    'i': ('pitch', 1.0),
    'k': ('pitch', -1.0),
    'j': ('yaw', 1.0),
    'l': ('yaw', -1.0),
}
NAMES = {' ': 'space', '\r': 'enter', '\n': 'enter', '\t': 'tab', '\x1b': 'escape'}
ESCAPE_SEQUENCE = re.compile(r'\x1b[\[O][0-9;]*[A-Za-z~]')
"""An arrow or function key: several characters that must not be taken for keys of their own."""
FIRST_HOLD = 0.6
"""[s] A terminal repeats a held key only after about half a second."""
NEXT_HOLD = 0.1
"""[s] and then at 25 Hz or more."""


class Keys:
    """Characters to axes and buttons, without a terminal."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def feed(self, characters: str, now: float) -> None:
        """Keys that have arrived by ``now``."""
        for key in ESCAPE_SEQUENCE.sub('', characters).lower():
            repeats = self._until.get(key, 0.0) > now
            self._until[key] = now + (NEXT_HOLD if repeats else FIRST_HOLD if key in MOTION else NEXT_HOLD)
            if key in MOTION:
                self._release_others(key)

    def state(self, now: float) -> RawInput:
        down = {key for key, until in self._until.items() if until > now}
        axes = dict.fromkeys((axis for axis, _ in MOTION.values()), 0.0)
        for key in down & MOTION.keys():
            axis, sign = MOTION[key]
            axes[axis] += sign
        return RawInput(axes, frozenset(NAMES.get(key, key) for key in down - MOTION.keys()))

    def _release_others(self, key: str) -> None:
        """A new key ends the repetition of the one before, so nothing else is held any more."""
        for other in [k for k in self._until if k in MOTION and k != key]:
            del self._until[other]


class Keyboard:
    """The terminal of the process.

    Raises:
        DeviceError: the process has no terminal.
    """

    name = 'keyboard'

    def __init__(self) -> None:
        if not sys.stdin.isatty():
            raise DeviceError('the keyboard needs a terminal: run the node by itself, not from a launch file')
        self._descriptor = sys.stdin.fileno()
        self._before: list[Any] | None = termios.tcgetattr(self._descriptor)
        tty.setcbreak(self._descriptor)
        os.set_blocking(self._descriptor, False)
        self._keys = Keys()
        self.problem = ''

    def poll(self, now: float) -> RawInput:
        if self._before is None:
            return GONE
        try:
            data = os.read(self._descriptor, 256)
        except BlockingIOError:
            data = None
        if data == b'':
            self.problem = 'the terminal was closed'
            self.close()
            return GONE
        if data:
            self._keys.feed(data.decode('ascii', 'ignore'), now)
        return self._keys.state(now)

    def fileno(self) -> int | None:
        return self._descriptor if self._before is not None else None

    def close(self) -> None:
        """Give the terminal back as it was."""
        if self._before is not None:
            os.set_blocking(self._descriptor, True)
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)
            self._before = None
