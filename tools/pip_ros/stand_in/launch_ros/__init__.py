# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the documented API of ROS 2's ``launch_ros``, for machines that have none."""

from launch._refuse import module_getattr

from . import actions, descriptions, event_handlers, events, parameter_descriptions, substitutions

__all__ = [
    'actions',
    'descriptions',
    'event_handlers',
    'events',
    'parameter_descriptions',
    'substitutions',
]

__getattr__ = module_getattr(__name__, __all__)
