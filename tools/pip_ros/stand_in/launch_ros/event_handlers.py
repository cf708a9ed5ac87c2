# SPDX-License-Identifier: Apache-2.0
"""Event handlers of nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from launch._refuse import module_getattr
from launch.event import Event
from launch.event_handler import EventHandler

from .actions.lifecycle_node import LifecycleNode
from .events.lifecycle import StateTransition

__all__ = ['OnStateTransition']


class OnStateTransition(EventHandler):
    """Handles changes of state; each of the arguments that is given must agree.

    Args:
        target_lifecycle_node: the action.
        transition, start_state, goal_state: labels, e.g. goal_state='active'.
        matcher: instead of all those.
    """

    def __init__(
        self,
        *,
        entities: Any,
        target_lifecycle_node: LifecycleNode | None = None,
        transition: str | None = None,
        start_state: str | None = None,
        goal_state: str | None = None,
        matcher: Callable[[Event], bool] | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(target_lifecycle_node, (LifecycleNode, type(None))):
            raise RuntimeError("OnStateTransition requires a 'LifecycleNode' action as the target")
        wanted = {
            'action': target_lifecycle_node, 'transition': transition,
            'start_state': start_state, 'goal_state': goal_state}

        def agrees(event: Event) -> bool:
            return isinstance(event, StateTransition) and all(
                value is None or getattr(event, name) == value for name, value in wanted.items())

        super().__init__(matcher=matcher or agrees, entities=entities, **kwargs)


__getattr__ = module_getattr(__name__, __all__)
