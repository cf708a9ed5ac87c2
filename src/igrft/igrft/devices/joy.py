# SPDX-License-Identifier: Apache-2.0
"""A joystick, gamepad or spacenav as ``sensor_msgs/Joy`` tells of it, in plain numbers.

Axes are called ``a0``, ``a1`` …, buttons ``b0``, ``b1`` …. The drivers' habits: `joy` falls silent when nothing moves
unless its autorepeat is on, `spacenav` repeats its last value for ever and sends zeros when its daemon is missing. So
arrival alone proves nothing, and silence beyond ``timeout`` counts as gone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from igrft.devices.device import GONE, RawInput


class Joy:
    """The newest Joy values.

    Args:
        timeout: [s] of silence after which the device counts as gone.
    """

    name = 'joy'

    def __init__(self, timeout: float = 0.1) -> None:
        self._timeout = timeout
        self._state = GONE
        self._received = float('-inf')
        self.problem = 'no sensor_msgs/Joy received; is the joy or spacenav node running?'

    def feed(self, axes: Sequence[float], buttons: Sequence[int], now: float) -> None:
        """Take one message. Values that are not finite make the device count as gone."""
        self._received = now
        if not all(math.isfinite(v) for v in axes):
            self._state, self.problem = GONE, 'the Joy axes are not finite'
            return
        clipped = {f'a{i}': max(-1.0, min(1.0, float(v))) for i, v in enumerate(axes)}
        self._state = RawInput(clipped, frozenset(f'b{i}' for i, down in enumerate(buttons) if down))
        self.problem = ''

    def poll(self, now: float) -> RawInput:
        if now - self._received > self._timeout:
            if self._state.connected:
                self.problem = f'sensor_msgs/Joy silent for more than {self._timeout:g} s; set its autorepeat rate'
            self._state = GONE
        return self._state

    def close(self) -> None:
        """Nothing is held."""
