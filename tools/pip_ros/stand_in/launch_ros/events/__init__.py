# SPDX-License-Identifier: Apache-2.0
"""Events of nodes."""

from launch._refuse import module_getattr

from . import lifecycle, matchers
from .matchers import matches_node_name

__all__ = ['lifecycle', 'matchers', 'matches_node_name']

__getattr__ = module_getattr(__name__, __all__)
