# SPDX-License-Identifier: Apache-2.0
"""``ros2 topic pub``."""

from __future__ import annotations

import argparse
import sys
import time

import rclpy

from .graph import add_node_arguments, cli_node, wait_until
from .messages import get_interface, parse_values, set_fields
from .qos import add_qos_arguments, qos_from_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ros2 topic pub``."""
    parser.add_argument(
        'topic_name', help="Name of the ROS topic to publish to (e.g. '/chatter')")
    parser.add_argument(
        'message_type', help="Type of the ROS message (e.g. 'std_msgs/String')")
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        'values', nargs='?', default='{}',
        help="Values to fill the message with in YAML format (e.g. 'data: Hello World')")
    group.add_argument('--stdin', action='store_true', help='Read values from standard input')
    parser.add_argument(
        '-r', '--rate', metavar='N', type=float, default=1.0,
        help='Publishing rate in Hz (default: 1)')
    parser.add_argument(
        '-p', '--print', metavar='N', type=int, default=1,
        help='Only print every N-th published message (default: 1)')
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        '-1', '--once', action='store_true', help='Publish one message and exit')
    group.add_argument(
        '-t', '--times', type=int, default=0, help='Publish this number of times and then exit')
    parser.add_argument(
        '-w', '--wait-matching-subscriptions', type=int,
        help='Wait until finding the specified number of matching subscriptions. Defaults to 1 '
             'when using "-1"/"--once"/"--times", otherwise defaults to 0.')
    parser.add_argument(
        '--max-wait-time-secs', type=float,
        help='Maximum wait time for subscriptions; default: endless')
    parser.add_argument(
        '--keep-alive', metavar='N', type=float, default=0.1,
        help='Keep publishing node alive for N seconds after the last msg (default: 0.1)')
    parser.add_argument('-n', '--node-name', help='Name of the created publishing node')
    add_qos_arguments(parser, 'default')
    add_node_arguments(parser)


def run(args: argparse.Namespace) -> str | None:
    """Publish until interrupted, or as often as asked."""
    if args.rate <= 0:
        return '--rate must be positive'
    message = get_interface(args.message_type, 'msg')()
    stamps = set_fields(message, parse_values(sys.stdin.read() if args.stdin else args.values))
    times = 1 if args.once else args.times
    wanted = args.wait_matching_subscriptions
    if wanted is None:
        wanted = int(times != 0)
    if wanted == 0 and args.max_wait_time_secs is not None:
        return ('--max-wait-time-secs option is only effective with '
                '--wait-matching-subscriptions, --once or --times')
    with cli_node(args, args.node_name) as node:
        publisher = node.create_publisher(
            type(message), args.topic_name, qos_from_arguments(args))
        waited = 0.0
        while not wait_until(node, lambda: publisher.get_subscription_count() >= wanted, 1.0):
            print(f'Waiting for at least {wanted} matching subscription(s)...')
            waited += 1.0
            if args.max_wait_time_secs is not None and waited >= args.max_wait_time_secs:
                return (f'Timed out waiting for subscribers: Expected {wanted} subcribers but '
                        f'only got {publisher.get_subscription_count()} subscribers')
        print('publisher: beginning loop')
        count = 0

        def publish() -> None:
            nonlocal count
            count += 1
            for set_stamp in stamps:
                set_stamp(node.get_clock().now().to_msg())
            if args.print and count % args.print == 0:
                print(f'publishing #{count}: {message!r}\n')
            publisher.publish(message)

        publish()
        node.create_timer(1.0 / args.rate, publish)
        while times == 0 or count < times:
            rclpy.spin_once(node)
        # Time for the last message to reach the wire.
        time.sleep(args.keep_alive)
    return None
