# SPDX-License-Identifier: Apache-2.0
"""Answers of the graph, awaited in another thread's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from rclpy.client import Client
from rclpy.task import Future

from igrft.console.bridge import RefusedError, UnansweredError, UnavailableError


async def answered(ask: Callable[[], Future], timeout: float, name: str) -> Any:
    """What rclpy completes its future with, in the executor's thread.

    Args:
        ask: sends the request.
        timeout: [s] until an answer that does not come is given up.
        name: of the service or action, for the error.

    Raises:
        UnansweredError: no answer in time.
    """
    loop = asyncio.get_running_loop()
    arrived = loop.create_future()

    def hand_over(done: Future) -> None:
        if not arrived.done():
            arrived.set_result(done.result())

    pending = ask()
    pending.add_done_callback(lambda done: loop.call_soon_threadsafe(hand_over, done))
    try:
        return await asyncio.wait_for(arrived, timeout)
    except TimeoutError as error:
        pending.cancel()
        raise UnansweredError(f"'{name}' did not answer within {timeout:g} s") from error


async def call(client: Client, request: Any, timeout: float) -> Any:
    """A service's answer.

    Raises:
        UnavailableError: no node serves it.
        UnansweredError: no answer within ``timeout`` [s].
        RefusedError: the node said no, with its reason.
    """
    if not client.service_is_ready():
        raise UnavailableError(f"no node serves '{client.srv_name}'; is it running? `ros2 node list`")
    answer = await answered(lambda: client.call_async(request), timeout, client.srv_name)
    if not answer.success:
        raise RefusedError(answer.message or 'refused without a reason')
    return answer
