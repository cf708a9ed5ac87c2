# SPDX-License-Identifier: Apache-2.0
"""Which clock the control chain runs on, and how long somebody has been silent."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.timer import Timer


class ControlClock:
    """Timers and periods of the control chain.

    On a robot that is the steady clock, which no clock correction can stop or turn back. Where time is
    simulated the chain keeps step with the simulation, so there it is the node's clock.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._simulated = bool(node.get_parameter('use_sim_time').value)
        self._clock = node.get_clock() if self._simulated else Clock(clock_type=ClockType.STEADY_TIME)

    def now(self) -> float:
        """[s] from an arbitrary origin."""
        return float(self._clock.now().nanoseconds * 1e-9)

    def timer(self, period: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` every ``period`` seconds."""
        return self._node.create_timer(period, callback, clock=self._clock)

    def silence(self) -> Silence:
        """A new stream's silence."""
        return Silence(time.monotonic, self.now if self._simulated else time.monotonic)


class Silence:
    """How long a stream has been silent, by the time its messages arrive, never by their stamps.

    Where time is simulated a time-out must pass on both clocks: a fast simulation must not make a process late that
    answers within milliseconds, and a slow one must not make late who waits for the next tick.
    """

    def __init__(self, monotonic: Callable[[], float], simulated: Callable[[], float]) -> None:
        self._clocks = (monotonic, simulated)
        self._last = (-math.inf, -math.inf)

    def beat(self) -> None:
        """Something has arrived."""
        first, second = self._clocks
        self._last = (first(), second())

    def seconds(self) -> float:
        """Since then, infinite before the first."""
        first, second = self._clocks
        return min(first() - self._last[0], second() - self._last[1])
