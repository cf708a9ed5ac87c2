# SPDX-License-Identifier: Apache-2.0
"""``ros2 lifecycle``."""

from __future__ import annotations

import argparse
import sys

from lifecycle_msgs.srv import ChangeState, GetAvailableTransitions, GetState
from rclpy.node import Node

from .graph import (
    add_node_arguments,
    call,
    cli_node,
    full_name,
    hidden,
    services,
    settle,
    wait_until,
)
from .main import add_verbs

_GET_STATE_TYPE = 'lifecycle_msgs/srv/GetState'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs of ``ros2 lifecycle``."""
    add_verbs(parser, {
        'get': (_get_arguments, _get, 'Get lifecycle state for one or more nodes'),
        'list': (_list_arguments, _list, 'Output a list of available transitions'),
        'nodes': (_nodes_arguments, _nodes, 'Output a list of nodes with lifecycle'),
        'set': (_set_arguments, _set, 'Trigger lifecycle state transition'),
    })


def _lifecycle_nodes(node: Node, include_hidden: bool) -> list[str]:
    return sorted(
        name.removesuffix('/get_state') for name, types in services(node, include_hidden=True)
        if name.endswith('/get_state') and _GET_STATE_TYPE in types
        and (include_hidden or not hidden(name.removesuffix('/get_state'))))


def _hidden_argument(parser: argparse.ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument(
        '--include-hidden-nodes', action='store_true', help='Consider hidden nodes as well')


def _nodes_arguments(parser: argparse.ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument(
        '-a', '--all', action='store_true', help='Display all nodes even hidden ones')
    parser.add_argument(
        '-c', '--count-nodes', action='store_true',
        help='Only display the number of nodes discovered')


def _nodes(args: argparse.Namespace) -> None:
    with cli_node(args) as node:
        settle(node, args)
        names = _lifecycle_nodes(node, args.all)
    if args.count_nodes:
        print(len(names))
        return
    for name in names:
        print(name)


def _get_arguments(parser: argparse.ArgumentParser) -> None:
    _hidden_argument(parser)
    parser.add_argument(
        'node_name', nargs='?',
        help='Name of the ROS node. If no name is provided, then get the state for all nodes.')


def _get(args: argparse.Namespace) -> str | int | None:
    with cli_node(args) as node:
        if args.node_name:
            target = full_name(node, args.node_name)
            if not wait_until(node, lambda: target in _lifecycle_nodes(node, True)):
                return 'Node not found'
            targets = [target]
        else:
            settle(node, args)
            targets = _lifecycle_nodes(node, args.include_hidden_nodes)
        for target in targets:
            try:
                response = call(node, GetState, f'{target}/get_state', GetState.Request())
            except RuntimeError as error:
                print(f"Exception while calling service of node '{target}': {error}",
                      file=sys.stderr)
                if args.node_name:
                    return 1
                continue
            state = response.current_state
            prefix = '' if args.node_name else f'{target}: '
            print(f'{prefix}{state.label} [{state.id}]')
    return None


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    _hidden_argument(parser)
    parser.add_argument('node_name', help='Name of the ROS node')
    parser.add_argument(
        '-a', '--all', action='store_true', help='Display all existing transitions')


def _list(args: argparse.Namespace) -> str | None:
    with cli_node(args) as node:
        target = full_name(node, args.node_name)
        if not wait_until(node, lambda: target in _lifecycle_nodes(node, True)):
            return 'Node not found'
        service = 'get_transition_graph' if args.all else 'get_available_transitions'
        response = call(node, GetAvailableTransitions, f'{target}/{service}',
                        GetAvailableTransitions.Request())
    for each in response.available_transitions:
        print(f'- {each.transition.label} [{each.transition.id}]\n'
              f'\tStart: {each.start_state.label}\n\tGoal: {each.goal_state.label}')
    return None


def _set_arguments(parser: argparse.ArgumentParser) -> None:
    _hidden_argument(parser)
    parser.add_argument('node_name', help='Name of the ROS node')
    parser.add_argument('transition', help='The lifecycle transition')


def _set(args: argparse.Namespace) -> str | None:
    with cli_node(args) as node:
        target = full_name(node, args.node_name)
        if not wait_until(node, lambda: target in _lifecycle_nodes(node, True)):
            return 'Node not found'
        response = call(node, GetAvailableTransitions, f'{target}/get_available_transitions',
                        GetAvailableTransitions.Request())
        available = [each.transition for each in response.available_transitions]
        wanted = [each for each in available if each.label == args.transition] or [
            each for each in available if str(each.id) == args.transition]
        if not wanted:
            return 'Unknown transition requested, available ones are:' + ''.join(
                f'\n- {each.label} [{each.id}]' for each in available)
        request = ChangeState.Request(transition=wanted[0])
        # A node may load a policy or open a robot while it configures.
        response = call(
            node, ChangeState, f'{target}/change_state', request, timeout=120.0, repeat=False)
    if response.success:
        print('Transitioning successful')
    else:
        # Upstream's exit code is 0 here, too.
        print('Transitioning failed', file=sys.stderr)
    return None
