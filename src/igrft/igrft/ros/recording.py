# SPDX-License-Identifier: Apache-2.0
"""The episode manager's hands in the graph: raw subscriptions, the reset client, who publishes what and how."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)

from igrft.episodes.metadata import QosProfile, qos_profile
from igrft.episodes.states import Request
from igrft.episodes.topics import TopicSpec
from igrft.ros import qos
from igrft.ros.asking import AGAIN
from igrft.ros.messages import nanoseconds_of
from igrft_msgs.srv import ResetCell

RECORDER_DEPTH = 100
"""Messages a topic may be ahead of the recorder's callbacks."""
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
        on_done: success, message, instruction, stamp of the first tick [ns].
    """

    def __init__(self, node: Node, on_done: Callable[[bool, str, str, int], None]) -> None:
        self._client = node.create_client(ResetCell, 'reset')
        self._on_done = on_done
        self._request: ResetCell.Request | None = None
        self._deadline = 0.0
        self._again = 0.0
        self._asked = 0

    def ask(self, request: Request) -> None:
        """Send the request as soon as there is a server."""
        self._request = ResetCell.Request(task=request.task, seed=request.seed, split=request.split or 'in')
        self._deadline = time.monotonic() + RESET_PATIENCE
        self._again = 0.0
        self._asked += 1
        self.poll()

    def forget(self) -> None:
        """Nobody waits for the answer any more; the cell is not asked again."""
        self._request = None

    def destroy(self, node: Node) -> None:
        """End the client."""
        self.forget()
        self._asked += 1
        node.destroy_client(self._client)

    def poll(self) -> None:
        """Let time pass. An answer may get lost (see :mod:`.asking`): then the cell is reset once more."""
        if self._request is None or time.monotonic() < self._again:
            return
        if self._client.service_is_ready():
            self._again = time.monotonic() + AGAIN
            self._asked += 1
            number = self._asked
            self._client.call_async(self._request).add_done_callback(lambda f: self._answered(number, f))
        elif time.monotonic() > self._deadline:
            self._request = None
            self._on_done(False, "no server of 'reset'; start sim_node or arm_node, or set call_reset to false", '', 0)

    def _answered(self, number: int, future: Any) -> None:
        if number == self._asked:  # else an episode that was given up asked for it, or the cell was reset again
            self._request = None
            answer = future.result()
            self._on_done(answer.success, answer.message, answer.instruction, nanoseconds_of(answer.stamp))


def _wanted(topic: TopicSpec, reliable: bool) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=RECORDER_DEPTH,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if topic.latched else DurabilityPolicy.VOLATILE,
    )


def _words(profile: QoSProfile) -> str:
    return f'{profile.reliability.name.lower()}/{profile.durability.name.lower()}'
