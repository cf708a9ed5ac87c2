# SPDX-License-Identifier: Apache-2.0
"""The loop's backend over the running graph: episodes and trainings are actions of other nodes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient
from rclpy.node import Node

from igrft.rollout.curriculum import Stage
from igrft.rollout.loop import EpisodeResult, LoopError, Stopped
from igrft.ros.asking import Goal, Repeated
from igrft.types import Kind
from igrft_msgs.action import RunEpisode, TrainStage
from igrft_msgs.srv import LoadCheckpoint

POLL = 0.1
"""[s] between looks at the stop flag while waiting."""
GONE = 10.0
"""[s] without a server after which its answer is not waited for any more."""


class GraphBackend:
    """Blocking calls from a worker thread while the node spins in another.

    Args:
        node: spun elsewhere; its executor delivers the answers.
        task: task name of every episode.
        split: layouts the episodes are drawn from.
        stopping: true when the run was asked to stop.
        overrides: ``key=value`` of the training configuration.
        server_timeout: [s] to wait for a node to appear.
    """

    def __init__(
        self,
        node: Node,
        task: str,
        split: str,
        stopping: Callable[[], bool],
        overrides: list[str],
        server_timeout: float = 60.0,
    ) -> None:
        self._node = node
        self._task = task
        self._split = split
        self._stopping = stopping
        self._overrides = overrides
        self._server_timeout = server_timeout
        self._episode = ActionClient(node, RunEpisode, 'run_episode')
        self._trainer = ActionClient(node, TrainStage, 'train_stage')
        self._load = node.create_client(LoadCheckpoint, 'policy_node/load_checkpoint')

    def run_episode(self, kind: Kind, seed: int) -> EpisodeResult:
        goal = RunEpisode.Goal(task=self._task, kind=kind.value, seed=seed, split=self._split)
        result = self._run(self._episode, goal, 'episode_node', lambda feedback: None)
        return EpisodeResult(result.episode_id, result.outcome, result.progress, result.steps, result.interventions)

    def train(self, stage: Stage, round_number: int, initial: str, on_progress: Callable[[float, str], None]) -> str:
        goal = TrainStage.Goal(
            stage=stage.value,
            round=round_number,
            task=self._task,
            initial_checkpoint=initial,
            overrides=self._overrides,
        )

        def report(message: Any) -> None:
            feedback = message.feedback
            share = feedback.step / max(1, feedback.total_steps)
            on_progress(
                share,
                f'step {feedback.step}/{feedback.total_steps}  loss {feedback.loss:.4f}'
                f'  ESS {feedback.effective_sample_size:.2f}',
            )

        return str(self._run(self._trainer, goal, 'trainer_node', report).checkpoint)

    def load(self, checkpoint: str) -> None:
        self._available(self._load.service_is_ready, 'policy_node', 'policy_node/load_checkpoint')
        request = LoadCheckpoint.Request(path=checkpoint)
        ask = Repeated(lambda: self._load.call_async(request), self._load.service_is_ready)
        answer = self._wait(ask, self._load.service_is_ready, 'policy_node')
        if not answer.success:
            raise LoopError(f'policy_node refused {checkpoint}: {answer.message}')

    def _run(self, client: Any, message: Any, server: str, on_feedback: Callable[[Any], None]) -> Any:
        self._available(client.server_is_ready, server, client._action_name)
        goal = Goal(client, message, on_feedback)
        handle = goal.handle(self._wait(goal.acceptance, client.server_is_ready, server))
        if handle is None:
            raise LoopError(f'{server} refused the goal {message}; its log says why')
        try:
            answer = self._wait(goal.result(handle), client.server_is_ready, server)
        except Stopped:
            handle.cancel_goal_async()
            raise
        if answer.status == GoalStatus.STATUS_CANCELED:
            raise Stopped
        if answer.status == GoalStatus.STATUS_UNKNOWN:
            raise LoopError(f'{server} refused the goal {message}; its log says why')
        if not answer.result.success:
            raise LoopError(f'{server}: {answer.result.message}')
        return answer.result

    def _available(self, ready: Callable[[], bool], server: str, name: str) -> None:
        deadline = time.monotonic() + self._server_timeout
        pause = threading.Event()
        while not ready():
            if self._stopping():
                raise Stopped
            if time.monotonic() > deadline:
                raise LoopError(
                    f"no server of '{name}' within {self._server_timeout:g} s: is {server} running in this "
                    'namespace and ROS domain?'
                )
            pause.wait(POLL)

    def _wait(self, ask: Repeated, alive: Callable[[], bool], server: str) -> Any:
        seen = time.monotonic()
        while (answer := ask.answer(POLL)) is None:
            if self._stopping():
                raise Stopped
            if alive():
                seen = time.monotonic()
            elif time.monotonic() - seen > GONE:
                raise LoopError(f'{server} is gone for {GONE:g} s and never answered; its log says why')
        return answer
