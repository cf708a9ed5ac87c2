# SPDX-License-Identifier: Apache-2.0
"""Actions on launch configurations, and the declaration of launch arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..action import Action
from ..logging import get_logger
from ..some_substitutions_type import SomeSubstitutionsType
from ..substitution import Substitution
from ..utilities import normalize_to_list_of_substitutions, perform_substitutions

if TYPE_CHECKING:
    from ..launch_context import LaunchContext


class DeclareLaunchArgument(Action):
    """Declares an argument of the launch file, kept as the launch configuration `name`.

    Args:
        name: of the argument.
        default_value: makes it optional.
        description: for ``--show-args``.
        choices: the only values allowed.

    Raises:
        RuntimeError: where executed without a value, or with one that is not among `choices`.
    """

    def __init__(
        self,
        name: str,
        *,
        default_value: SomeSubstitutionsType | None = None,
        description: str | None = None,
        choices: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.default_value: list[Substitution] | None = (
            None if default_value is None else normalize_to_list_of_substitutions(default_value))
        if choices is not None and len(choices) == 0:
            raise RuntimeError(f'launch argument "{name}": choices is empty')
        if choices is not None and isinstance(default_value, str) and default_value not in choices:
            raise RuntimeError(
                f'Provided default_value "{default_value}" is not in provided choices '
                f'"{choices}".')
        if description is None:
            description = 'no description given' if choices is None else f'One of: {choices}'
        elif choices is not None:
            dot = '' if description.endswith('.') else '.'
            description = f'{description}{dot} Valid choices are: {choices}'
        self.description = description
        self.choices = choices
        self._conditionally_included = False

    def describe(self) -> str:
        return f"DeclareLaunchArgument('{self.name}')"

    def execute(self, context: LaunchContext) -> None:
        if self.name not in context.launch_configurations:
            if self.default_value is None:
                get_logger('launch.actions.declare_launch_argument').error(
                    'Required launch argument "%s" (description: "%s") was not provided',
                    self.name, self.description)
                raise RuntimeError(f'Required launch argument "{self.name}" was not provided.')
            context.launch_configurations[self.name] = perform_substitutions(
                context, self.default_value)
        value = context.launch_configurations[self.name]
        if self.choices is not None and value not in self.choices:
            message = (f'Argument "{self.name}" provided value "{value}" is not valid. '
                       f'Valid options are: {self.choices}')
            get_logger('launch.actions.declare_launch_argument').error(message)
            raise RuntimeError(message)


class SetLaunchConfiguration(Action):
    """Sets a launch configuration."""

    def __init__(
        self, name: SomeSubstitutionsType, value: SomeSubstitutionsType, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.name = normalize_to_list_of_substitutions(name)
        self.value = normalize_to_list_of_substitutions(value)

    def execute(self, context: LaunchContext) -> None:
        name = perform_substitutions(context, self.name)
        context.launch_configurations[name] = perform_substitutions(context, self.value)


class UnsetLaunchConfiguration(Action):
    """Removes a launch configuration, if it is set."""

    def __init__(self, name: SomeSubstitutionsType, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.name = normalize_to_list_of_substitutions(name)

    def execute(self, context: LaunchContext) -> None:
        context.launch_configurations.pop(perform_substitutions(context, self.name), None)


class PushLaunchConfigurations(Action):
    """Opens a scope of launch configurations."""

    def execute(self, context: LaunchContext) -> None:
        context._push_launch_configurations()


class PopLaunchConfigurations(Action):
    """Closes the scope that :class:`PushLaunchConfigurations` opened."""

    def execute(self, context: LaunchContext) -> None:
        context._pop_launch_configurations()


class ResetLaunchConfigurations(Action):
    """Removes all launch configurations but those given, which are performed before."""

    def __init__(
        self,
        launch_configurations: Mapping[SomeSubstitutionsType, SomeSubstitutionsType] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._kept = dict(launch_configurations or {})

    def execute(self, context: LaunchContext) -> None:
        def text(value: SomeSubstitutionsType) -> str:
            return perform_substitutions(context, normalize_to_list_of_substitutions(value))

        kept = {text(name): text(value) for name, value in self._kept.items()}
        context.launch_configurations.clear()
        context.launch_configurations.update(kept)
