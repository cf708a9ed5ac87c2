# SPDX-License-Identifier: Apache-2.0
"""A node for one command, and what it can see of the graph.

There is no daemon that has been watching the graph: a command watches until the graph has been
still for a moment, or until what it was asked about has appeared. Both waits are bounded.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import rclpy
from rclpy.action import get_action_names_and_types
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

# The graph counts as settled after this long without a change [s] …
_STILL_S = 0.3
# … but a participant that was just discovered takes a moment to tell its topics [s].
_LEAST_S = 0.5
_MOST_S = 3.0
# … and a graph without anybody else in it is probably one not discovered yet [s].
_LONELY_S = 2.0
_STEP_S = 0.02
# Endpoints that see each other one way see each other both ways after this [s].
_MATCH_S = 0.2
# A response that takes longer than this was probably lost [s].
_ANSWER_S = 1.0

NamesAndTypes = list[tuple[str, list[str]]]


def add_node_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what upstream's commands take for their node; there is no daemon to do without."""
    parser.add_argument(
        '--spin-time', type=float, default=_LEAST_S,
        help='Spin time in seconds to wait for discovery at least (default: %(default)s)')
    parser.add_argument(
        '-s', '--use-sim-time', action='store_true', help='Enable ROS simulation time')
    parser.add_argument(
        '--no-daemon', action='store_true', help='Accepted; the stand-in never uses a daemon')


@contextmanager
def cli_node(
    args: argparse.Namespace, name: str | None = None, *, own_signals: bool = False
) -> Iterator[Node]:
    """Initialise rclpy and yield a node (hidden unless it has a `name`).

    Args:
        args: of the command line.
        name: of the node.
        own_signals: the command handles signals itself: rclpy's handlers would shut the context
            down at once, and nothing could be said to the graph any more.
    """
    rclpy.init(
        args=[], signal_handler_options=SignalHandlerOptions.NO if own_signals else None)
    try:
        node = rclpy.create_node(
            name or f'_ros2cli_{os.getpid()}', start_parameter_services=False,
            enable_rosout=False,
            parameter_overrides=[rclpy.Parameter(
                'use_sim_time', value=bool(getattr(args, 'use_sim_time', False)))])
        try:
            yield node
        finally:
            node.destroy_node()
    finally:
        rclpy.try_shutdown()


def wait_until(node: Node, condition: Callable[[], bool], timeout: float = _MOST_S) -> bool:
    """Spin until `condition` holds; return whether it did within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        rclpy.spin_once(node, timeout_sec=_STEP_S)
    return True


def settle(node: Node, args: argparse.Namespace) -> None:
    """Wait until the graph has been still for a moment."""
    start = changed = time.monotonic()
    least = max(getattr(args, 'spin_time', _LEAST_S), 0.0)
    before: Any = None
    while True:
        now = time.monotonic()
        seen = (
            sorted(node.get_node_names_and_namespaces()),
            sorted(name for name, _ in node.get_topic_names_and_types()),
            sorted(name for name, _ in node.get_service_names_and_types()))
        if seen != before:
            before, changed = seen, now
        lonely = len(seen[0]) <= 1 and now - start < _LONELY_S
        if now - start >= least and not lonely and (
                now - changed >= _STILL_S or now - start >= _MOST_S):
            return
        rclpy.spin_once(node, timeout_sec=_STEP_S)


def hidden(name: str) -> bool:
    """Return whether any token of `name` begins with an underscore."""
    return any(token.startswith('_') for token in name.split('/'))


def full_name(node: Node, name: str) -> str:
    """Return the absolute name that `name` means for `node`."""
    if name.startswith('/'):
        return name
    return f'{node.get_namespace().rstrip("/")}/{name}'


def topics(node: Node, include_hidden: bool = False) -> NamesAndTypes:
    """Return (topic, types), sorted by name."""
    return sorted(
        (name, types) for name, types in node.get_topic_names_and_types()
        if include_hidden or not hidden(name))


def services(node: Node, include_hidden: bool = False) -> NamesAndTypes:
    """Return (service, types), sorted by name."""
    return sorted(
        (name, types) for name, types in node.get_service_names_and_types()
        if include_hidden or not hidden(name))


def actions(node: Node) -> NamesAndTypes:
    """Return (action, types), sorted by name."""
    return sorted(get_action_names_and_types(node))


def node_names(node: Node, include_hidden: bool = False) -> list[str]:
    """Return the full names of all nodes but `node`, sorted; one name may occur twice."""
    own = node.get_fully_qualified_name()
    names = [
        f'{namespace.rstrip("/")}/{name}'
        for name, namespace in node.get_node_names_and_namespaces()]
    return sorted(
        name for name in names if name != own and (include_hidden or not hidden(name)))


def wait_for_node(node: Node, name: str, timeout: float = _MOST_S) -> bool:
    """Return whether a node of that full name appears in time."""
    return wait_until(node, lambda: name in node_names(node, include_hidden=True), timeout)


def wait_for_topic_type(node: Node, topic: str, timeout: float = _MOST_S) -> str | None:
    """Return the type of `topic` once it is known, or None."""
    found: list[str] = []

    def known() -> bool:
        found[:] = dict(topics(node, include_hidden=True)).get(topic, [])
        return bool(found)

    if not wait_until(node, known, timeout):
        return None
    if len(found) > 1:
        raise RuntimeError(
            f"Cannot echo topic '{topic}', as it contains more than one type: "
            f'[{", ".join(found)}]')
    return found[0]


def let_match(node: Node) -> None:
    """Spin a moment, so that a server discovers where to send a response to."""
    wait_until(node, lambda: False, _MATCH_S)


def call(
    node: Node, service_type: Any, name: str, request: Any, timeout: float = 10.0, *,
    repeat: bool = True,
) -> Any:
    """Call a service and return its response.

    Args:
        node: to call from.
        service_type: of the service.
        name: of the service, absolute.
        request: to send.
        timeout: for the answer [s].
        repeat: whether asking twice does no harm. The server may have got a request before it has
            discovered where to send the response, which is then lost.

    Raises:
        RuntimeError: if the service is not there in time, or fails, or does not answer.
    """
    client = node.create_client(service_type, name)
    try:
        if not wait_until(node, client.service_is_ready):
            raise RuntimeError(f"service '{name}' is not available after {_MOST_S:g} s")
        if not repeat:
            let_match(node)
        deadline = time.monotonic() + timeout
        while True:
            future = client.call_async(request)
            left = deadline - time.monotonic()
            wait_until(node, future.done, min(_ANSWER_S, left) if repeat else left)
            if future.done():
                break
            if time.monotonic() > deadline:
                raise RuntimeError(f"service '{name}' did not answer within {timeout:g} s")
        error = future.exception()
        if error is not None:
            raise RuntimeError(f"service '{name}': {error}")
        return future.result()
    finally:
        node.destroy_client(client)


def print_names_and_types(pairs: Sequence[tuple[str, list[str]]]) -> None:
    """Print ``    name: type`` lines."""
    for name, types in pairs:
        print(f'    {name}: {", ".join(types)}')
