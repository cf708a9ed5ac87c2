# SPDX-License-Identifier: Apache-2.0
"""The base class of actions: entities that do something, possibly on a condition."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

from ._refuse import refuse_keywords
from .condition import Condition
from .launch_context import LaunchContext
from .launch_description_entity import LaunchDescriptionEntity


class Action(LaunchDescriptionEntity):
    """Something to do while launching.

    Args:
        condition: the action is skipped where this does not hold.

    Raises:
        TypeError: for keyword arguments that the action does not know.
    """

    def __init__(self, *, condition: Condition | None = None, **unknown: Any) -> None:
        refuse_keywords(self, unknown)
        self._condition = condition

    @property
    def condition(self) -> Condition | None:
        """The condition under which the action is executed, if any."""
        return self._condition

    def get_sub_entities(self) -> list[LaunchDescriptionEntity]:
        """Return the entities below, as far as they are known before launching."""
        return []

    def describe_sub_entities(self) -> list[LaunchDescriptionEntity]:
        return self.get_sub_entities() if self._condition is None else []

    def describe_conditional_sub_entities(
        self,
    ) -> list[tuple[str, Iterable[LaunchDescriptionEntity]]]:
        if self._condition is None:
            return []
        return [(f'Conditionally included by {self.describe()}', self.get_sub_entities())]

    def visit(self, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        """Execute the action where its condition holds; tell who waits for its completion."""
        if self._condition is not None and not self._condition.evaluate(context):
            return None
        try:
            return self.execute(context)
        finally:
            self._announce_completion(context)

    def _announce_completion(self, context: LaunchContext) -> None:
        from .events import ExecutionComplete

        event = ExecutionComplete(action=self)
        if not context.would_handle_event(event):
            return
        future = self.get_asyncio_future()
        if future is None:
            context.emit_event_sync(event)
        else:
            future.add_done_callback(lambda _: context.emit_event_sync(event))

    @abstractmethod
    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        """Do it; return entities to visit next, or None."""
