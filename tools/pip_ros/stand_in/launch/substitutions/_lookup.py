# SPDX-License-Identifier: Apache-2.0
"""Substitutions that look something up in the launch context."""

from __future__ import annotations

import os
import random
import re
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..some_substitutions_type import SomeSubstitutionsType
from ..substitution import Substitution
from ..utilities import normalize_to_list_of_substitutions, perform_substitutions
from ._base import SubstitutionFailure

if TYPE_CHECKING:
    from ..launch_context import LaunchContext


def described(subs: Iterable[Substitution]) -> str:
    """Return the descriptions of `subs`, joined as upstream prints them."""
    return ' + '.join(sub.describe() for sub in subs)


def _default_list(default: Any) -> list[Substitution]:
    if isinstance(default, (str, Substitution)) or not isinstance(default, Iterable):
        default = [default]
    return normalize_to_list_of_substitutions(
        [item if isinstance(item, (str, Substitution)) else str(item) for item in default])


class LaunchConfiguration(Substitution):
    """The value of a launch configuration (and so of a launch argument)."""

    def __init__(self, variable_name: SomeSubstitutionsType, *, default: Any = None) -> None:
        self._name = normalize_to_list_of_substitutions(variable_name)
        self._default = None if default is None else _default_list(default)

    @property
    def variable_name(self) -> list[Substitution]:
        """The name."""
        return self._name

    def describe(self) -> str:
        return f'LaunchConfig({described(self._name)})'

    def perform(self, context: LaunchContext) -> str:
        name = perform_substitutions(context, self._name)
        if name in context.launch_configurations:
            value: str = context.launch_configurations[name]
            return value
        if self._default is None:
            raise SubstitutionFailure(f"launch configuration '{name}' does not exist")
        return perform_substitutions(context, self._default)


class EnvironmentVariable(Substitution):
    """An environment variable of the launch context; without a default it must exist."""

    def __init__(
        self, name: SomeSubstitutionsType, *, default_value: SomeSubstitutionsType | None = None
    ) -> None:
        self._name = normalize_to_list_of_substitutions(name)
        self._default = (
            None if default_value is None else normalize_to_list_of_substitutions(default_value))

    @property
    def name(self) -> list[Substitution]:
        """The name."""
        return self._name

    @property
    def default_value(self) -> list[Substitution] | None:
        """What is used where the variable does not exist."""
        return self._default

    def describe(self) -> str:
        return f'EnvVar({described(self._name)})'

    def perform(self, context: LaunchContext) -> str:
        name = perform_substitutions(context, self._name)
        if name in context.environment:
            return context.environment[name]
        if self._default is None:
            raise SubstitutionFailure(f"environment variable '{name}' does not exist")
        return perform_substitutions(context, self._default)


class LocalSubstitution(Substitution):
    """A Python expression on the launch context's locals, e.g. ``event.name``."""

    def __init__(self, expression: str, description: str | None = None) -> None:
        self._expression = expression
        self._description = description

    @property
    def expression(self) -> str:
        """The expression."""
        return self._expression

    def describe(self) -> str:
        return self._description or f"LocalVar('{self._expression}')"

    def perform(self, context: LaunchContext) -> str:
        try:
            return str(eval(self._expression, {}, context.get_locals_as_dict()))  # noqa: S307
        except Exception as error:
            raise SubstitutionFailure(
                f"cannot evaluate the local '{self._expression}': {error}") from error


class ThisLaunchFile(Substitution):
    """The absolute path of the launch file that is being visited."""

    def perform(self, context: LaunchContext) -> str:
        return _current(context, 'current_launch_file_path', 'ThisLaunchFile')

    def describe(self) -> str:
        return 'ThisLaunchFile()'


class ThisLaunchFileDir(Substitution):
    """The directory of the launch file that is being visited."""

    def perform(self, context: LaunchContext) -> str:
        return _current(context, 'current_launch_file_directory', 'ThisLaunchFileDir')

    def describe(self) -> str:
        return 'ThisLaunchFileDir()'


def _current(context: LaunchContext, key: str, who: str) -> str:
    known = context.get_locals_as_dict()
    if key not in known:
        raise SubstitutionFailure(f'{who} used outside of a launch file (in a script)')
    return str(known[key])


class LaunchLogDir(Substitution):
    """The directory of this launch's log files."""

    def describe(self) -> str:
        return 'LaunchLogDir()'

    def perform(self, context: LaunchContext) -> str:
        from ..logging import launch_config

        return launch_config.log_dir


class AnonName(Substitution):
    """A name made unique; the same `name` gives the same unique name within one launch."""

    def __init__(self, name: SomeSubstitutionsType) -> None:
        self._name = normalize_to_list_of_substitutions(name)

    def describe(self) -> str:
        return f'AnonName({described(self._name)})'

    def perform(self, context: LaunchContext) -> str:
        name = perform_substitutions(context, self._name)
        unique = f'{name}_{socket.gethostname()}_{os.getpid()}_{random.getrandbits(62)}'
        value: str = context.launch_configurations.setdefault(
            f'anon{name}', re.sub('[-.:]', '_', unique))
        return value
