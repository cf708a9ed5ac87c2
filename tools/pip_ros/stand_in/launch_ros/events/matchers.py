# SPDX-License-Identifier: Apache-2.0
"""Matchers for events that are addressed to nodes."""

from collections.abc import Callable
from typing import Any

from launch._refuse import module_getattr

__all__ = ['matches_node_name']


def matches_node_name(node_name: str) -> Callable[[Any], bool]:
    """Return a matcher for the node with this full name."""
    full_name = node_name if node_name.startswith('/') else f'/{node_name}'
    return lambda action: bool(action.node_name == full_name)


__getattr__ = module_getattr(__name__, __all__)
