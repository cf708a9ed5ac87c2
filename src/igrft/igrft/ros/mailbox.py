# SPDX-License-Identifier: Apache-2.0
"""Calls from other threads, made in the executor: callbacks of a node then never run beside each other."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from rclpy.node import Node


class Mailbox:
    """Hands calls over to a node's executor, in order."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._calls: SimpleQueue[tuple[Callable[..., None], tuple[Any, ...]]] = SimpleQueue()
        self._guard = node.create_guard_condition(self._deliver)

    def post(self, call: Callable[..., None], *arguments: Any) -> None:
        """Have ``call(*arguments)`` made in the executor, soon. From any thread."""
        self._calls.put((call, arguments))
        # After the context's end nobody delivers, and there is nothing left to deliver to.
        if self._node.context.ok():
            self._guard.trigger()

    def deferred(self, call: Callable[..., None]) -> Callable[..., None]:
        """A function for other threads that posts ``call`` with its arguments."""
        return lambda *arguments: self.post(call, *arguments)

    def _deliver(self) -> None:
        while True:
            try:
                call, arguments = self._calls.get_nowait()
            except Empty:
                return
            call(*arguments)
