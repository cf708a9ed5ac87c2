# SPDX-License-Identifier: Apache-2.0
"""Single-threaded executors that sleep until there is work."""

from __future__ import annotations

import gc
import threading
from typing import Any

from rclpy.context import Context
from rclpy.executors import Executor, SingleThreadedExecutor


class QuietExecutor(SingleThreadedExecutor):
    """rclpy's single-threaded executor without its needless wake-ups.

    rclpy's executors trigger their guard condition around every callback, so that *another* thread looks for work
    again. With one thread that costs a second, empty turn through the wait set for each callback, about half
    of what a node at the control rate needs. Here the guard only answers to other threads; what a callback itself adds
    (tasks, entities) is seen anyway, because the wait set is made anew each turn.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._spinner: int | None = None
        guard = self._guard
        trigger = guard.trigger

        def trigger_from_outside() -> None:
            if threading.get_ident() != self._spinner:
                trigger()

        guard.trigger = trigger_from_outside

    def spin_once(self, timeout_sec: float | None = None) -> None:
        self._spinner = threading.get_ident()
        try:
            super().spin_once(timeout_sec)
        finally:
            self._spinner = None


def event_driven(context: Context | None = None) -> Executor:
    """For nodes of the control chain: rclpy's event-driven executor, or the quiet one where rclpy has none.

    It is told of each message by the middleware and builds no wait set, which about halves what a callback costs. It
    knows no guard conditions and does not resume a coroutine that awaits a future, so it is not for nodes with a
    :class:`igrft.ros.mailbox.Mailbox` or with ``async`` callbacks.
    """
    try:
        from rclpy.experimental import EventsExecutor
    except ImportError:  # before Jazzy's 7.1
        return QuietExecutor(context=context)
    return EventsExecutor(context=context)


def settle() -> None:
    """Take what was imported and built so far out of the collector's sight: its full rounds held ticks up."""
    gc.collect()
    gc.freeze()
