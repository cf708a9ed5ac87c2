# SPDX-License-Identifier: Apache-2.0
"""Actions that hold others: groups and included launch files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..action import Action
from ..launch_description_entity import LaunchDescriptionEntity
from ..launch_description_source import LaunchDescriptionSource
from ..launch_description_sources import AnyLaunchDescriptionSource
from ..some_substitutions_type import SomeSubstitutionsType
from ..utilities import normalize_to_list_of_substitutions, perform_substitutions
from .configuration import (
    PopLaunchConfigurations,
    PushLaunchConfigurations,
    ResetLaunchConfigurations,
    SetLaunchConfiguration,
)
from .environment import PopEnvironment, PushEnvironment, ResetEnvironment

if TYPE_CHECKING:
    from ..launch_context import LaunchContext


class GroupAction(Action):
    """Visits `actions`, by default in a scope of their own.

    Args:
        actions: to visit in order.
        scoped: configurations and environment are restored afterwards.
        forwarding: with `scoped`, start from the outer configurations and environment rather than
            from `launch_configurations` and the launch's first environment.
        launch_configurations: set before the actions.
    """

    def __init__(
        self,
        actions: Iterable[LaunchDescriptionEntity],
        *,
        scoped: bool = True,
        forwarding: bool = True,
        launch_configurations: Mapping[SomeSubstitutionsType, SomeSubstitutionsType] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        configurations = dict(launch_configurations or {})
        settings = [SetLaunchConfiguration(name, value) for name, value in configurations.items()]
        inner = list(actions)
        if not scoped:
            self._entities: list[LaunchDescriptionEntity] = [*settings, *inner]
        else:
            opening: list[LaunchDescriptionEntity] = (
                list(settings) if forwarding
                else [ResetEnvironment(), ResetLaunchConfigurations(configurations)])
            self._entities = [
                PushLaunchConfigurations(), PushEnvironment(), *opening, *inner,
                PopEnvironment(), PopLaunchConfigurations()]

    def get_sub_entities(self) -> list[LaunchDescriptionEntity]:
        return self._entities

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        return self._entities


class IncludeLaunchDescription(Action):
    """Visits another launch description.

    As upstream, an include opens no scope: its arguments, like everything it sets, stay set after
    it. Put it into a ``GroupAction`` to keep them apart.

    Args:
        launch_description_source: a source, or the path of a launch file.
        launch_arguments: (name, value) pairs, e.g. ``{…}.items()``.

    Raises:
        RuntimeError: where executed without an argument that the file requires.
    """

    def __init__(
        self,
        launch_description_source: LaunchDescriptionSource | SomeSubstitutionsType,
        *,
        launch_arguments: Iterable[tuple[SomeSubstitutionsType, SomeSubstitutionsType]]
        | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(launch_description_source, LaunchDescriptionSource):
            launch_description_source = AnyLaunchDescriptionSource(launch_description_source)
        self.launch_description_source = launch_description_source
        self.launch_arguments = tuple(launch_arguments or ())

    def describe(self) -> str:
        return f'IncludeLaunchDescription({self.launch_description_source.location})'

    def get_sub_entities(self) -> list[LaunchDescriptionEntity]:
        found = self.launch_description_source.try_get_launch_description_without_context()
        return [] if found is None else [found]

    def argument_names(self, context: LaunchContext) -> list[str]:
        """Return the names of the arguments that are passed."""
        return [
            perform_substitutions(context, normalize_to_list_of_substitutions(name))
            for name, _ in self.launch_arguments]

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        source = self.launch_description_source
        description = source.get_launch_description(context)
        # Not resolved: an installed launch file that is a link stays where it is installed.
        path = Path(source.location).absolute()
        directory = str(path.parent) if path.exists() else source.location
        context.extend_locals(
            {'current_launch_file_path': str(path), 'current_launch_file_directory': directory})
        pairs = description.get_launch_arguments_with_include_launch_description_actions()
        for argument, includes in pairs:
            if argument._conditionally_included or argument.default_value is not None:
                continue
            names = self.argument_names(context)
            for include in includes or ():
                names += include.argument_names(context)
            if argument.name not in names:
                raise RuntimeError(
                    f"Included launch description missing required argument '{argument.name}' "
                    f"(description: '{argument.description}'), given: [{', '.join(names)}]")
        settings = [SetLaunchConfiguration(name, value) for name, value in self.launch_arguments]
        return [*settings, description]
