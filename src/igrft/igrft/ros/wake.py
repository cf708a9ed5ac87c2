# SPDX-License-Identifier: Apache-2.0
"""Wakes a node when a device has something to read, so that a press does not wait for the next tick."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable

from rclpy.node import Node

APART = 0.004
"""[s] at least between two wake-ups; a cap that is held reports far more often than anybody listens"""
LOOK = 0.1
"""[s] between looks for a device that is not there"""


class Readable:
    """Calls back in the node's executor when a descriptor is readable.

    Args:
        node: whose executor is woken.
        fileno: the descriptor to wait on, None while there is none; asked anew each time.
        callback: must read what there is, or it is called again at once.
    """

    def __init__(self, node: Node, fileno: Callable[[], int | None], callback: Callable[[], None]) -> None:
        self._fileno = fileno
        self._callback = callback
        self._taken = threading.Event()
        self._closed = threading.Event()
        self._guard = node.create_guard_condition(self._woken)
        self._thread = threading.Thread(target=self._watch, name='device', daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait for nothing any more; call before the descriptor is closed."""
        self._closed.set()
        self._thread.join()

    def _woken(self) -> None:
        try:
            self._callback()
        finally:
            self._taken.set()

    def _watch(self) -> None:
        while not self._closed.wait(APART):
            descriptor = self._fileno()
            if descriptor is None or not self._readable(descriptor):
                if descriptor is None:
                    self._closed.wait(LOOK)
                continue
            self._taken.clear()
            self._guard.trigger()
            while not self._taken.wait(LOOK) and not self._closed.is_set():
                pass

    def _readable(self, descriptor: int) -> bool:
        try:
            return bool(select.select([descriptor], [], [], LOOK)[0])
        except (OSError, ValueError):  # closed meanwhile by the node's own poll
            return False
