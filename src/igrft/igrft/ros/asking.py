# SPDX-License-Identifier: Apache-2.0
"""Requests that survive a lost answer.

A server answers through a writer of its own. Where that writer has not found the client's reader yet, because one of
the two has just started on a busy machine, the middleware drops the answer after 0.1 s and tells only the server. So a
request without an answer is sent again: the requests of this graph may be repeated, and a goal keeps its id, by which
its server recognises it.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from rclpy.action import ActionClient
from rclpy.action.client import ClientGoalHandle
from rclpy.task import Future
from unique_identifier_msgs.msg import UUID

AGAIN = 5.0
"""[s] without an answer after which a request is sent again."""
RESULT_AGAIN = 30.0
"""[s] likewise for the result of a goal, whose answer takes as long as the goal."""


class Repeated:
    """One request, sent as often as it takes. The first answer counts.

    Args:
        send: sends it once.
        ready: whether there is a server now; without one nothing is sent.
        again: [s] between two sendings.
    """

    def __init__(self, send: Callable[[], Future], ready: Callable[[], bool], again: float = AGAIN) -> None:
        self._send = send
        self._ready = ready
        self._again = again
        self._answered = threading.Event()
        self._futures: list[Future] = []
        self._next = 0.0

    @property
    def sent(self) -> int:
        """How often it was sent."""
        return len(self._futures)

    def answer(self, patience: float = 0.0) -> Any | None:
        """Wait up to ``patience`` [s] for the answer; None while there is none. Call it until there is."""
        if time.monotonic() >= self._next and self._ready():
            self._next = time.monotonic() + self._again
            future = self._send()
            self._futures.append(future)
            future.add_done_callback(lambda _: self._answered.set())
        self._answered.wait(patience)
        return next(self._answers(), None)

    def _answers(self) -> Iterator[Any]:
        return (future.result() for future in self._futures if future.done())


class Goal:
    """A goal whose acceptance or result may get lost on the way without anybody waiting for ever.

    Args:
        client: of the action.
        goal: the message.
        on_feedback: called with each feedback message.
    """

    def __init__(self, client: ActionClient, goal: Any, on_feedback: Callable[[Any], None] | None = None) -> None:
        self._client = client
        self._id = UUID(uuid=list(uuid.uuid4().bytes))
        self.acceptance = Repeated(
            lambda: client.send_goal_async(goal, on_feedback, self._id), client.server_is_ready
        )

    def handle(self, response: ClientGoalHandle) -> ClientGoalHandle | None:
        """What to ask for the result, None if the server refused the goal.

        A server refuses an id that it knows already: after a repetition only the result tells whether it took the goal.
        """
        return response if response.accepted or self.acceptance.sent > 1 else None

    def result(self, handle: ClientGoalHandle) -> Repeated:
        """The request for the result; its status is UNKNOWN where the server never took the goal."""
        return Repeated(handle.get_result_async, self._client.server_is_ready, RESULT_AGAIN)
