# SPDX-License-Identifier: Apache-2.0
"""A single-threaded executor that sleeps until there is work."""

from __future__ import annotations

import threading
from typing import Any

from rclpy.executors import SingleThreadedExecutor


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
