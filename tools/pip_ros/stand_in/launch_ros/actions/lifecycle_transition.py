# SPDX-License-Identifier: Apache-2.0
"""Taking lifecycle nodes through a sequence of transitions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from launch.action import Action
from launch.actions import EmitEvent, OpaqueFunction
from launch.event_handler import EventHandler
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.logging import get_logger
from launch.some_substitutions_type import SomeSubstitutionsType
from launch.utilities import normalize_to_list_of_substitutions, perform_substitutions

if TYPE_CHECKING:
    from launch.launch_context import LaunchContext


class LifecycleTransition(Action):
    """Asks each node for the first transition, and for the next where that has succeeded.

    Args:
        lifecycle_node_names: full names of nodes that this launch started.
        transition_ids: of ``lifecycle_msgs.msg.Transition``, in order.
    """

    def __init__(
        self,
        *,
        lifecycle_node_names: Iterable[SomeSubstitutionsType],
        transition_ids: Iterable[int | SomeSubstitutionsType],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._names = [normalize_to_list_of_substitutions(name) for name in lifecycle_node_names]
        self._ids = [
            normalize_to_list_of_substitutions(str(each) if isinstance(each, int) else each)
            for each in transition_ids]
        if not self._names or not self._ids:
            raise ValueError('LifecycleTransition: no lifecycle_node_names or no transition_ids')

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        ids = [int(perform_substitutions(context, each)) for each in self._ids]
        names = [perform_substitutions(context, name) for name in self._names]
        return [_Sequence(name, ids) for name in names]


class _Sequence(Action):
    """The transitions of one node."""

    def __init__(self, node_name: str, ids: list[int]) -> None:
        super().__init__()
        self._node_name = node_name if node_name.startswith('/') else f'/{node_name}'
        self._ids = list(ids)

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        from ..events.lifecycle import StateTransition

        self._handler = EventHandler(
            matcher=lambda event: isinstance(event, StateTransition)
            and event.action.node_name == self._node_name,
            entities=OpaqueFunction(function=self._on_transition))
        context.register_event_handler(self._handler)
        return [self._ask()]

    def _ask(self) -> EmitEvent:
        from ..events.lifecycle import ChangeState, matches_node_name

        return EmitEvent(event=ChangeState(
            lifecycle_node_matcher=matches_node_name(self._node_name),
            transition_id=self._ids[0]))

    def _on_transition(self, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        from lifecycle_msgs.msg import Transition

        targets = {
            Transition.TRANSITION_CONFIGURE: ('configuring', 'inactive'),
            Transition.TRANSITION_CLEANUP: ('cleaningup', 'unconfigured'),
            Transition.TRANSITION_ACTIVATE: ('activating', 'active'),
            Transition.TRANSITION_DEACTIVATE: ('deactivating', 'inactive'),
        }
        event = context.locals.event
        expected = targets.get(self._ids[0], ('shuttingdown', 'finalized'))
        if (event.start_state, event.goal_state) == expected:
            del self._ids[0]
            if self._ids:
                return [self._ask()]
            context.unregister_event_handler(self._handler)
        elif event.start_state == expected[0]:
            context.unregister_event_handler(self._handler)
            get_logger('launch_ros.actions.lifecycle_transition').info(
                "Stopping transitions for %s because it went from '%s' to '%s'",
                self._node_name, event.start_state, event.goal_state)
        return None
