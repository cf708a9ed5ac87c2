# SPDX-License-Identifier: Apache-2.0
"""The launch description: what ``generate_launch_description()`` returns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .launch_description_entity import LaunchDescriptionEntity

if TYPE_CHECKING:
    from .action import Action
    from .actions import DeclareLaunchArgument, IncludeLaunchDescription
    from .launch_context import LaunchContext


class LaunchDescription(LaunchDescriptionEntity):
    """A list of entities to visit in order."""

    def __init__(
        self,
        initial_entities: Iterable[LaunchDescriptionEntity] | None = None,
        *,
        deprecated_reason: str | None = None,
    ) -> None:
        self._entities = list(initial_entities) if initial_entities is not None else []
        self._deprecated_reason = deprecated_reason

    @property
    def entities(self) -> list[LaunchDescriptionEntity]:
        """The entities."""
        return self._entities

    @property
    def deprecated(self) -> bool:
        """Whether launching this warns."""
        return self._deprecated_reason is not None

    @property
    def deprecated_reason(self) -> str | None:
        """Why."""
        return self._deprecated_reason

    def add_entity(self, entity: LaunchDescriptionEntity) -> None:
        """Append an entity."""
        self._entities.append(entity)

    def add_action(self, action: Action) -> None:
        """Append an action."""
        self.add_entity(action)

    def describe(self) -> str:
        return 'LaunchDescription()'

    def describe_sub_entities(self) -> list[LaunchDescriptionEntity]:
        return self._entities

    def visit(self, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        if self._deprecated_reason is not None:
            from .logging import get_logger

            get_logger('launch').warning(
                'this launch file is deprecated: %s', self._deprecated_reason)
        return self._entities

    def get_launch_arguments(
        self, conditional_inclusion: bool = False
    ) -> list[DeclareLaunchArgument]:
        """Return the arguments declared here and, as far as can be seen, in included files."""
        pairs = self.get_launch_arguments_with_include_launch_description_actions(
            conditional_inclusion)
        return [argument for argument, _ in pairs]

    def get_launch_arguments_with_include_launch_description_actions(
        self, conditional_inclusion: bool = False
    ) -> list[tuple[DeclareLaunchArgument, list[IncludeLaunchDescription] | None]]:
        """Return (argument, includes on the way to it), the first declaration of each name."""
        from .actions import (
            DeclareLaunchArgument,
            IncludeLaunchDescription,
            ResetLaunchConfigurations,
        )

        found: dict[str, tuple[DeclareLaunchArgument, list[IncludeLaunchDescription] | None]] = {}

        def walk(entities: Iterable[Any], conditional: bool, includes: Any) -> None:
            for entity in entities:
                if isinstance(entity, DeclareLaunchArgument):
                    if entity.name in found:
                        continue
                    entity._conditionally_included = conditional or entity.condition is not None
                    found[entity.name] = (entity, includes)
                if isinstance(entity, ResetLaunchConfigurations):
                    # Arguments declared after it cannot be set from above.
                    return
                inner = includes
                if isinstance(entity, IncludeLaunchDescription):
                    inner = [*(includes or []), entity]
                walk(entity.describe_sub_entities(), False, inner)
                for _, below in entity.describe_conditional_sub_entities():
                    walk(below, True, inner)

        walk(self._entities, conditional_inclusion, None)
        return list(found.values())
