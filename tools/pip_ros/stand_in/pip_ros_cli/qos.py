# SPDX-License-Identifier: Apache-2.0
"""QoS from the command line, and QoS that agrees with whoever is there."""

from __future__ import annotations

import argparse
import copy
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSLivelinessPolicy,
    QoSPresetProfiles,
    QoSProfile,
    QoSReliabilityPolicy,
)

_POLICIES: dict[str, Any] = {
    'history': QoSHistoryPolicy,
    'reliability': QoSReliabilityPolicy,
    'durability': QoSDurabilityPolicy,
    'liveliness': QoSLivelinessPolicy,
}


def add_qos_arguments(parser: argparse.ArgumentParser, default: str) -> None:
    """Add ``--qos-…``; `default` is the preset profile that holds without them."""
    parser.add_argument(
        '--qos-profile', choices=QoSPresetProfiles.short_keys(), default=default,
        help='Quality of service preset profile (default: %(default)s)')
    parser.add_argument('--qos-depth', metavar='N', type=int, help='Queue size setting')
    for name, policy in _POLICIES.items():
        parser.add_argument(
            f'--qos-{name}', choices=policy.short_keys(),
            help=f'Quality of service {name} setting')
    parser.add_argument(
        '--qos-liveliness-lease-duration-seconds', type=float,
        help='Quality of service liveliness lease duration setting')


def qos_from_arguments(args: argparse.Namespace) -> QoSProfile:
    """Return the preset profile with what was given over it."""
    # A copy: the presets are shared objects.
    profile = copy.copy(QoSPresetProfiles.get_from_short_key(args.qos_profile))
    if args.qos_depth is not None:
        profile.depth = args.qos_depth
    for name, policy in _POLICIES.items():
        value = getattr(args, f'qos_{name}')
        if value is not None:
            setattr(profile, name, policy.get_from_short_key(value))
    if args.qos_liveliness_lease_duration_seconds is not None:
        profile.liveliness_lease_duration = Duration(
            seconds=args.qos_liveliness_lease_duration_seconds)
    return profile


def given(args: argparse.Namespace) -> bool:
    """Return whether any policy was set on the command line."""
    names = ['depth', *_POLICIES, 'liveliness_lease_duration_seconds']
    return any(getattr(args, f'qos_{name}') is not None for name in names)


def matching_qos(node: Node, topic: str, profile: QoSProfile) -> QoSProfile:
    """Return `profile` made as strong as all publishers of `topic` offer, and no stronger."""
    publishers = [info.qos_profile for info in node.get_publishers_info_by_topic(topic)]
    if not publishers:
        return profile
    profile = copy.copy(profile)
    steps = (
        ('reliability', QoSReliabilityPolicy.RELIABLE, QoSReliabilityPolicy.BEST_EFFORT),
        ('durability', QoSDurabilityPolicy.TRANSIENT_LOCAL, QoSDurabilityPolicy.VOLATILE))
    for name, strong, weak in steps:
        offering = sum(getattr(each, name) == strong for each in publishers)
        if 0 < offering < len(publishers):
            print(f'Some, but not all, publishers are offering {strong}. Falling back to {weak} '
                  'as it will connect to all publishers')
        setattr(profile, name, strong if offering == len(publishers) else weak)
    return profile
