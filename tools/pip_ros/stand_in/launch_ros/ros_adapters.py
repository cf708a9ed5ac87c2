# SPDX-License-Identifier: Apache-2.0
"""The launch's own node, for what needs one: changing and watching lifecycle states."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from launch.event_handlers import OnShutdown

if TYPE_CHECKING:
    from launch.launch_context import LaunchContext


class ROSAdapter:
    """A node that spins in a thread of its own until :meth:`shutdown`."""

    def __init__(self, *, argv: list[str] | None = None) -> None:
        # Only a launch with lifecycle nodes pays for rclpy.
        import rclpy
        from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
        from rclpy.signals import SignalHandlerOptions

        self.ros_context = rclpy.Context()
        rclpy.init(
            args=argv or [], context=self.ros_context,
            signal_handler_options=SignalHandlerOptions.NO)
        self.ros_node = rclpy.create_node(f'launch_ros_{os.getpid()}', context=self.ros_context)
        self.ros_executor = SingleThreadedExecutor(context=self.ros_context)
        self.ros_executor.add_node(self.ros_node)
        self._calls = 0
        self._idle = threading.Condition()

        def spin() -> None:
            try:
                self.ros_executor.spin()
            except ExternalShutdownException:
                return

        self._thread = threading.Thread(target=spin, name='launch_ros', daemon=True)
        self._thread.start()

    def __enter__(self) -> ROSAdapter:
        """Mark a call in progress: the node stays until it is over."""
        with self._idle:
            self._calls += 1
        return self

    def __exit__(self, *_: object) -> None:
        with self._idle:
            self._calls -= 1
            self._idle.notify_all()

    def shutdown(self) -> None:
        """Stop spinning and destroy the node, once no call is in progress."""
        with self._idle:
            self._idle.wait_for(lambda: self._calls == 0)
        self.ros_executor.shutdown()
        self._thread.join()
        self.ros_node.destroy_node()
        self.ros_context.try_shutdown()


def get_ros_adapter(context: LaunchContext) -> ROSAdapter:
    """Return the launch's adapter, made at the first call and shut down with the launch."""
    existing: ROSAdapter | None = context.get_locals_as_dict().get('ros_adapter')
    if existing is not None:
        return existing
    adapter = ROSAdapter()
    context.extend_globals({'ros_adapter': adapter})

    def stop(event: object, context: LaunchContext) -> None:
        if context.asyncio_loop is not None:
            context.add_completion_future(
                context.asyncio_loop.run_in_executor(None, adapter.shutdown))

    context.register_event_handler(OnShutdown(on_shutdown=stop))
    return adapter


def get_ros_node(context: LaunchContext) -> Any:
    """Return the launch's own node."""
    return get_ros_adapter(context).ros_node
