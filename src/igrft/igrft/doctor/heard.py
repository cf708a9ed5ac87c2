# SPDX-License-Identifier: Apache-2.0
"""What was heard of the graph's topics, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from igrft.episodes.topics import TopicSpec


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A publisher or subscription: its node, and its QoS in words."""

    node: str
    qos: str


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A publisher and a subscription between which nothing passes, and the policy that keeps them apart."""

    publisher: Endpoint
    subscription: Endpoint
    policy: str


@dataclass
class Heard:
    """What was heard of one topic.

    Attributes:
        spec: what it should be.
        publishers: who offers it.
        mismatches: pairs of incompatible QoS, igrft's own subscriptions among them.
        types: message types it is offered with.
        stamps: header stamps [s].
        ages: node time at receipt less header stamp [s].
        frame: ``frame_id`` of the last message.
        encoding, width, height: of the last image.
        joints: names in the last joint state.
        k: [9] of the last camera_info, None where none came.
    """

    spec: TopicSpec
    publishers: tuple[Endpoint, ...] = ()
    mismatches: tuple[Mismatch, ...] = ()
    types: tuple[str, ...] = ()
    stamps: list[float] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    frame: str = ''
    encoding: str = ''
    width: int = 0
    height: int = 0
    joints: tuple[str, ...] = ()
    k: tuple[float, ...] | None = None
