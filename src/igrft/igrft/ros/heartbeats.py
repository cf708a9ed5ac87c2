# SPDX-License-Identifier: Apache-2.0
"""Topics whose silence stops the robot."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from igrft.ros.watchdog import Watchdog

LISTEN = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.BEST_EFFORT,
    durability=DurabilityPolicy.VOLATILE,
)
"""Hears every publisher, whatever it offers."""


class Heartbeats:
    """Watches any topics by the time their messages arrive; what they say does not matter.

    A topic is missed from its first message on, and while :attr:`required` also before that. It counts as lost until
    it is heard again; the latch stays whatever comes.

    Args:
        node: that listens.
        wanted: ``topic seconds`` each, e.g. ``console/heartbeat 1.0``.
        on_change: called with the cause and whether the topic is lost now.

    Raises:
        ValueError: an entry cannot be read.
    """

    def __init__(self, node: Node, wanted: Sequence[str], on_change: Callable[[str, bool], None]) -> None:
        self._node = node
        self._on_change = on_change
        self._limits = dict(_entry(text) for text in wanted)
        self._watchdog = Watchdog(publishers=node.count_publishers)
        for topic, limit in self._limits.items():
            self._watchdog.expect(topic, limit)
        self._lost: set[str] = set()
        self._subscribed: set[str] = set()
        self._unreadable: set[str] = set()
        self._required = False
        period = min(self._limits.values()) / 4
        self._timer = node.create_timer(period, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def required(self) -> bool:
        """Whether a topic that was never heard counts as lost after its time."""
        return self._required

    @required.setter
    def required(self, value: bool) -> None:
        if value and not self._required:
            for topic in self._watchdog.waiting():
                self._watchdog.expect(topic, self._limits[topic])
        self._required = value

    def _look(self) -> None:
        self._subscribe()
        waiting = set(self._watchdog.waiting())
        late = {problem.partition(':')[0] for problem in self._watchdog.problems()}
        lost = {topic for topic in late if self._required or topic not in waiting}
        for topic in lost ^ self._lost:
            self._on_change(f"heartbeat '{topic}'", topic in lost)
        self._lost = lost

    def _subscribe(self) -> None:
        """Once somebody publishes a topic its type is known."""
        for topic in self._limits.keys() - self._subscribed:
            for info in self._node.get_publishers_info_by_topic(topic):
                try:
                    kind = _message(info.topic_type)
                except (ImportError, AttributeError, ValueError):
                    self._tell_unreadable(topic, info.topic_type)
                    continue
                # The bytes are enough: a heartbeat is not read.
                beat = self._beat(topic)
                self._node.create_subscription(kind, topic, beat, LISTEN, raw=True)
                self._subscribed.add(topic)
                break

    def _tell_unreadable(self, topic: str, kind: str) -> None:
        if topic not in self._unreadable:
            self._unreadable.add(topic)
            self._node.get_logger().error(
                f"heartbeat '{topic}' cannot be heard: its type {kind} is not installed here; source its workspace and "
                'start again. In an episode it counts as lost'
            )

    def _beat(self, topic: str) -> Callable[[Any], None]:
        return lambda message: self._watchdog.beat(topic)


def _entry(text: str) -> tuple[str, float]:
    topic, _, seconds = text.partition(' ')
    try:
        limit = float(seconds)
    except ValueError:
        limit = 0.0
    if not topic or not 0.02 <= limit < float('inf'):
        raise ValueError(f"heartbeats: write 'topic seconds' with at least 0.02 s, got '{text}'")
    return topic, limit


def _message(name: str) -> type[Any]:
    """The class of ``package/msg/Name``."""
    package, _, kind = name.split('/')
    return getattr(importlib.import_module(f'{package}.msg'), kind)
