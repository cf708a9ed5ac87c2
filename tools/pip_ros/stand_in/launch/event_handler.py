# SPDX-License-Identifier: Apache-2.0
"""Event handlers: which event, and what to visit when it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ._refuse import refuse_keywords
from .event import Event
from .launch_description_entity import LaunchDescriptionEntity

if TYPE_CHECKING:
    from .launch_context import LaunchContext


class BaseEventHandler:
    """A handler for events that `matcher` accepts.

    Args:
        matcher: event → whether this handler handles it.
        handle_once: unregister after the first event handled.
    """

    def __init__(
        self, *, matcher: Callable[[Event], bool], handle_once: bool = False, **unknown: Any
    ) -> None:
        refuse_keywords(self, unknown)
        self._matcher = matcher
        self._handle_once = handle_once

    @property
    def handle_once(self) -> bool:
        """Whether the handler is removed after its first event."""
        return self._handle_once

    def matches(self, event: Event) -> bool:
        """Return whether this handler wants `event`."""
        return self._matcher(event)

    def sub_entities(self) -> list[LaunchDescriptionEntity]:
        """Return the entities that the handler is known to yield, for introspection."""
        return []

    def handle(
        self, event: Event, context: LaunchContext
    ) -> LaunchDescriptionEntity | Iterable[LaunchDescriptionEntity] | None:
        """Make `event` visible to the entities that follow; subclasses return those."""
        context.extend_locals({'event': event})
        if self._handle_once:
            context.unregister_event_handler(self)
        return None


class EventHandler(BaseEventHandler):
    """A handler that yields the same entities at each event."""

    def __init__(
        self,
        *,
        matcher: Callable[[Event], bool],
        entities: LaunchDescriptionEntity | Iterable[LaunchDescriptionEntity] | None = None,
        handle_once: bool = False,
    ) -> None:
        super().__init__(matcher=matcher, handle_once=handle_once)
        self.entities = entities

    def sub_entities(self) -> list[LaunchDescriptionEntity]:
        return entity_list(self.entities)

    def handle(
        self, event: Event, context: LaunchContext
    ) -> LaunchDescriptionEntity | Iterable[LaunchDescriptionEntity] | None:
        super().handle(event, context)
        return self.entities


def entity_list(entities: Any) -> list[LaunchDescriptionEntity]:
    """Return `entities` (one, several, or None) as a list.

    Raises:
        TypeError: for anything that is not a launch entity.
    """
    if entities is None:
        return []
    found = list(entities) if isinstance(entities, Iterable) else [entities]
    found = [entity for entity in found if entity is not None]
    for entity in found:
        if not isinstance(entity, LaunchDescriptionEntity):
            raise TypeError(f'expected a LaunchDescriptionEntity, got {entity!r}')
    return found
