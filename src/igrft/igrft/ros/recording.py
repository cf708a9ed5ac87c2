# SPDX-License-Identifier: Apache-2.0
"""The episode manager's hands in the graph: raw subscriptions, the reset client, who publishes what and how."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.action import ActionServer, CancelResponse
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)
from rclpy.task import Future

from igrft.episodes.metadata import QosProfile, qos_profile
from igrft.episodes.states import RefusedError, Request, Result, Snapshot, State
from igrft.episodes.topics import TopicSpec
from igrft.ros import qos
from igrft_msgs.action import RunEpisode
from igrft_msgs.msg import EpisodeStatus
from igrft_msgs.srv import ResetCell

RECORDER_DEPTH = 100
"""Messages a topic may be ahead of the recorder's callbacks."""
FEEDBACK_PERIOD = 0.5
"""[s] between two feedbacks of `run_episode`."""
RESET_PATIENCE = 2.0
"""[s] to wait for a server of `reset` to appear."""

OnMessage = Callable[[int, bytes, int], None]


class RawSubscriptions:
    """One subscription a topic that hands over serialised bytes.

    Args:
        node: owner.
        topics: what to subscribe.
        on_message: topic index, bytes, publication sequence number (0 where it cannot be relied upon).
        reliable: ask publishers for reliable delivery; False also accepts best-effort ones, which may lose.
    """

    def __init__(self, node: Node, topics: Sequence[TopicSpec], on_message: OnMessage, reliable: bool = True) -> None:
        self._node = node
        self._topics = {topic.name: topic for topic in topics}
        self._on_message = on_message
        self._numbered = [False] * len(topics)
        self._qos = {topic.name: _wanted(topic, reliable) for topic in topics}
        self._subscriptions = [self._subscribe(i, topic) for i, topic in enumerate(topics)]

    def count_publishers(self) -> None:
        """Sequence numbers tell of losses only where one publisher counts; look who is there."""
        self._numbered = [subscription.get_publisher_count() == 1 for subscription in self._subscriptions]

    def destroy(self) -> None:
        """End all subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def explain(self, name: str) -> str:
        """Why a topic is silent."""
        full = self._node.resolve_topic_name(name)
        publishers = self._node.get_publishers_info_by_topic(full)
        if not publishers:
            return 'nobody publishes it; start the driver, or check the namespace and remappings'
        mine, wanted_type = self._qos[name], self._topics[name].type
        for publisher in publishers:
            who = f'{publisher.node_namespace.rstrip("/")}/{publisher.node_name}'
            if publisher.topic_type != wanted_type:
                return f'{who} publishes {publisher.topic_type}, expected {wanted_type}'
            fit, _ = qos_check_compatible(publisher.qos_profile, mine)
            if fit == QoSCompatibility.ERROR:
                return f'incompatible QoS: {who} offers {_words(publisher.qos_profile)}, asked is {_words(mine)}'
        return f'{who} publishes it, but nothing arrives'

    def offered(self, name: str) -> list[QosProfile]:
        """What the publishers of a topic offer, for the bag's metadata."""
        publishers = self._node.get_publishers_info_by_topic(self._node.resolve_topic_name(name))
        depth = self._qos[name].depth
        return [
            qos_profile(
                p.qos_profile.depth or depth,
                p.qos_profile.reliability.name.lower(),
                p.qos_profile.durability.name.lower(),
            )
            for p in publishers
        ]

    def _subscribe(self, index: int, topic: TopicSpec) -> Any:
        package, folder, name = topic.type.split('/')
        message_type = getattr(importlib.import_module(f'{package}.{folder}'), name)
        profile = qos.Profile('RECORDER', self._qos[topic.name], self._qos[topic.name])

        def receive(data: bytes, info: Any) -> None:
            sequence = info['publication_sequence_number'] if self._numbered[index] else 0
            self._on_message(index, data, sequence or 0)

        callback: Any = receive  # rclpy hands the info to whoever takes a second argument
        return qos.create_subscription(self._node, message_type, topic.name, callback, profile, raw=True)


class ResetClient:
    """Asks the cell to reset without waiting; a missing server is an answer, too.

    Args:
        node: owner.
        on_done: success, message, instruction.
    """

    def __init__(self, node: Node, on_done: Callable[[bool, str, str], None]) -> None:
        self._client = node.create_client(ResetCell, 'reset')
        self._on_done = on_done
        self._request: ResetCell.Request | None = None
        self._deadline = 0.0
        self._asked = 0

    def ask(self, request: Request) -> None:
        """Send the request as soon as there is a server."""
        self._request = ResetCell.Request(task=request.task, seed=request.seed, split=request.split or 'in')
        self._deadline = time.monotonic() + RESET_PATIENCE
        self._asked += 1
        self.poll()

    def poll(self) -> None:
        """Let time pass."""
        if self._request is None:
            return
        if self._client.service_is_ready():
            request, self._request = self._request, None
            number = self._asked
            self._client.call_async(request).add_done_callback(lambda f: self._answered(number, f))
        elif time.monotonic() > self._deadline:
            self._request = None
            self._on_done(False, "no server of 'reset'; start sim_node or arm_node, or set call_reset to false", '')

    def _answered(self, number: int, future: Any) -> None:
        if number == self._asked:  # else an episode that was given up asked for it
            answer = future.result()
            self._on_done(answer.success, answer.message, answer.instruction)


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
        if self._result is not None:
            self._result.set_result(result)

    async def _run(self, handle: Any) -> RunEpisode.Result:
        try:
            self._begin(handle.request, handle.request.max_duration)
        except RefusedError as error:
            handle.abort()
            return RunEpisode.Result(success=False, message=str(error))
        self._goal, self._result = handle, Future()
        result: Result = await self._result
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


def _wanted(topic: TopicSpec, reliable: bool) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=RECORDER_DEPTH,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if topic.latched else DurabilityPolicy.VOLATILE,
    )


def _words(profile: QoSProfile) -> str:
    return f'{profile.reliability.name.lower()}/{profile.durability.name.lower()}'
