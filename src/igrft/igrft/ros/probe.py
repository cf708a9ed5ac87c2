# SPDX-License-Identifier: Apache-2.0
"""Watches a running loop from outside: the control period as its publisher kept it, and what its processes use."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import psutil
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from igrft.ros.qos import EVENT, LATCHED
from igrft_msgs.msg import Command, EpisodeStatus

MEBI = 1024 * 1024


@dataclass
class Trace:
    """What the probe saw.

    Attributes:
        ticks: per episode the publisher's send times of ``executed_action`` while recording [s].
        sources: per episode who drove each of them.
        first_motion: monotonic time of the first non-zero action [s].
    """

    ticks: list[list[float]] = field(default_factory=list)
    sources: list[list[int]] = field(default_factory=list)
    first_motion: float | None = None


class Probe:
    """A node of its own in a thread of its own; use as a context manager."""

    def __init__(self, domain: int, namespace: str = '') -> None:
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self._node = Node('probe', context=self._context, namespace=namespace)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._recording = False
        self.trace = Trace()
        self._node.create_subscription(EpisodeStatus, 'episode/status', self._on_status, LATCHED.subscription)
        self._node.create_subscription(Command, 'executed_action', self._on_action, EVENT.subscription)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)

    def __enter__(self) -> Probe:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self._thread.join(timeout=5.0)
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def _on_status(self, message: EpisodeStatus) -> None:
        recording = message.state == EpisodeStatus.STATE_RECORDING
        if recording and not self._recording:
            self.trace.ticks.append([])
            self.trace.sources.append([])
        self._recording = recording

    def _on_action(self, message: Command, info: dict[str, Any]) -> None:
        if self.trace.first_motion is None and any(message.action[:6]):
            self.trace.first_motion = time.monotonic()
        if self._recording:
            self.trace.ticks[-1].append(info['source_timestamp'] * 1e-9)
            self.trace.sources[-1].append(message.source)


class Usage:
    """CPU and memory of a process and everything below it, sampled in a thread."""

    def __init__(self, pid: int, without: tuple[str, ...] = (), every: float = 0.5) -> None:
        self._root = psutil.Process(pid)
        self._without = without
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak_mebi = 0.0
        """largest sum of the processes' unique memory [MiB]"""

    def __enter__(self) -> Usage:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def cpu_seconds(self) -> float:
        """CPU time used so far by the processes that live now, less those whose command line names ``without`` [s]."""
        total = 0.0
        for process in self._family():
            try:
                command = ' '.join(process.cmdline())
                if not any(name in command for name in self._without):
                    times = process.cpu_times()
                    total += times.user + times.system
            except psutil.Error:  # it ended between the listing and the look: its time no longer counts
                continue
        return total

    def _family(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _watch(self) -> None:
        while not self._stop.wait(self._every):
            total = 0
            for process in self._family():
                try:
                    total += process.memory_full_info().uss
                except psutil.Error:  # ended meanwhile
                    continue
            self.peak_mebi = max(self.peak_mebi, total / MEBI)
