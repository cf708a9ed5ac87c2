# SPDX-License-Identifier: Apache-2.0
"""``ros2 action``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

import rclpy
from action_msgs.msg import GoalStatus
from rclpy.action import (
    ActionClient,
    get_action_client_names_and_types_by_node,
    get_action_server_names_and_types_by_node,
)
from rclpy.node import Node

from .graph import actions, add_node_arguments, cli_node, full_name, let_match, settle
from .main import add_verbs
from .messages import get_interface, parse_values, set_fields, to_yaml

_STATUS = {
    getattr(GoalStatus, f'STATUS_{name}'): name
    for name in ('ACCEPTED', 'EXECUTING', 'CANCELING', 'SUCCEEDED', 'CANCELED', 'ABORTED')}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs of ``ros2 action``."""
    add_verbs(parser, {
        'info': (_info_arguments, _info, 'Print information about an action'),
        'list': (_list_arguments, _list, 'Output a list of action names'),
        'send_goal': (_goal_arguments, _send_goal, 'Send an action goal'),
    })


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument(
        '-t', '--show-types', action='store_true', help='Additionally show the action type')
    parser.add_argument(
        '-c', '--count-actions', action='store_true',
        help='Only display the number of actions discovered')


def _list(args: argparse.Namespace) -> None:
    with cli_node(args) as node:
        settle(node, args)
        found = actions(node)
    if args.count_actions:
        print(len(found))
        return
    for name, types in found:
        print(f'{name} [{", ".join(types)}]' if args.show_types else name)


def _info_arguments(parser: argparse.ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument(
        'action_name', help="Name of the ROS action to get info (e.g. '/fibonacci')")
    parser.add_argument(
        '-t', '--show-types', action='store_true', help='Additionally show the action type')
    parser.add_argument(
        '-c', '--count', action='store_true',
        help='Only display the number of action clients and action servers')


def _info(args: argparse.Namespace) -> None:
    with cli_node(args) as node:
        settle(node, args)
        name = full_name(node, args.action_name)
        print(f'Action: {args.action_name}')
        for title, query in (
                ('clients', get_action_client_names_and_types_by_node),
                ('servers', get_action_server_names_and_types_by_node)):
            found = sorted(_nodes_with(node, name, query))
            print(f'Action {title}: {len(found)}')
            if not args.count:
                for owner, types in found:
                    print(f'    {owner} [{", ".join(types)}]' if args.show_types
                          else f'    {owner}')


def _nodes_with(node: Node, action: str, query: Any) -> list[tuple[str, list[str]]]:
    found = []
    for name, namespace in node.get_node_names_and_namespaces():
        types = dict(query(node, name, namespace)).get(action)
        if types:
            found.append((f'{namespace.rstrip("/")}/{name}', types))
    return found


def _goal_arguments(parser: argparse.ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument(
        'action_name', help="Name of the ROS action (e.g. '/fibonacci')")
    parser.add_argument(
        'action_type', help="Type of the ROS action (e.g. 'example_interfaces/action/Fibonacci')")
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        'goal', nargs='?', default='{}', help="Goal request values in YAML format")
    group.add_argument('--stdin', action='store_true', help='Read values from standard input')
    parser.add_argument(
        '-f', '--feedback', action='store_true', help='Echo feedback messages for the goal')


def _send_goal(args: argparse.Namespace) -> str | None:
    action = get_interface(args.action_type, 'action')
    goal = action.Goal()
    set_fields(goal, parse_values(sys.stdin.read() if args.stdin else args.goal))

    def on_feedback(message: Any) -> None:
        print(f'Feedback:\n    {to_yaml(message.feedback)}')

    with cli_node(args, own_signals=True) as node:
        client = ActionClient(node, action, args.action_name)
        try:
            print('Waiting for an action server to become available...')
            _spin_until(node, client.server_is_ready)
            let_match(node)
            print(f'Sending goal:\n     {to_yaml(goal)}')
            future = client.send_goal_async(goal, on_feedback if args.feedback else None)
            _spin_until(node, future.done)
            if future.exception() is not None:
                return f'Exception while sending goal: {future.exception()!r}'
            handle = future.result()
            if not handle.accepted:
                # Upstream's exit code is 0 here, too.
                print('Goal was rejected.')
                return None
            print(f'Goal accepted with ID: {bytes(handle.goal_id.uuid).hex()}\n')
            return _await_result(node, handle)
        finally:
            client.destroy()


def _await_result(node: Node, handle: Any) -> str | None:
    """Wait for the result; an interrupt cancels the goal before it passes on."""
    future = handle.get_result_async()
    try:
        _spin_until(node, future.done)
    except KeyboardInterrupt:
        print('Canceling goal...')
        cancelled = handle.cancel_goal_async()
        _spin_until(node, cancelled.done)
        if not cancelled.result().goals_canceling:
            return 'Failed to cancel goal'
        print('Goal canceled.')
        raise
    if future.exception() is not None:
        return f'Exception while getting result: {future.exception()!r}'
    answer = future.result()
    print(f'Result:\n    {to_yaml(answer.result)}')
    print(f'Goal finished with status: {_STATUS.get(answer.status, "UNKNOWN")}')
    return None


def _spin_until(node: Node, condition: Callable[[], bool]) -> None:
    # In steps: without rclpy's signal handlers nothing wakes it at Ctrl-C.
    while not condition():
        rclpy.spin_once(node, timeout_sec=0.1)
