# SPDX-License-Identifier: Apache-2.0
"""``ros2 topic echo``."""

from __future__ import annotations

import argparse
from typing import Any

import rclpy
import yaml
from rclpy.node import Node
from rclpy.task import Future

from .graph import add_node_arguments, cli_node, full_name, wait_for_topic_type
from .messages import DEFAULT_TRUNCATE_LENGTH, get_interface, is_message, to_csv, to_plain, to_yaml
from .qos import add_qos_arguments, given, matching_qos, qos_from_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ros2 topic echo``."""
    add_node_arguments(parser)
    parser.add_argument(
        'topic_name', help="Name of the ROS topic to listen to (e.g. '/chatter')")
    parser.add_argument(
        'message_type', nargs='?', help="Type of the ROS message (e.g. 'std_msgs/msg/String')")
    add_qos_arguments(parser, 'sensor_data')
    parser.add_argument(
        '--csv', action='store_true', help='Output all recursive fields separated by commas')
    parser.add_argument(
        '--field', help="Echo a selected field of a message, e.g. 'pose.pose.position'")
    parser.add_argument(
        '-f', '--full-length', action='store_true',
        help='Output all elements for arrays, bytes, and strings')
    parser.add_argument(
        '-l', '--truncate-length', type=int, default=DEFAULT_TRUNCATE_LENGTH,
        help='The length to truncate arrays, bytes, and string to (default: %(default)s)')
    parser.add_argument(
        '--no-arr', action='store_true', help="Don't print array fields of messages")
    parser.add_argument(
        '--no-str', action='store_true', help="Don't print string fields of messages")
    parser.add_argument(
        '--flow-style', action='store_true', help='Print collections in the flow style')
    parser.add_argument(
        '--no-lost-messages', action='store_true',
        help='Accepted; the stand-in does not report lost messages')
    parser.add_argument('--raw', action='store_true', help='Echo the raw binary representation')
    parser.add_argument(
        '--filter', dest='filter_expr', help='Python expression on m, the message')
    parser.add_argument(
        '--once', action='store_true', help='Print the first message received and then exit.')
    parser.add_argument(
        '--timeout', metavar='N', type=float, help='Set a timeout in seconds for waiting')
    parser.add_argument(
        '-i', '--include-message-info', action='store_true',
        help='Shows the associated message info.')
    parser.add_argument(
        '-c', '--clear', action='store_true', help='Clear screen before printing next message')
    parser.add_argument('-n', '--node-name', help='The name of the echoing node')


def run(args: argparse.Namespace) -> str | None:
    """Print messages until interrupted, or the first one."""
    path = [each for each in (args.field or '').split('.') if each]
    if args.field is not None and not path:
        return f"Invalid field value '{args.field}'"
    with cli_node(args, args.node_name) as node:
        topic = full_name(node, args.topic_name)
        name = args.message_type
        if name is None:
            name = wait_for_topic_type(node, topic)
            if name is None:
                print(f'WARNING: topic [{topic}] does not appear to be published yet')
                return 'Could not determine the type for the passed topic'
        message_type = get_interface(name, 'msg')
        done = Future()

        def on_message(message: Any, info: Any) -> None:
            value = _field(message, path)
            if args.filter_expr and not eval(args.filter_expr, {'m': value}):  # noqa: S307
                return
            if args.once:
                done.set_result(True)
            _print(value, info, args)

        _subscribe(node, args, topic, message_type, on_message)
        if args.timeout is not None:
            node.create_timer(args.timeout, lambda: done.set_result(True))
        if args.once or args.timeout is not None:
            rclpy.spin_until_future_complete(node, done)
        else:
            rclpy.spin(node)
    return None


def _subscribe(
    node: Node, args: argparse.Namespace, topic: str, message_type: Any, on_message: Any
) -> None:
    """Subscribe with the QoS asked for, or with what the first publishers to appear offer."""
    first = node.create_subscription(
        message_type, topic, on_message, qos_from_arguments(args), raw=args.raw)
    if given(args):
        return

    def adapt() -> None:
        if not node.get_publishers_info_by_topic(topic):
            return
        node.destroy_timer(timer)
        asked = qos_from_arguments(args)
        matching = matching_qos(node, topic, qos_from_arguments(args))
        if matching != asked:
            node.destroy_subscription(first)
            node.create_subscription(message_type, topic, on_message, matching, raw=args.raw)

    timer = node.create_timer(0.05, adapt)


def _field(message: Any, path: list[str]) -> Any:
    value = message
    for name in path:
        try:
            value = getattr(value, name)
        except AttributeError as error:
            raise RuntimeError(f"Invalid field '{'.'.join(path)}': {error}") from error
    return value


def _print(value: Any, info: dict[str, Any], args: argparse.Namespace) -> None:
    if args.clear:
        print('\x1b[H\x1b[2J', end='')
    options = {
        'truncate': None if args.full_length else args.truncate_length,
        'no_arr': args.no_arr, 'no_str': args.no_str}
    if args.csv:
        stamps = ','.join(str(each) for each in info.values()) + ','
        print((stamps if args.include_message_info else '') + to_csv(value, **options))
        return
    if args.include_message_info:
        print(yaml.safe_dump(dict(info)), end='---\n')
    if is_message(value):
        print(to_yaml(value, flow_style=args.flow_style, **options), end='---\n')
    else:
        print(value if args.raw else to_plain(value, **options), end='\n---\n')
