# SPDX-License-Identifier: Apache-2.0
"""Listens to a running graph for `igrft doctor`: who publishes what with which QoS, and what arrives."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSCompatibility, QoSProfile, ReliabilityPolicy, qos_check_compatible
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState

from igrft.doctor.heard import Endpoint, Heard, Mismatch
from igrft.episodes.topics import Qos, TopicSpec
from igrft.ros import qos
from igrft.ros.messages import seconds_of

NAME = 'doctor'
PROFILES = {
    Qos.IMAGE: qos.IMAGE,
    Qos.SENSOR: qos.SENSOR,
    Qos.COMMAND: qos.COMMAND,
    Qos.EVENT: qos.EVENT,
    Qos.LATCHED: qos.LATCHED,
}
TYPES: dict[str, type[Any]] = {
    'sensor_msgs/msg/Image': Image,
    'sensor_msgs/msg/CameraInfo': CameraInfo,
    'sensor_msgs/msg/JointState': JointState,
    'geometry_msgs/msg/PoseStamped': PoseStamped,
}
"""Types of the streams that are listened to; of the other topics only the endpoints are looked at."""
ANY = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT, durability=DurabilityPolicy.VOLATILE)
"""Takes every publisher's messages."""


ENOUGH = 10
"""Messages from which a rate can be told."""


@dataclass
class Graph:
    """What was heard: topics by relative name, tf's child frame to parent frame, and the nodes of the domain.

    ``tf`` is None where tf2_msgs is not installed.
    """

    topics: dict[str, Heard]
    tf: dict[str, str] | None = field(default_factory=dict)
    nodes: tuple[str, ...] = ()


def listen(
    specs: Sequence[TopicSpec], seconds: float, namespace: str = '', domain: int | None = None, patience: float = 0.0
) -> Graph:
    """Listen for some seconds, and longer while streams are missing: discovery takes its time on a busy machine.

    Args:
        specs: topics of the robot.
        seconds: from the moment in which the subscriptions exist.
        namespace: of the graph.
        domain: ROS domain; the environment's by default.
        patience: [s] longer at most, until every stream that an episode needs has been heard.
    """
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    node = Node(NAME, context=context, namespace=namespace, start_parameter_services=False)
    executor = SingleThreadedExecutor(context=context)
    try:
        executor.add_node(node)
        listener = _Listener(node, specs)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 or (left + patience > 0 and not listener.complete):
            executor.spin_once(timeout_sec=min(max(left, 0.1), seconds))
        return listener.graph()
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown(context=context)


class _Listener:
    def __init__(self, node: Node, specs: Sequence[TopicSpec]) -> None:
        self._node = node
        self._heard = {spec.name: Heard(spec) for spec in specs}
        self._clock: float | None = None
        """[s] of the graph's clock topic, None where it runs on the system's clock"""
        self._tf: dict[str, str] | None = None
        for name in ('clock', '/clock'):
            node.create_subscription(Clock, name, self._on_clock, ANY)
        for heard in self._heard.values():
            if heard.spec.type in TYPES:
                node.create_subscription(TYPES[heard.spec.type], heard.spec.name, self._taker(heard), ANY)
        self._listen_to_tf()

    @property
    def complete(self) -> bool:
        """Enough of every stream that an episode needs was heard to judge its rate."""
        return all(len(heard.stamps) >= ENOUGH for heard in self._heard.values() if heard.spec.required)

    def graph(self) -> Graph:
        """Everything heard so far, with the endpoints as they are now."""
        for heard in self._heard.values():
            self._look_at(heard)
        names = self._node.get_node_names_and_namespaces()
        nodes = tuple(f'{space.rstrip("/")}/{name}' for name, space in names if name != NAME)
        return Graph(self._heard, self._tf, nodes)

    def _on_clock(self, message: Clock) -> None:
        self._clock = seconds_of(message.clock)

    def _taker(self, heard: Heard) -> Callable[[Any, Any], None]:
        def take(message: Any, info: Any) -> None:
            stamp = seconds_of(message.header.stamp)
            # When the middleware had it: that this process was busy does not make a message old.
            received = info['received_timestamp'] * 1e-9 if self._clock is None else self._clock
            heard.ages.append(received - stamp)
            heard.stamps.append(stamp)
            heard.frame = message.header.frame_id
            if isinstance(message, Image):
                heard.encoding, heard.width, heard.height = message.encoding, message.width, message.height
            elif isinstance(message, CameraInfo):
                heard.k = tuple(map(float, message.k))
            elif isinstance(message, JointState):
                heard.joints = tuple(message.name)

        return take

    def _listen_to_tf(self) -> None:
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError:
            return
        transforms: dict[str, str] = {}
        self._tf = transforms

        def take(message: Any) -> None:
            for one in message.transforms:
                transforms[one.child_frame_id] = one.header.frame_id

        self._node.create_subscription(TFMessage, '/tf', take, ANY)
        self._node.create_subscription(TFMessage, '/tf_static', take, qos.LATCHED.subscription)

    def _look_at(self, heard: Heard) -> None:
        topic = self._node.resolve_topic_name(heard.spec.name)
        publishers = self._node.get_publishers_info_by_topic(topic)
        subscriptions = [s for s in self._node.get_subscriptions_info_by_topic(topic) if s.node_name != NAME]
        asked = PROFILES[heard.spec.qos].subscription
        found: list[Mismatch] = []
        for publisher in publishers:
            mine = _endpoint(publisher)
            against = [
                Mismatch(mine, _endpoint(subscription), reason)
                for subscription in subscriptions
                if (reason := _incompatible(publisher.qos_profile, subscription.qos_profile))
            ]
            # igrft's own subscription counts also while the node that has it does not run.
            if not against and (reason := _incompatible(publisher.qos_profile, asked)):
                against = [Mismatch(mine, Endpoint('igrft', qos.describe(asked)), reason)]
            found += against
        heard.publishers = tuple(map(_endpoint, publishers))
        heard.types = tuple(sorted({publisher.topic_type for publisher in publishers}))
        heard.mismatches = tuple(found)


def _endpoint(info: Any) -> Endpoint:
    return Endpoint(f'{info.node_namespace.rstrip("/")}/{info.node_name}', qos.describe(info.qos_profile))


def _incompatible(offer: QoSProfile, ask: QoSProfile) -> str:
    """Why nothing passes, '' where it does."""
    compatibility, reason = qos_check_compatible(offer, ask)
    return str(reason).rstrip(';') if compatibility == QoSCompatibility.ERROR else ''
