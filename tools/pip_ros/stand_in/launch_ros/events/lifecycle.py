# SPDX-License-Identifier: Apache-2.0
"""Events of lifecycle nodes: a change asked for, a change that happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from launch._refuse import module_getattr
from launch.event import Event
from lifecycle_msgs.msg import Transition, TransitionEvent

from .matchers import matches_node_name

__all__ = ['ChangeState', 'StateTransition', 'matches_node_name']

_TRANSITIONS = (
    'CREATE', 'CONFIGURE', 'CLEANUP', 'ACTIVATE', 'DEACTIVATE', 'UNCONFIGURED_SHUTDOWN',
    'INACTIVE_SHUTDOWN', 'ACTIVE_SHUTDOWN', 'DESTROY')


class ChangeState(Event):
    """Lifecycle nodes are to change state.

    Args:
        lifecycle_node_matcher: LifecycleNode action → whether it is meant.
        transition_id: one of ``lifecycle_msgs.msg.Transition.TRANSITION_…``.

    Raises:
        ValueError: for any other transition.
    """

    name = 'launch_ros.events.lifecycle.ChangeState'
    valid_transitions: ClassVar[dict[int, str]] = {
        getattr(Transition, f'TRANSITION_{name}'): f'TRANSITION_{name}' for name in _TRANSITIONS}

    def __init__(
        self, *, lifecycle_node_matcher: Callable[[Any], bool], transition_id: int
    ) -> None:
        if transition_id not in self.valid_transitions:
            raise ValueError(
                f"given transition_id of '{transition_id}', expected one of "
                f'{self.valid_transitions}')
        self.lifecycle_node_matcher = lifecycle_node_matcher
        self.transition_id = transition_id


class StateTransition(Event):
    """A lifecycle node changed state."""

    name = 'launch_ros.events.lifecycle.StateTransition'

    def __init__(self, *, action: Any, msg: TransitionEvent) -> None:
        self.action = action
        self.msg = msg
        self.timestamp = msg.timestamp
        self.transition = msg.transition.label
        self.start_state = msg.start_state.label
        self.goal_state = msg.goal_state.label


__getattr__ = module_getattr(__name__, __all__)
