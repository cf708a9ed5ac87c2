# SPDX-License-Identifier: Apache-2.0
"""``ros2 service``."""

from __future__ import annotations

import argparse
import sys
import time

import rclpy

from .graph import (
    add_node_arguments,
    cli_node,
    full_name,
    let_match,
    services,
    settle,
    wait_until,
)
from .main import add_verbs
from .messages import get_interface, parse_values, set_fields


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs of ``ros2 service``."""
    add_verbs(parser, {
        'call': (_call_arguments, _call, 'Call a service'),
        'list': (_list_arguments, _list, 'Output a list of available services'),
        'type': (_type_arguments, _type, "Output a service's type"),
    })


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument(
        '-t', '--show-types', action='store_true', help='Additionally show the service type')
    parser.add_argument(
        '-c', '--count-services', action='store_true',
        help='Only display the number of services discovered')
    parser.add_argument(
        '--include-hidden-services', action='store_true', help='Consider hidden services as well')


def _list(args: argparse.Namespace) -> None:
    with cli_node(args) as node:
        settle(node, args)
        own = f'{node.get_fully_qualified_name()}/'
        found = [
            pair for pair in services(node, args.include_hidden_services)
            if not pair[0].startswith(own)]
    if args.count_services:
        print(len(found))
        return
    for name, types in found:
        print(f'{name} [{", ".join(types)}]' if args.show_types else name)


def _type_arguments(parser: argparse.ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument('service_name', help='Name of the ROS service to get type')


def _type(args: argparse.Namespace) -> int:
    with cli_node(args) as node:
        name = full_name(node, args.service_name)
        wait_until(node, lambda: name in dict(services(node, include_hidden=True)))
        types = dict(services(node, include_hidden=True)).get(name)
    if not types:
        return 1
    for each in types:
        print(each)
    return 0


def _call_arguments(parser: argparse.ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument(
        'service_name', help="Name of the ROS service to call to (e.g. '/add_two_ints')")
    parser.add_argument(
        'service_type', help="Type of the ROS service (e.g. 'std_srvs/srv/Empty')")
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        'values', nargs='?', default='{}',
        help='Values to fill the service request with in YAML format')
    group.add_argument('--stdin', action='store_true', help='Read values from standard input')
    parser.add_argument(
        '-r', '--rate', metavar='N', type=float, help='Repeat the call at a specific rate in Hz')


def _call(args: argparse.Namespace) -> str | None:
    if args.rate is not None and args.rate <= 0:
        return 'rate must be greater than zero'
    service = get_interface(args.service_type, 'srv')
    request = service.Request()
    set_fields(request, parse_values(sys.stdin.read() if args.stdin else args.values))
    with cli_node(args) as node:
        client = node.create_client(service, args.service_name)
        if not client.service_is_ready():
            print('waiting for service to become available...')
            while not client.wait_for_service(timeout_sec=1.0):
                continue
        let_match(node)
        while True:
            started = time.monotonic()
            print(f'requester: making request: {request!r}\n')
            future = client.call_async(request)
            rclpy.spin_until_future_complete(node, future)
            if future.exception() is not None:
                return f'Exception while calling service: {future.exception()!r}'
            print(f'response:\n{future.result()!r}\n')
            if args.rate is None:
                return None
            time.sleep(max(0.0, started + 1.0 / args.rate - time.monotonic()))
