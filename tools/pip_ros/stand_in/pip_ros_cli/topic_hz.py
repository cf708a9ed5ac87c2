# SPDX-License-Identifier: Apache-2.0
"""``ros2 topic hz``."""

from __future__ import annotations

import argparse
import math
import time
from collections import deque

import rclpy
from rclpy.qos import qos_profile_sensor_data

from .graph import add_node_arguments, cli_node, full_name, wait_for_topic_type
from .messages import get_interface
from .qos import matching_qos

DEFAULT_WINDOW = 10000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ros2 topic hz``."""
    add_node_arguments(parser)
    parser.add_argument(
        'topic_name', nargs='+', help="Names of the ROS topic to listen to (e.g. '/chatter')")
    parser.add_argument(
        '-w', '--window', dest='window_size', type=int, default=DEFAULT_WINDOW, metavar='WINDOW',
        help='window size, in # of messages, for calculating rate (default: %(default)s)')
    parser.add_argument(
        '--wall-time', dest='use_wtime', action='store_true',
        help='calculates rate using wall time (which the stand-in always does)')


class Rate:
    """Intervals between arrivals, over a window."""

    def __init__(self, window: int) -> None:
        self._intervals: deque[float] = deque(maxlen=window)
        self._last: float | None = None
        self._fresh = False

    def arrived(self, now: float) -> None:
        """Note an arrival [s]."""
        if self._last is not None:
            self._intervals.append(now - self._last)
            self._fresh = True
        self._last = now

    def report(self) -> str | None:
        """Return what is known now, or None if nothing has arrived since the last report."""
        if not self._fresh:
            return None
        self._fresh = False
        count = len(self._intervals)
        mean = sum(self._intervals) / count
        deviation = math.sqrt(sum((each - mean) ** 2 for each in self._intervals) / count)
        rate = 1.0 / mean if mean > 0.0 else 0.0
        return (f'average rate: {rate:.3f}\n\tmin: {min(self._intervals):.3f}s '
                f'max: {max(self._intervals):.3f}s std dev: {deviation:.5f}s window: {count}')


def run(args: argparse.Namespace) -> None:
    """Print rates once a second until interrupted."""
    rates = {}
    with cli_node(args) as node:
        for name in args.topic_name:
            topic = full_name(node, name)
            if wait_for_topic_type(node, topic, timeout=1.0) is None:
                print(f'WARNING: topic [{topic}] does not appear to be published yet')
            kind = None
            while kind is None:
                kind = wait_for_topic_type(node, topic, timeout=10.0)
            rate = rates[topic] = Rate(args.window_size)
            # Raw: the rate of a camera must not be limited by deserialising its images here.
            node.create_subscription(
                get_interface(kind, 'msg'), topic,
                lambda _, rate=rate: rate.arrived(time.monotonic()),
                matching_qos(node, topic, qos_profile_sensor_data), raw=True)
        node.create_timer(1.0, lambda: _print(rates))
        rclpy.spin(node)


def _print(rates: dict[str, Rate]) -> None:
    for topic, rate in rates.items():
        text = rate.report()
        if text is not None:
            print(text if len(rates) == 1 else f'{topic}: {text}')
