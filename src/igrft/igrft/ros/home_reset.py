# SPDX-License-Identifier: Apache-2.0
"""The service `reset` on a robot: the arm goes home, then people have time to set the scene."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.task import Future

from igrft.ros.clocks import ControlClock
from igrft_msgs.srv import ResetCell


class HomeReset:
    """Serves `reset`.

    Args:
        node: serves and waits.
        go_home: moves the arm; returns why it could not, '' when it did.
        scene_time: [s] for people to set the scene after that.
    """

    def __init__(self, node: Node, go_home: Callable[[], Awaitable[str]], scene_time: float) -> None:
        self._node = node
        self._go_home = go_home
        self._scene_time = scene_time
        self._running: Future | None = None
        # A group of its own: while this waits, the timer that moves the arm must run.
        node.create_service(ResetCell, 'reset', self._on_reset, callback_group=ReentrantCallbackGroup())

    async def _on_reset(self, request: ResetCell.Request, response: ResetCell.Response) -> ResetCell.Response:
        if self._running is None:
            self._running = Future()
            problem = await self._go(request.task)
            self._running.set_result(problem)
            self._running = None
        else:
            problem = await self._running  # the same request once more: its answer takes longer than a client waits
        response.success, response.message = not problem, problem or 'home'
        # The instruction is the task file's; the scene is as people left it, so everything from now on shows it.
        response.stamp = self._node.get_clock().now().to_msg()
        return response

    async def _go(self, task: str) -> str:
        problem = await self._go_home()
        if not problem and self._scene_time > 0:
            self._node.get_logger().warning(
                f"the arm is home: set the scene for '{task}' within {self._scene_time:g} s"
            )
            await self._pause()
        return problem

    async def _pause(self) -> None:
        over = Future()
        timer = ControlClock(self._node).timer(self._scene_time, lambda: over.done() or over.set_result(None))
        try:
            await over
        finally:
            timer.cancel()
            self._node.destroy_timer(timer)
