# SPDX-License-Identifier: Apache-2.0
"""Which clock a control timer runs on."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.timer import Timer


def control_clock(node: Node) -> Clock:
    """The node's clock where time is simulated, else the steady one, which no clock correction can stop."""
    if node.get_parameter('use_sim_time').value:
        return node.get_clock()
    return Clock(clock_type=ClockType.STEADY_TIME)


def control_timer(node: Node, period: float, callback: Callable[[], None]) -> Timer:
    """A timer of ``period`` seconds on :func:`control_clock`."""
    return node.create_timer(period, callback, clock=control_clock(node))
