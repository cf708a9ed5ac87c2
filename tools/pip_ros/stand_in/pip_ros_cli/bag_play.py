# SPDX-License-Identifier: Apache-2.0
"""``ros2 bag play``: the recorded bytes, at the recorded pace, with the recorded QoS."""

from __future__ import annotations

import argparse
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
)
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader, ReaderError
from rosgraph_msgs.msg import Clock

from .graph import cli_node
from .messages import get_interface

# Subscribers that are there already get the first message, too [s].
_MATCHING_S = 0.3
_STEP_S = 0.05


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0.0:
        raise argparse.ArgumentTypeError(f'{text} is not positive')
    return value


def _not_negative(text: str) -> float:
    value = float(text)
    if value < 0.0:
        raise argparse.ArgumentTypeError(f'{text} is negative')
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ros2 bag play``."""
    parser.add_argument('bag_path', type=Path, help='Bag to open')
    parser.add_argument(
        '-s', '--storage', help='Accepted; the storage is told by the bag itself')
    parser.add_argument(
        '-r', '--rate', type=_positive, default=1.0,
        help='rate at which to play back messages. Valid range > 0.0.')
    parser.add_argument(
        '--topics', nargs='+', default=[], metavar='topic',
        help='Space-delimited list of topics to play.')
    parser.add_argument(
        '--exclude-topics', nargs='+', default=[], metavar='topic',
        help='Space-delimited list of topics not to play.')
    parser.add_argument(
        '-e', '--regex', default='', help='Play only topics matching the regular expression.')
    parser.add_argument(
        '-x', '--exclude-regex', default='',
        help='regular expressions to exclude topics from replay.')
    parser.add_argument(
        '-l', '--loop', action='store_true',
        help='enables loop playback: it starts back at the beginning on reaching the end')
    parser.add_argument(
        '-m', '--remap', nargs='+', default=[],
        help='list of topics to be remapped: "old_topic1:=new_topic1 old_topic2:=new_topic2"')
    parser.add_argument(
        '--clock', type=_positive, nargs='?', const=40.0, default=None,
        help='Publish to /clock at a specific frequency in Hz, to act as a ROS Time Source.')
    parser.add_argument(
        '-d', '--delay', type=_not_negative, default=0.0,
        help='Sleep duration before play (each loop), in seconds.')
    parser.add_argument(
        '--playback-duration', type=float, default=-1.0,
        help='Playback duration, in seconds of the bag. Negative: all of it.')
    parser.add_argument(
        '--start-offset', type=_not_negative, default=0.0,
        help='Start the playback player this many seconds into the bag file.')
    parser.add_argument(
        '--disable-keyboard-controls', action='store_true',
        help='Accepted; the stand-in has no keyboard controls')
    parser.add_argument(
        '--read-ahead-queue-size', type=int, default=1000,
        help='Accepted; the stand-in reads one chunk ahead')


@dataclass
class Player:
    """Plays one bag from one node."""

    node: Node
    rate: float
    clock_period: float | None
    publishers: dict[int, Publisher] = field(default_factory=dict)
    stopped: bool = False

    def __post_init__(self) -> None:
        self._clock = None
        if self.clock_period is not None:
            self._clock = self.node.create_publisher(Clock, '/clock', 10)
        self._clock_due = 0.0

    def wait(self, until: float, bag_now: int) -> None:
        """Spin until the monotonic time `until` [s], which is `bag_now` [ns] in the bag."""
        while not self.stopped:
            now = time.monotonic()
            if self._clock is not None and now >= self._clock_due:
                stamp = bag_now - int(max(0.0, until - now) * self.rate * 1e9)
                message = Clock()
                message.clock.sec, message.clock.nanosec = divmod(stamp, 10**9)
                self._clock.publish(message)
                self._clock_due = max(self._clock_due + (self.clock_period or 0.0), now)
            left = until - now
            if left <= 0.0:
                return
            step = min(left, _STEP_S)
            if self._clock is not None:
                step = min(step, max(0.0, self._clock_due - now))
            # Below the executor's own grain a plain sleep is the more exact wait.
            if step > 0.01:
                rclpy.spin_once(self.node, timeout_sec=step - 0.005)
            else:
                time.sleep(step)

    def play(self, messages: Iterator[tuple[Connection, int, bytes]], origin: int) -> int:
        """Publish `messages` paced from the bag time `origin` [ns]; return how many."""
        start = time.monotonic()
        count = 0
        for connection, stamp, data in messages:
            self.wait(start + (stamp - origin) / 1e9 / self.rate, stamp)
            if self.stopped:
                break
            self.publishers[connection.id].publish(bytes(data))
            count += 1
        return count


def run(args: argparse.Namespace) -> str | None:
    """Play; Ctrl-C ends it with exit code 0, as upstream."""
    remaps = {}
    for rule in args.remap:
        source, separator, target = rule.partition(':=')
        if not separator or not source or not target:
            return f"'{rule}' is no remapping: expected old_topic:=new_topic"
        remaps[source] = target
    try:
        with Reader(args.bag_path) as reader, cli_node(
                args, 'rosbag2_player', own_signals=True) as node:
            period = None if args.clock is None else 1.0 / args.clock
            player = Player(node, args.rate, period)

            def stop(number: int, frame: Any) -> None:
                player.stopped = True

            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, stop)
            connections = [each for each in reader.connections if _wanted(each.topic, args)]
            playable = _advertise(player, connections, remaps)
            if not playable:
                return f"'{args.bag_path}': no topic to play"
            _play(player, reader, playable, args)
    except (ReaderError, FileNotFoundError) as error:
        return f"'{args.bag_path}' cannot be played: {error}"
    return None


def _play(
    player: Player, reader: Reader, connections: list[Connection], args: argparse.Namespace
) -> None:
    origin = reader.start_time + int(args.start_offset * 1e9)
    stop = None
    if args.playback_duration >= 0.0:
        stop = origin + int(args.playback_duration * 1e9)
    player.wait(time.monotonic() + _MATCHING_S, origin)
    while not player.stopped:
        player.wait(time.monotonic() + args.delay, origin)
        count = player.play(reader.messages(connections, start=origin, stop=stop), origin)
        if not args.loop or not count:
            break
    # Reliable messages still under way are not to be lost with the publishers.
    for publisher in player.publishers.values():
        publisher.wait_for_all_acked(rclpy.duration.Duration(seconds=1))


def _wanted(topic: str, args: argparse.Namespace) -> bool:
    if topic in args.exclude_topics or (args.clock is not None and topic == '/clock'):
        return False
    if args.exclude_regex and re.search(args.exclude_regex, topic):
        return False
    if args.topics or args.regex:
        return topic in args.topics or bool(args.regex and re.search(args.regex, topic))
    return True


def _advertise(
    player: Player, connections: list[Connection], remaps: dict[str, str]
) -> list[Connection]:
    playable = []
    for connection in connections:
        try:
            message_type = get_interface(connection.msgtype, 'msg')
        except RuntimeError as error:
            player.node.get_logger().warning(f"Ignoring topic '{connection.topic}': {error}")
            continue
        player.publishers[connection.id] = player.node.create_publisher(
            message_type, remaps.get(connection.topic, connection.topic), _qos(connection))
        playable.append(connection)
    return playable


def _qos(connection: Connection) -> QoSProfile:
    """Return QoS that every subscriber of the recorded publishers could match."""
    offered = getattr(connection.ext, 'offered_qos_profiles', [])
    profile = QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=max([10, *(each.depth for each in offered)]))
    if offered and all(each.reliability.name == 'BEST_EFFORT' for each in offered):
        profile.reliability = QoSReliabilityPolicy.BEST_EFFORT
    if offered and all(each.durability.name == 'TRANSIENT_LOCAL' for each in offered):
        profile.durability = QoSDurabilityPolicy.TRANSIENT_LOCAL
        profile.depth = max([1, *(each.depth for each in offered)])
    return profile
