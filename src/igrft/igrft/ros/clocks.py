# SPDX-License-Identifier: Apache-2.0
"""Which clock the control chain runs on: steady, or the node's where time is simulated."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.timer import Timer


class ControlClock:
    """Timers, periods and time-outs of the control chain.

    On a robot that is the steady clock, which no clock correction can stop or turn back. Where time is
    simulated a time-out must scale with the simulation's speed, so there it is the node's clock.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        simulated = bool(node.get_parameter('use_sim_time').value)
        self._clock = node.get_clock() if simulated else Clock(clock_type=ClockType.STEADY_TIME)

    def now(self) -> float:
        """[s] from an arbitrary origin; receipt times are taken from it, never from header stamps."""
        return float(self._clock.now().nanoseconds * 1e-9)

    def timer(self, period: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` every ``period`` seconds."""
        return self._node.create_timer(period, callback, clock=self._clock)
