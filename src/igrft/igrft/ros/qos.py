# SPDX-License-Identifier: Apache-2.0
"""The QoS profiles of the graph, each chosen once and for a reason, and endpoints that name a mismatch in the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
    qos_policy_name_from_kind,
)
from rclpy.subscription import Subscription


@dataclass(frozen=True)
class Profile:
    """What the two ends of a topic ask for."""

    name: str
    publisher: QoSProfile
    subscription: QoSProfile


def _qos(reliability: ReliabilityPolicy, depth: int, latched: bool = False) -> QoSProfile:
    durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability, durability=durability)


def _same(name: str, depth: int, latched: bool = False) -> Profile:
    qos = _qos(ReliabilityPolicy.RELIABLE, depth, latched)
    return Profile(name, qos, qos)


def _sensor(name: str) -> Profile:
    # A reliable offer fits every consumer (a recorder may ask for it); a best-effort consumer accepts
    # every driver, whatever it offers, and never holds a driver up (REP-2003).
    return Profile(name, _qos(ReliabilityPolicy.RELIABLE, 5), _qos(ReliabilityPolicy.BEST_EFFORT, 5))


IMAGE = _sensor('IMAGE')
SENSOR = _sensor('SENSOR')
COMMAND = _same('COMMAND', 1)
"""Only the newest counts: an old command is a wrong one."""
LATCHED = _same('LATCHED', 1, latched=True)
"""States: whoever joins late must know."""
EVENT = _same('EVENT', 50)
"""Every one counts."""


def create_publisher(node: Node, message: type[Any], topic: str, profile: Profile) -> Publisher:
    """A publisher whose incompatible subscribers are named in the log."""
    publisher: Publisher

    def incompatible(event: Any) -> None:
        policy = _policy_name(event.last_policy_kind)
        others = node.get_subscriptions_info_by_topic(publisher.topic_name)
        node.get_logger().error(
            f"topic '{publisher.topic_name}': a subscriber ({_names(others, profile.publisher, True)}) asks for "
            f'an incompatible QoS policy {policy} and will receive nothing; '
            f'this topic is {describe(profile.publisher)}'
        )

    callbacks = PublisherEventCallbacks(incompatible_qos=incompatible, use_default_callbacks=False)
    publisher = node.create_publisher(message, topic, profile.publisher, event_callbacks=callbacks)
    return publisher


def create_subscription(
    node: Node,
    message: type[Any],
    topic: str,
    callback: Callable[[Any], None],
    profile: Profile,
    *,
    raw: bool = False,
    **options: Any,
) -> Subscription:
    """A subscription whose incompatible publishers are named in the log. ``raw`` hands over serialised bytes."""
    subscription: Subscription

    def incompatible(event: Any) -> None:
        policy = _policy_name(event.last_policy_kind)
        others = node.get_publishers_info_by_topic(subscription.topic_name)
        node.get_logger().error(
            f"topic '{subscription.topic_name}': a publisher ({_names(others, profile.subscription, False)}) offers "
            f'an incompatible QoS policy {policy}, nothing will be received from it; '
            f'this node asks for {describe(profile.subscription)}'
        )

    callbacks = SubscriptionEventCallbacks(incompatible_qos=incompatible, use_default_callbacks=False)
    subscription = node.create_subscription(
        message, topic, callback, profile.subscription, raw=raw, event_callbacks=callbacks, **options
    )
    return subscription


def _policy_name(kind: Any) -> str:
    name = qos_policy_name_from_kind(kind)
    return str(name).removesuffix('_QOS_POLICY')


def describe(qos: QoSProfile) -> str:
    """A profile in words; the graph does not tell the depth of an endpoint, and gives 0."""
    reliability, durability = qos.reliability.name.lower(), qos.durability.name.lower()
    return f'{reliability}, {durability}' + (f', depth {qos.depth}' if qos.depth else '')


def _names(endpoints: list[Any], mine: QoSProfile, i_publish: bool) -> str:
    """The nodes behind the endpoints that do not fit, or the word for not knowing."""
    names = set()
    for endpoint in endpoints:
        offer, ask = (mine, endpoint.qos_profile) if i_publish else (endpoint.qos_profile, mine)
        if qos_check_compatible(offer, ask)[0] == QoSCompatibility.ERROR:
            names.add(f'{endpoint.node_namespace.rstrip("/")}/{endpoint.node_name}')
    return ', '.join(sorted(names)) or 'unknown node'
