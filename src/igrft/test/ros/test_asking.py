# SPDX-License-Identifier: Apache-2.0
"""A lost answer is asked for again, and a goal that was taken is not refused for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from rclpy.task import Future

from igrft.ros.asking import Goal, Repeated


def answered(value: Any) -> Future:
    future = Future()
    future.set_result(value)
    return future


def test_a_request_whose_answer_is_lost_is_sent_again() -> None:
    futures = [Future(), answered('yes')]
    ask = Repeated(lambda: futures[ask.sent], lambda: True, again=0.0)
    assert ask.answer() is None
    assert ask.answer() == 'yes'
    assert ask.sent == 2


def test_a_late_first_answer_counts() -> None:
    first = Future()
    ask = Repeated(lambda: first, lambda: True)
    assert ask.answer() is None
    first.set_result('late')
    assert ask.answer() == 'late'
    assert ask.sent == 1


def test_nothing_is_sent_without_a_server() -> None:
    ask = Repeated(Future, lambda: False)
    assert ask.answer() is None
    assert ask.sent == 0


class Server:
    """Stands for an action client whose server's first answer is lost, or that refuses."""

    def __init__(self, answers: list[Future]) -> None:
        self.answers = answers
        self.ids: list[bytes] = []

    def server_is_ready(self) -> bool:
        return True

    def send_goal_async(self, goal: Any, on_feedback: Any, goal_id: Any) -> Future:
        self.ids.append(bytes(goal_id.uuid))
        return self.answers[len(self.ids) - 1]


def test_a_goal_keeps_its_id_and_a_refusal_of_the_repetition_is_no_refusal() -> None:
    known = SimpleNamespace(accepted=False, get_result_async=lambda: answered('result'))
    server = Server([Future(), answered(known)])
    goal: Any = Goal(server, 'goal')  # type: ignore[arg-type]
    goal.acceptance._again = 0.0
    assert goal.acceptance.answer() is None
    handle = goal.handle(goal.acceptance.answer())
    assert handle is known
    assert len(set(server.ids)) == 1 and len(server.ids) == 2
    assert goal.result(handle).answer() == 'result'


def test_a_goal_refused_at_once_is_refused() -> None:
    goal: Any = Goal(Server([answered(SimpleNamespace(accepted=False))]), 'goal')  # type: ignore[arg-type]
    assert goal.handle(goal.acceptance.answer()) is None
