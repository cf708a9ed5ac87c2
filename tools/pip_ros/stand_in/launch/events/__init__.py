# SPDX-License-Identifier: Apache-2.0
"""Events of the launch itself; those of processes are in :mod:`launch.events.process`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .._refuse import module_getattr
from ..event import Event
from . import process

if TYPE_CHECKING:
    from ..action import Action
    from ..launch_description import LaunchDescription

__all__ = [
    'ExecutionComplete',
    'IncludeLaunchDescription',
    'Shutdown',
    'TimerEvent',
    'matches_action',
    'process',
]


class Shutdown(Event):
    """The launch is to end.

    Args:
        reason: for people.
        due_to_sigint: a terminal's Ctrl-C has (in a terminal) reached the children already.
    """

    name = 'launch.events.Shutdown'

    def __init__(self, *, reason: str = 'reason not given', due_to_sigint: bool = False) -> None:
        self.reason = reason
        self.due_to_sigint = due_to_sigint


class TimerEvent(Event):
    """A timer fired."""

    name = 'launch.events.TimerEvent'

    def __init__(self, *, timer_action: Action) -> None:
        self.timer_action = timer_action


class ExecutionComplete(Event):
    """An action is done."""

    name = 'launch.events.ExecutionComplete'

    def __init__(self, *, action: Action) -> None:
        self.action = action


class IncludeLaunchDescription(Event):
    """A launch description is to be visited."""

    name = 'launch.events.IncludeLaunchDescription'

    def __init__(self, launch_description: LaunchDescription) -> None:
        self.launch_description = launch_description


def matches_action(target_action: Action) -> Callable[[Action], bool]:
    """Return a matcher for just this action."""
    return lambda action: action is target_action


__getattr__ = module_getattr(__name__, __all__)
