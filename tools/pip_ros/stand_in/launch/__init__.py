# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the documented API of ROS 2's ``launch``, for machines that have none.

It reads ordinary ``*.launch.py`` files. What it does not know it refuses by name.
"""

from . import actions, conditions, descriptions, event_handlers, events, logging, substitutions
from ._refuse import module_getattr
from .action import Action
from .condition import Condition
from .event import Event
from .event_handler import EventHandler
from .launch_context import LaunchContext
from .launch_description import LaunchDescription
from .launch_description_entity import LaunchDescriptionEntity
from .launch_description_source import LaunchDescriptionSource
from .launch_description_sources import InvalidLaunchFileError
from .launch_introspector import LaunchIntrospector
from .launch_service import LaunchService
from .some_entities_type import SomeEntitiesType, SomeEntitiesType_types_tuple
from .some_substitutions_type import SomeSubstitutionsType, SomeSubstitutionsType_types_tuple
from .substitution import Substitution

__all__ = [
    'Action',
    'Condition',
    'Event',
    'EventHandler',
    'InvalidLaunchFileError',
    'LaunchContext',
    'LaunchDescription',
    'LaunchDescriptionEntity',
    'LaunchDescriptionSource',
    'LaunchIntrospector',
    'LaunchService',
    'SomeEntitiesType',
    'SomeEntitiesType_types_tuple',
    'SomeSubstitutionsType',
    'SomeSubstitutionsType_types_tuple',
    'Substitution',
    'actions',
    'conditions',
    'descriptions',
    'event_handlers',
    'events',
    'logging',
    'substitutions',
]

__getattr__ = module_getattr(
    __name__, [*__all__, 'launch_description_sources', 'some_substitutions_type', 'utilities'])
