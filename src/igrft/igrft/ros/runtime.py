# SPDX-License-Identifier: Apache-2.0
"""One main for all nodes: build, spin, and leave in order.

Signals only ask the loop to end. The context is still valid when the node's ``close`` runs, so a node
can send a last zero or close its bag before it goes.
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress

import rclpy
from rclpy.executors import Executor, ExternalShutdownException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from igrft.ros.executor import QuietExecutor, settle
from igrft.ros.lifecycle import Lifecycle
from igrft.startup import go_first

EXPECTED = (ValueError, OSError, RuntimeError, KeyError, ImportError)
"""Errors whose text tells the user enough; anything else is a defect and comes with its traceback."""
TURN = 1.0
"""[s] at most between two looks at whether to end; a signal makes it sooner."""


def spin(
    factory: Callable[[], Node],
    argv: Sequence[str] | None = None,
    executor: Callable[[], Executor] = QuietExecutor,
    urgent: bool = False,
) -> int:
    """Run a node until SIGINT, SIGTERM or the context's shutdown.

    Args:
        factory: builds the node (its class).
        argv: command line with ``--ros-args``; None is ``sys.argv``.
        executor: what to spin it in.
        urgent: a node of the control chain: it goes before inference and recording when they want the same core.

    Returns:
        The exit code: 0 after an orderly end, 1 after an error.
    """
    # Before ROS starts its threads, which inherit it.
    denied = go_first() if urgent else ''
    rclpy.init(args=list(argv) if argv is not None else None, signal_handler_options=SignalHandlerOptions.NO)
    node: Node | None = None
    try:
        with _Signals() as signals:
            node = factory()
            if denied:
                node.get_logger().info(denied)
            if isinstance(node, Lifecycle) and not signals.stopped.is_set():
                node.autostart()
            _spin(node, executor(), signals)
        return 0
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except EXPECTED as error:
        _complain(node, str(error) or repr(error))
        return 1
    except Exception as error:  # noqa: BLE001  the last handler of the process
        traceback.print_exc()
        _complain(node, f'{type(error).__name__}: {error}')
        return 1
    finally:
        _leave(node)


def _spin(node: Node, executor: Executor, signals: _Signals) -> None:
    settle()
    executor.add_node(node)
    # A task that does nothing makes a waiting spin_once return, so that `stopped` is looked at.
    signals.serve(lambda: executor.create_task(lambda: None))
    try:
        while rclpy.ok() and not signals.stopped.is_set():
            executor.spin_once(timeout_sec=TURN)
    finally:
        executor.remove_node(node)


class _Signals:
    """SIGINT and SIGTERM: a request to end; while the node is still being built, the second one interrupts.

    A thread of its own hears of them, also while the main thread waits in C.
    """

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._wake: Callable[[], object] | None = None
        self._handled = False
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._watcher = threading.Thread(target=self._watch, name='signals', daemon=True)

    def serve(self, wake: Callable[[], object]) -> None:
        """From now on a signal sets ``stopped`` and calls ``wake``, however many there are."""
        self._wake = wake

    def __enter__(self) -> _Signals:
        self._watcher.start()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)
        self._before = signal.set_wakeup_fd(self._writer.fileno())
        return self

    def __exit__(self, *error: object) -> None:
        signal.set_wakeup_fd(self._before)
        for number in (signal.SIGINT, signal.SIGTERM):
            # An orderly end is under way; a second Ctrl-C must not cut it short, SIGKILL still can.
            signal.signal(number, signal.SIG_IGN)
        self._writer.close()
        self._watcher.join()
        self._reader.close()

    def _handle(self, number: int, frame: object) -> None:
        again, self._handled = self._handled, True
        self.stopped.set()
        if self._wake is None and again:
            raise KeyboardInterrupt

    def _watch(self) -> None:
        while self._reader.recv(1):
            self.stopped.set()
            if self._wake is not None:
                self._wake()


def _complain(node: Node | None, text: str) -> None:
    if node is not None:
        node.get_logger().fatal(text)
    else:
        print(f'error: {text}', file=sys.stderr)


def _leave(node: Node | None) -> None:
    """Close what the node holds, then ROS itself. Nothing here may hide the exit code."""
    if node is not None:
        try:
            close = getattr(node, 'close', None)
            if close is not None:
                close()
        except Exception as error:  # noqa: BLE001  the rest must still be closed
            node.get_logger().error(f'while closing: {error}')
        with suppress(KeyboardInterrupt):
            node.destroy_node()
    rclpy.try_shutdown()
