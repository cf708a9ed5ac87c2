# SPDX-License-Identifier: Apache-2.0
"""Listens to the control chain from outside and stamps what it hears with the monotonic clock."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import TwistStamped
from rclpy.context import Context
from rclpy.node import Node

from igrft.control.inputs import twists_of
from igrft.ros import qos
from igrft.ros.executor import QuietExecutor
from igrft.ros.messages import floats, seconds_of
from igrft.ros.takeover_rig import PING, PONG
from igrft.types import Float32, Mode, Source
from igrft_msgs.msg import ActionChunk, Command, Intervention

KEPT = 2000
"""messages remembered a topic"""
PATIENCE = 20.0
"""[s] until what must happen counts as not happening"""


@dataclass(frozen=True, slots=True)
class Sent:
    """A command or twist: when it was received (monotonic), its stamp [s], who drove, and the twists [n_arms, 6]."""

    received: float
    stamp: float
    source: Source
    twists: Float32

    @property
    def moves(self) -> bool:
        return bool(self.twists.any())


class TakeoverProbe:
    """A node of its own in a thread of its own; use as a context manager.

    Args:
        domain: of the graph.
    """

    def __init__(self, domain: int) -> None:
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self._node = Node('takeover_probe', context=self._context)
        self._executor = QuietExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._news = threading.Condition()
        self._commands: deque[Sent] = deque(maxlen=KEPT)
        self._twists: deque[Sent] = deque(maxlen=KEPT)
        self._mode = Mode.HOLD
        self._mode_since = 0.0
        self._inference = float('nan')
        self._pongs: dict[int, float] = {}
        self._count = 0
        hear = qos.create_subscription
        hear(self._node, Command, 'command', self._on_command, qos.EVENT)
        hear(self._node, TwistStamped, 'servo_node/delta_twist_cmds', self._on_twist, qos.EVENT)
        hear(self._node, Intervention, 'intervention', self._on_mode, qos.LATCHED)
        hear(self._node, ActionChunk, 'policy/action_chunk', self._on_chunk, qos.COMMAND)
        hear(self._node, Command, PONG, self._on_pong, qos.COMMAND)
        self._ping = qos.create_publisher(self._node, Command, PING, qos.COMMAND)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._ended = False

    def __enter__(self) -> TakeoverProbe:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._executor.create_task(lambda: None)
        self._thread.join(timeout=5.0)
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    # What happened ------------------------------------------------------------------------------------------

    def command(self, since: float, wanted: Callable[[Sent], bool], what: str, patience: float = PATIENCE) -> Sent:
        """The first command received after ``since`` that is wanted; waits for it.

        Raises:
            TimeoutError: for longer than ``patience`` [s].
        """
        return self._first(self._commands, since, wanted, what, patience)

    def twist(self, since: float, wanted: Callable[[Sent], bool], what: str) -> Sent:
        """The same of the twists that the servo gets."""
        return self._first(self._twists, since, wanted, what, PATIENCE)

    def commands(self, begin: float, end: float) -> list[Sent]:
        """Commands received between two times (monotonic) [s]; waits for the end."""
        self._until(lambda: bool(self._commands) and self._commands[-1].received >= end, 'commands go on')
        with self._news:
            return [sent for sent in self._commands if begin <= sent.received <= end]

    def mode(self, wanted: Sequence[Mode]) -> Mode:
        """Wait until one of them is who drives."""
        self._until(lambda: self._mode in wanted, f'mode {" or ".join(m.name for m in wanted)}')
        return self._mode

    @property
    def inference(self) -> float:
        """[s] that the newest chunk's inference took."""
        return self._inference

    def round_trip(self) -> float:
        """[s] that a message takes to the echo and back."""
        self._count += 1
        number = self._count
        message = Command(chunk_step=number, action=floats(np.zeros(7, np.float32)))
        begin = time.monotonic()
        self._ping.publish(message)
        self._until(lambda: number in self._pongs, 'the echo answers')
        return self._pongs.pop(number) - begin

    # Inside -------------------------------------------------------------------------------------------------

    def _spin(self) -> None:
        while not self._ended and self._context.ok():
            self._executor.spin_once()

    def _first(
        self, kept: deque[Sent], since: float, wanted: Callable[[Sent], bool], what: str, patience: float
    ) -> Sent:
        found: list[Sent] = []

        def there() -> bool:
            found[:] = [sent for sent in kept if sent.received >= since and wanted(sent)][:1]
            return bool(found)

        self._until(there, what, patience)
        return found[0]

    def _until(self, condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
        with self._news:
            if not self._news.wait_for(condition, patience):
                raise TimeoutError(f'never happened within {patience:g} s: {what} (mode {self._mode.name})')

    def _note(self, change: Callable[[], Any]) -> None:
        with self._news:
            change()
            self._news.notify_all()

    def _on_command(self, message: Command) -> None:
        now = time.monotonic()
        twists = twists_of(np.array(message.action, np.float32))
        sent = Sent(now, seconds_of(message.header.stamp), Source(message.source), twists)
        self._note(lambda: self._commands.append(sent))

    def _on_twist(self, message: TwistStamped) -> None:
        now = time.monotonic()
        v, w = message.twist.linear, message.twist.angular
        twists = np.array([[v.x, v.y, v.z, w.x, w.y, w.z]], np.float32)
        sent = Sent(now, seconds_of(message.header.stamp), Source.HOLD, twists)
        self._note(lambda: self._twists.append(sent))

    def _on_mode(self, message: Intervention) -> None:
        self._note(lambda: setattr(self, '_mode', Mode(message.mode)))

    def _on_chunk(self, message: ActionChunk) -> None:
        self._note(lambda: setattr(self, '_inference', float(message.inference_time)))

    def _on_pong(self, message: Command) -> None:
        now = time.monotonic()
        self._note(lambda: self._pongs.__setitem__(message.chunk_step, now))


def domain_of(default: int) -> int:
    """The ROS domain of the environment, else ``default``."""
    return int(os.environ.get('ROS_DOMAIN_ID') or default)
