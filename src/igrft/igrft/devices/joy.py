# SPDX-License-Identifier: Apache-2.0
"""A joystick, gamepad or spacenav as ``sensor_msgs/Joy`` tells of it, in plain numbers.

Axes are called ``a0``, ``a1`` …, buttons ``b0``, ``b1`` …. Stamp and frame_id are not looked at (spacenav leaves the
latter empty). The drivers' habits: `joy` falls silent when nothing moves unless its autorepeat is on; `spacenav`
repeats its last value, at up to 1 kHz, and goes on with zeros when its daemon dies. So arrival alone proves nothing:
silence beyond ``timeout`` counts as gone, and so does a daemon that nobody can reach.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Sequence

from igrft.devices.device import GONE, RawInput

ASK = 0.05
"""[s] between looks whether the daemon is alive"""


class Joy:
    """The newest Joy values.

    Args:
        timeout: [s] of silence after which the device counts as gone.
        daemon: Unix socket of the daemon that the values come from, '' where there is none.
    """

    name = 'joy'

    def __init__(self, timeout: float = 0.1, daemon: str = '') -> None:
        self._timeout = timeout
        self._daemon = Daemon(daemon) if daemon else None
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
        elif self._daemon is not None and self._state.connected and not self._daemon.alive(now):
            self.problem = f'{self._daemon.path}: nobody answers; is spacenavd running?'
            return GONE
        return self._state

    def fileno(self) -> int | None:
        """Messages wake the node by themselves."""
        return None

    def close(self) -> None:
        if self._daemon is not None:
            self._daemon.close()


class Daemon:
    """A process that listens at a Unix socket, watched by staying connected to it.

    What it sends is thrown away: the values come by ROS, this only tells whether they still mean anything.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._connection: socket.socket | None = None
        self._asked = float('-inf')

    def alive(self, now: float) -> bool:
        """Whether it is there, asked at most every ``ASK`` seconds (monotonic ``now``)."""
        if now - self._asked >= ASK:
            self._asked = now
            self._look()
        return self._connection is not None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _look(self) -> None:
        if self._connection is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.setblocking(False)
            try:
                connection.connect(self.path)
            except OSError:
                connection.close()
                return
            self._connection = connection
        try:
            while self._connection.recv(4096):
                pass
        except BlockingIOError:
            return
        except OSError:
            pass
        self.close()
