# SPDX-License-Identifier: Apache-2.0
"""/diagnostics at 1 Hz as REP-107 has it: one status a component, named ``node: component``."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile

LEVELS = {
    'ok': DiagnosticStatus.OK,
    'warn': DiagnosticStatus.WARN,
    'error': DiagnosticStatus.ERROR,
    'stale': DiagnosticStatus.STALE,
}


@dataclass(frozen=True)
class Status:
    """How a component is: ``level`` ok, warn, error or stale, a line for people, values for machines."""

    level: str = 'ok'
    text: str = 'ok'
    values: Mapping[str, Any] = field(default_factory=dict)


class Rate:
    """Counts events and tells their rate and the spread of their period since the last report."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, window: int = 1000) -> None:
        self._clock = clock
        self._last: float | None = None
        self._periods: deque[float] = deque(maxlen=window)
        self._begin = clock()
        self._in_window = 0
        self.count = 0

    def tick(self) -> None:
        now = self._clock()
        if self._last is not None:
            self._periods.append(now - self._last)
        self._last = now
        self._in_window += 1
        self.count += 1

    def age(self) -> float:
        """Seconds since the last event, infinite before the first."""
        return float('inf') if self._last is None else self._clock() - self._last

    def report(self, name: str) -> dict[str, str]:
        """Rate, worst and 99th percentile period, count; begins a new window."""
        now = self._clock()
        rate = self._in_window / max(now - self._begin, 1e-9)
        values = {f'{name} rate [Hz]': f'{rate:.1f}', f'{name} count': str(self.count)}
        if self._periods:
            ordered = sorted(self._periods)
            values[f'{name} period p99 [ms]'] = f'{1e3 * ordered[int(0.99 * (len(ordered) - 1))]:.1f}'
            values[f'{name} period max [ms]'] = f'{1e3 * ordered[-1]:.1f}'
        self._periods.clear()
        self._begin, self._in_window = now, 0
        return values


class Diagnostics:
    """Publishes the node's components, each a function that returns its :class:`Status`.

    A component that turns bad or well again is also told in the log, once a change.

    Args:
        node: the node; the timer runs on the steady clock, so a stopped /clock does not silence it.
        hardware_id: what the node stands for, e.g. the robot's name.
        components: name to function.
        on_report: called first, once a second, for work that belongs to the same rhythm.
    """

    def __init__(
        self,
        node: Node,
        hardware_id: str,
        components: Mapping[str, Callable[[], Status]],
        on_report: Callable[[], None] | None = None,
    ) -> None:
        self._node = node
        self._hardware_id = hardware_id
        self._components = dict(components)
        self._on_report = on_report
        self._levels: dict[str, str] = {}
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', QoSProfile(depth=10))
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(1.0, self.report, clock=steady)

    def destroy(self) -> None:
        """Report no more."""
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._publisher)

    def report(self) -> None:
        """Publish now."""
        if self._on_report is not None:
            self._on_report()
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        prefix = self._node.get_fully_qualified_name().lstrip('/')
        for name, component in self._components.items():
            status = component()
            self._log_change(name, status)
            message.status.append(
                DiagnosticStatus(
                    level=LEVELS[status.level],
                    name=f'{prefix}: {name}',
                    message=status.text,
                    hardware_id=self._hardware_id,
                    values=[KeyValue(key=key, value=str(value)) for key, value in status.values.items()],
                )
            )
        self._publisher.publish(message)

    def _log_change(self, name: str, status: Status) -> None:
        before = self._levels.get(name, 'ok')
        self._levels[name] = status.level
        if status.level == before:
            return
        log = self._node.get_logger()
        # rclpy binds a call site to one severity, hence one call each.
        if status.level == 'ok':
            log.info(f'{name}: {status.text}')
        elif status.level == 'warn':
            log.warning(f'{name}: {status.text}')
        else:
            log.error(f'{name}: {status.text}')
