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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import rclpy
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from igrft.ros.lifecycle import Lifecycle

EXPECTED = (ValueError, OSError, RuntimeError, KeyError, ImportError)
"""Errors whose text tells the user enough; anything else is a defect and comes with its traceback."""


def spin(
    factory: Callable[[], Node],
    argv: Sequence[str] | None = None,
    executor: Callable[[], Executor] = SingleThreadedExecutor,
) -> int:
    """Run a node until SIGINT, SIGTERM or the context's shutdown.

    Args:
        factory: builds the node (its class).
        argv: command line with ``--ros-args``; None is ``sys.argv``.
        executor: what to spin it in.

    Returns:
        The exit code: 0 after an orderly end, 1 after an error.
    """
    rclpy.init(
        args=list(argv) if argv is not None else None, signal_handler_options=SignalHandlerOptions.NO
    )
    node: Node | None = None
    try:
        node = factory()
        if isinstance(node, Lifecycle):
            node.autostart()
        _spin(node, executor())
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


def _spin(node: Node, executor: Executor) -> None:
    stop = threading.Event()
    # A callback that does nothing: a triggered guard makes spin_once return, so that `stop` is looked at.
    guard = node.create_guard_condition(lambda: None)

    def ask() -> None:
        stop.set()
        guard.trigger()

    executor.add_node(node)
    try:
        with _on_signals(ask):
            while rclpy.ok() and not stop.is_set():
                executor.spin_once()
    finally:
        executor.remove_node(node)


@contextmanager
def _on_signals(ask: Callable[[], None]) -> Iterator[None]:
    """Call ``ask`` from a thread of its own at SIGINT or SIGTERM, also while the main thread waits in C."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)

    def watch() -> None:
        if reader.recv(1):
            ask()

    def handler(number: int, frame: object) -> None:
        """Exists so that the wake-up descriptor is written; the thread does the rest."""

    watcher = threading.Thread(target=watch, name='signals', daemon=True)
    watcher.start()
    previous = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    before = signal.set_wakeup_fd(writer.fileno())
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        for number, old in previous.items():
            # An orderly end is under way; a second Ctrl-C must not cut it short, SIGKILL still can.
            signal.signal(number, signal.SIG_IGN if old is not signal.SIG_IGN else old)
        writer.close()
        watcher.join()
        reader.close()


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
