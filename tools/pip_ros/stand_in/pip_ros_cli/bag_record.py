# SPDX-License-Identifier: Apache-2.0
"""``ros2 bag record``: subscribes raw and writes MCAP with zstd chunks."""

from __future__ import annotations

import argparse
import datetime
import re
import signal
import time
from pathlib import Path
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from .graph import cli_node, topics
from .interface import definition_path, nested_type
from .messages import get_interface
from .qos import matching_qos

_DEPTH = 200
_SEPARATOR = '=' * 80


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ros2 bag record``."""
    parser.add_argument(
        '-o', '--output', type=Path,
        help='Destination of the bagfile to create, defaults to a timestamped folder in the '
             'current directory.')
    parser.add_argument(
        '-s', '--storage', default='mcap', choices=('mcap', 'sqlite3'),
        help="Storage identifier to be used, defaults to '%(default)s'.")
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        'topics_positional', default=[], metavar='[Topic ...]', nargs='*',
        help='Space-delimited list of topics to record. (deprecated)')
    group.add_argument(
        '--topics', default=[], metavar='Topic', nargs='+',
        help='Space-delimited list of topics to record.')
    parser.add_argument('-a', '--all', action='store_true', help='Record all topics.')
    parser.add_argument('--all-topics', action='store_true', help='Record all topics.')
    parser.add_argument(
        '-e', '--regex', default='',
        help='Record only topics containing provided regular expression.')
    parser.add_argument(
        '-x', '--exclude-regex', default='',
        help='Exclude topics containing provided regular expression.')
    parser.add_argument(
        '--exclude-topics', default=[], metavar='Topic', nargs='+',
        help='Space-delimited list of topics not being recorded.')
    parser.add_argument(
        '--include-hidden-topics', action='store_true',
        help='Discover and record hidden topics as well.')
    parser.add_argument(
        '-p', '--polling-interval', type=int, default=100,
        help='Time in ms to wait between querying available topics for recording.')
    parser.add_argument(
        '--use-sim-time', action='store_true',
        help='Use simulation time for message timestamps by subscribing to the /clock topic.')
    parser.add_argument(
        '--node-name', default='rosbag2_recorder', help='Specify the recorder node name.')
    parser.add_argument(
        '--disable-keyboard-controls', action='store_true',
        help='Accepted; the stand-in has no keyboard controls')


class Recorder:
    """Subscribes to topics as they appear and writes what comes."""

    def __init__(self, node: Node, writer: Writer, args: argparse.Namespace) -> None:
        self._node = node
        self._writer = writer
        self._args = args
        self._seen: set[str] = set()
        self.connections: dict[str, Connection] = {}

    def discover(self) -> None:
        """Subscribe to wanted topics that have a publisher and are not recorded yet."""
        for topic, types in topics(self._node, self._args.include_hidden_topics):
            if topic in self._seen or not _wanted(topic, self._args):
                continue
            offers = self._node.get_publishers_info_by_topic(topic)
            if not offers:
                continue
            self._seen.add(topic)
            if len(types) > 1:
                self._warn(topic, f'it has more than one type: {", ".join(types)}')
                continue
            try:
                message_type = get_interface(types[0], 'msg')
                definition = full_definition(types[0])
            except RuntimeError as error:
                self._warn(topic, str(error))
                continue
            connection = self._writer.add_connection(
                topic, types[0], msgdef=definition, rihs01=str(offers[0].topic_type_hash),
                offered_qos_profiles=[recorded_qos(offer.qos_profile) for offer in offers])
            self.connections[topic] = connection
            self._node.create_subscription(
                message_type, topic,
                lambda data, connection=connection: self._write(connection, data),
                matching_qos(self._node, topic, QoSProfile(depth=_DEPTH)), raw=True)
            self._node.get_logger().info(f"Subscribed to topic '{topic}'")

    def _write(self, connection: Connection, data: bytes) -> None:
        stamp = (
            self._node.get_clock().now().nanoseconds if self._args.use_sim_time
            else time.time_ns())
        if stamp:
            # Upstream, too, writes nothing before the first /clock.
            self._writer.write(connection, stamp, data)

    def _warn(self, topic: str, why: str) -> None:
        self._node.get_logger().warning(f"Topic '{topic}' is not recorded: {why}")


def run(args: argparse.Namespace) -> str | None:
    """Record until SIGINT or SIGTERM, then close the bag; exit code 0."""
    args.topics = [
        each if each.startswith('/') else f'/{each}'
        for each in [*args.topics, *args.topics_positional]]
    if not (args.all or args.all_topics or args.topics or args.regex):
        return ('[ERROR] [ros2bag]: Need to specify at least one option out of --all, '
                '--all-topics, --topics or --regex')
    output = args.output or Path(datetime.datetime.now().strftime('rosbag2_%Y_%m_%d-%H_%M_%S'))
    if output.exists():
        return f"[ERROR] [ros2bag]: Output folder '{output}' already exists."
    plugin = StoragePlugin.MCAP if args.storage == 'mcap' else StoragePlugin.SQLITE3
    writer = Writer(output, version=Writer.VERSION_LATEST, storage_plugin=plugin)
    if plugin == StoragePlugin.MCAP:
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    stopped = False

    def stop(number: int, frame: Any) -> None:
        nonlocal stopped
        stopped = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with cli_node(args, args.node_name, own_signals=True) as node, writer:
        recorder = Recorder(node, writer, args)
        node.get_logger().info(f"Recording to '{output}'; stop with Ctrl-C")
        due = 0.0
        while not stopped:
            if time.monotonic() >= due:
                recorder.discover()
                due = time.monotonic() + args.polling_interval / 1000
            rclpy.spin_once(node, timeout_sec=min(0.1, args.polling_interval / 1000))
        node.get_logger().info('Recording stopped')
    return None


def _wanted(topic: str, args: argparse.Namespace) -> bool:
    if topic in args.exclude_topics:
        return False
    if args.exclude_regex and re.search(args.exclude_regex, topic):
        return False
    return (args.all or args.all_topics or topic in args.topics
            or bool(args.regex and re.search(args.regex, topic)))


def full_definition(name: str) -> str:
    """Return the definition of message `name`, followed by those of the messages it holds.

    Raises:
        RuntimeError: if the definition of one of them is not installed.
    """
    done: list[str] = []
    waiting = [name]
    texts = []
    while waiting:
        current = waiting.pop(0)
        if current in done:
            continue
        done.append(current)
        text = definition_path(current).read_text(encoding='utf-8')
        package, _, leaf = current.split('/')
        texts.append(text if len(done) == 1 else f'{_SEPARATOR}\nMSG: {package}/{leaf}\n{text}')
        for line in text.splitlines():
            nested = nested_type(line, package)
            if nested:
                waiting.append(nested)
    return '\n'.join(each.rstrip('\n') for each in texts) + '\n'


def recorded_qos(profile: QoSProfile) -> Qos:
    """Return rclpy's QoS as rosbag2 stores it."""

    def policy(kind: Any, value: Any) -> Any:
        return kind.__members__.get(value.name, kind.UNKNOWN)

    def duration(value: Any) -> QosTime:
        return QosTime(*divmod(value.nanoseconds, 10**9))

    return Qos(
        policy(QosHistory, profile.history), profile.depth,
        policy(QosReliability, profile.reliability), policy(QosDurability, profile.durability),
        duration(profile.deadline), duration(profile.lifespan),
        policy(QosLiveliness, profile.liveliness), duration(profile.liveliness_lease_duration),
        profile.avoid_ros_namespace_conventions)
