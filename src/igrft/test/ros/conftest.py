# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator

import pytest
import rclpy
from rclpy.context import Context

# The pytest process's own domain, claimed in the workspace's conftest.py.
DOMAIN = int(os.environ['ROS_DOMAIN_ID'])


@pytest.fixture
def context() -> Iterator[Context]:
    made = Context()
    rclpy.init(context=made, domain_id=DOMAIN)
    yield made
    made.try_shutdown()


@pytest.fixture
def node_with(context: Context) -> Iterator[Callable[..., rclpy.node.Node]]:
    """A node with parameter overrides as ROS arguments, e.g. ``node_with('rate:=5')``."""
    nodes = []
    numbers = itertools.count()

    def make(*parameters: str) -> rclpy.node.Node:
        words = [word for parameter in parameters for word in ('-p', parameter)]
        arguments = ['--ros-args', *words] if words else []
        nodes.append(rclpy.create_node(f'node{next(numbers)}', context=context, cli_args=arguments))
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()
