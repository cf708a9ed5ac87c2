# SPDX-License-Identifier: Apache-2.0
"""What episode_node offers to the graph: the `run_episode` action, the services `episode/…`, the status."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.action import ActionServer, CancelResponse
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger

from igrft.episodes.schema import EpisodeError
from igrft.episodes.states import RefusedError, Result, Snapshot, State
from igrft.ros.messages import nanoseconds_of
from igrft_msgs.action import RunEpisode
from igrft_msgs.msg import EpisodeStatus
from igrft_msgs.srv import LabelEpisode, StartEpisode, StopEpisode

FEEDBACK_PERIOD = 0.5
"""[s] between two feedbacks of `run_episode`."""


class RunEpisodeServer:
    """The `run_episode` action: a goal waits, without holding the executor, for the manager's result.

    Args:
        node: owner.
        begin: starts the episode of a goal (its second argument is max_duration); raises RefusedError.
        cancel: ends the episode in progress.
    """

    def __init__(self, node: Node, begin: Callable[[Any, float], str], cancel: Callable[[], None]) -> None:
        self._begin, self._cancel = begin, cancel
        self._goal: Any = None
        self._result: Future | None = None
        self._told = 0.0
        self._server = ActionServer(node, RunEpisode, 'run_episode', self._run, cancel_callback=self._on_cancel)

    def destroy(self) -> None:
        """End the server."""
        self._server.destroy()

    def tell(self, state: State, elapsed: float, completed: int) -> None:
        """Feedback, a few times a second at most."""
        if self._goal is None or not self._goal.is_active or time.monotonic() - self._told < FEEDBACK_PERIOD:
            return
        self._told = time.monotonic()
        phase = state.name.lower()
        self._goal.publish_feedback(RunEpisode.Feedback(phase=phase, elapsed=elapsed, completed=completed))

    def finish(self, result: Result) -> None:
        """The episode in progress is over; nobody may be waiting for it."""
        if self._result is not None and not self._result.done():
            self._result.set_result(result)

    async def _run(self, handle: Any) -> RunEpisode.Result:
        try:
            self._begin(handle.request, handle.request.max_duration)
        except RefusedError as error:
            handle.abort()
            return RunEpisode.Result(success=False, message=str(error))
        future = Future()
        self._goal, self._result = handle, future
        result: Result = await future
        if self._result is future:  # else the next goal has begun meanwhile
            self._goal = self._result = None
        if handle.is_cancel_requested:
            handle.canceled()
        elif result.saved:
            handle.succeed()
        else:
            handle.abort()
        return RunEpisode.Result(
            success=result.saved,
            message=result.message,
            episode_id=result.episode_id,
            path=result.path,
            outcome=result.outcome,
            progress=result.progress,
            steps=result.steps,
            interventions=result.interventions,
            duration=result.duration,
        )

    def _on_cancel(self, handle: Any) -> CancelResponse:
        self._cancel()
        return CancelResponse.ACCEPT


class EpisodeServices:
    """The services beside the action, for consoles that can call services only.

    Args:
        node: owner.
        begin: starts an episode and returns its id; takes task, kind, seed and split from the request.
        stop: ends it with the stamp [ns] and the outcome, and returns its path.
        discard: deletes it.
        label: sets the outcome of an episode, '' being the last.

    All of them raise RefusedError, EpisodeError or OSError with the text that the caller gets.
    """

    def __init__(
        self,
        node: Node,
        begin: Callable[[Any], str],
        stop: Callable[[int, str], str],
        discard: Callable[[], None],
        label: Callable[[str, str], None],
    ) -> None:
        self._node = node
        self._services = [
            node.create_service(StartEpisode, 'episode/start', self._answer(begin, 'episode_id')),
            node.create_service(
                StopEpisode, 'episode/stop', self._answer(lambda r: stop(nanoseconds_of(r.stamp), r.outcome), 'path')
            ),
            node.create_service(Trigger, 'episode/discard', self._answer(lambda r: discard())),
            node.create_service(LabelEpisode, 'episode/label', self._answer(lambda r: label(r.episode_id, r.outcome))),
        ]

    def destroy(self) -> None:
        """End all services."""
        for service in self._services:
            self._node.destroy_service(service)

    @staticmethod
    def _answer(work: Callable[[Any], str | None], field: str = '') -> Callable[[Any, Any], Any]:
        def answer(request: Any, response: Any) -> Any:
            try:
                value = work(request)
            except (RefusedError, EpisodeError, OSError) as error:
                response.success, response.message = False, str(error)
                return response
            response.success = True
            if field:
                setattr(response, field, value)
            return response

        return answer


def status_msg(status: Snapshot) -> EpisodeStatus:
    """`episode/status` without its header."""
    return EpisodeStatus(
        state=int(status.state),
        episode_id=status.episode_id,
        task=status.task,
        instruction=status.instruction,
        kind=status.kind,
        seed=status.seed,
        outcome=status.outcome,
        path=status.path,
        problem=status.problem,
    )
