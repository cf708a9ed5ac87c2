# SPDX-License-Identifier: Apache-2.0
"""``ros2 node``."""

from __future__ import annotations

import argparse
import sys

from rclpy.action import (
    get_action_client_names_and_types_by_node,
    get_action_server_names_and_types_by_node,
)

from .graph import (
    add_node_arguments,
    cli_node,
    full_name,
    hidden,
    node_names,
    print_names_and_types,
    settle,
)
from .main import add_verbs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs of ``ros2 node``."""
    add_verbs(parser, {
        'info': (_info_arguments, _info, 'Output information about a node'),
        'list': (_list_arguments, _list, 'Output a list of available nodes'),
    })


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument(
        '-a', '--all', action='store_true', help='Display all nodes even hidden ones')
    parser.add_argument(
        '-c', '--count-nodes', action='store_true',
        help='Only display the number of nodes discovered')


def _list(args: argparse.Namespace) -> None:
    with cli_node(args) as node:
        settle(node, args)
        names = node_names(node, args.all)
    if args.count_nodes:
        print(len(names))
        return
    for name in names:
        print(name)
    if len(set(names)) < len(names):
        print('WARNING: Be aware that there are nodes in the graph that share an exact name, '
              'which can have unintended side effects.', file=sys.stderr)


def _info_arguments(parser: argparse.ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument('node_name', help='Fully qualified node name to request information')
    parser.add_argument(
        '--include-hidden', action='store_true',
        help='Display hidden topics, services, and actions as well')


def _info(args: argparse.Namespace) -> str | None:
    with cli_node(args) as node:
        settle(node, args)
        target = full_name(node, args.node_name)
        count = node_names(node, include_hidden=True).count(target)
        if count == 0:
            return f"Unable to find node '{args.node_name}'"
        if count > 1:
            print(f"There are {count} nodes in the graph with the exact name \"{target}\". You "
                  'are seeing information about only one of them.', file=sys.stderr)
        namespace, _, name = target.rpartition('/')
        where = (name, namespace or '/')
        print(target)
        parts = (
            ('Subscribers', node.get_subscriber_names_and_types_by_node(*where)),
            ('Publishers', node.get_publisher_names_and_types_by_node(*where)),
            ('Service Servers', node.get_service_names_and_types_by_node(*where)),
            ('Service Clients', node.get_client_names_and_types_by_node(*where)),
            ('Action Servers', get_action_server_names_and_types_by_node(node, *where)),
            ('Action Clients', get_action_client_names_and_types_by_node(node, *where)))
        for title, pairs in parts:
            print(f'  {title}:')
            print_names_and_types(sorted(
                pair for pair in pairs if args.include_hidden or not hidden(pair[0])))
    return None
