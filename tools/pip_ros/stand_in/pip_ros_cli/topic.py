# SPDX-License-Identifier: Apache-2.0
"""``ros2 topic``: list, info, type; the verbs that talk are in their own modules."""

from __future__ import annotations

import argparse

from . import topic_echo, topic_hz, topic_pub
from .graph import add_node_arguments, cli_node, full_name, settle, topics, wait_for_topic_type
from .main import add_verbs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs of ``ros2 topic``."""
    add_verbs(parser, {
        'echo': (topic_echo.add_arguments, topic_echo.run, 'Output messages from a topic'),
        'hz': (topic_hz.add_arguments, topic_hz.run,
               'Print the average receiving rate to screen'),
        'info': (_info_arguments, _info, 'Print information about a topic'),
        'list': (_list_arguments, _list, 'Output a list of available topics'),
        'pub': (topic_pub.add_arguments, topic_pub.run, 'Publish a message to a topic'),
        'type': (_type_arguments, _type, "Print a topic's type"),
    })


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument(
        '-t', '--show-types', action='store_true', help='Additionally show the topic type')
    parser.add_argument(
        '-c', '--count-topics', action='store_true',
        help='Only display the number of topics discovered')
    parser.add_argument(
        '--include-hidden-topics', action='store_true', help='Consider hidden topics as well')
    parser.add_argument(
        '-v', '--verbose', action='store_true', help='List full details about each topic')


def _list(args: argparse.Namespace) -> None:
    with cli_node(args) as node:
        settle(node, args)
        found = topics(node, args.include_hidden_topics)
        if args.count_topics:
            print(len(found))
        elif args.verbose:
            for title, word, count in (
                    ('Published', 'publisher', node.count_publishers),
                    ('Subscribed', 'subscriber', node.count_subscribers)):
                print(f'{title} topics:')
                for name, types in found:
                    number = count(name)
                    if number:
                        plural = 's' if number > 1 else ''
                        print(f' * {name} [{", ".join(types)}] {number} {word}{plural}')
                print()
        else:
            for name, types in found:
                print(f'{name} [{", ".join(types)}]' if args.show_types else name)


def _info_arguments(parser: argparse.ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument('topic_name', help="Name of the ROS topic to get info (e.g. '/chatter')")
    parser.add_argument(
        '-v', '--verbose', action='store_true',
        help='Prints detailed information like the node name, node namespace, topic type, topic '
             'type hash, GUID, and QoS Profile of the publishers and subscribers to this topic')


def _info(args: argparse.Namespace) -> str | None:
    with cli_node(args) as node:
        settle(node, args)
        topic = args.topic_name
        types = dict(topics(node, include_hidden=True)).get(topic)
        if types is None:
            return f"Unknown topic '{topic}'"
        end = '\n\n' if args.verbose else '\n'
        print('Type:', types[0] if len(types) == 1 else types, end=end)
        print('Publisher count:', node.count_publishers(topic), end=end)
        if args.verbose:
            for info in node.get_publishers_info_by_topic(topic):
                print(info, end=end)
        print('Subscription count:', node.count_subscribers(topic), end=end)
        if args.verbose:
            for info in node.get_subscriptions_info_by_topic(topic):
                print(info, end=end)
    return None


def _type_arguments(parser: argparse.ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument('topic_name', help="Name of the ROS topic to get type (e.g. '/chatter')")


def _type(args: argparse.Namespace) -> int:
    with cli_node(args) as node:
        found = wait_for_topic_type(node, full_name(node, args.topic_name))
    if found is None:
        return 1
    print(found)
    return 0
