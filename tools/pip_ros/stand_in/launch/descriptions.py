# SPDX-License-Identifier: Apache-2.0
"""What to run: command, name, directory, environment, as known once substitutions are performed."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._refuse import module_getattr, refuse_keywords
from .some_substitutions_type import SomeSubstitutionsType
from .substitution import Substitution
from .utilities import normalize_to_list_of_substitutions, perform_substitutions

if TYPE_CHECKING:
    from .action import Action
    from .launch_context import LaunchContext

__all__ = ['Executable']

_counter = itertools.count(1)
Pairs = list[tuple[list[Substitution], list[Substitution]]]


def _pairs(mapping: Mapping[Any, Any] | None) -> Pairs | None:
    if mapping is None:
        return None
    return [
        (normalize_to_list_of_substitutions(key), normalize_to_list_of_substitutions(value))
        for key, value in mapping.items()]


class Executable:
    """A command to run as one process.

    Args:
        cmd: program and arguments.
        prefix: a command to put before it; default: the ``launch-prefix`` configuration, for
            programs that match ``launch-prefix-filter``.
        name: label of the process, to which a running number is added; default: the program.
        cwd: working directory.
        env: the whole environment; default: launch's own.
        additional_env: variables to add.
        arguments: more arguments.
    """

    def __init__(
        self,
        *,
        cmd: Iterable[SomeSubstitutionsType],
        prefix: SomeSubstitutionsType | None = None,
        name: SomeSubstitutionsType | None = None,
        cwd: SomeSubstitutionsType | None = None,
        env: Mapping[Any, Any] | None = None,
        additional_env: Mapping[Any, Any] | None = None,
        arguments: Iterable[SomeSubstitutionsType] | None = None,
        **unknown: Any,
    ) -> None:
        from .substitutions import LaunchConfiguration

        refuse_keywords(self, unknown)
        self.cmd = [normalize_to_list_of_substitutions(part) for part in cmd]
        self.cmd += [normalize_to_list_of_substitutions(part) for part in arguments or ()]
        self._prefix_given = prefix is not None
        self.prefix = normalize_to_list_of_substitutions(
            LaunchConfiguration('launch-prefix', default='') if prefix is None else prefix)
        self._prefix_filter = [LaunchConfiguration('launch-prefix-filter', default='')]
        self.name = None if name is None else normalize_to_list_of_substitutions(name)
        self.cwd = None if cwd is None else normalize_to_list_of_substitutions(cwd)
        self.env = _pairs(env)
        self.additional_env = _pairs(additional_env)
        self.final_cmd: list[str] = []
        self.final_name = ''
        self.final_cwd: str | None = None
        self.final_env: dict[str, str] = {}

    def prepare(self, context: LaunchContext, action: Action) -> None:
        """Perform all substitutions; the results are the ``final_…`` attributes."""
        cmd = [perform_substitutions(context, part) for part in self.cmd]
        wanted = self._prefix_given or re.match(
            perform_substitutions(context, self._prefix_filter), Path(cmd[0]).name)
        if wanted:
            cmd = shlex.split(perform_substitutions(context, self.prefix)) + cmd
        self.final_cmd = cmd
        label = (
            Path(cmd[0]).name if self.name is None
            else perform_substitutions(context, self.name))
        self.final_name = f'{label}-{next(_counter)}'
        self.final_cwd = None if self.cwd is None else perform_substitutions(context, self.cwd)
        self.final_env = {} if self.env is not None else dict(context.environment)
        for key, value in [*(self.env or ()), *(self.additional_env or ())]:
            self.final_env[perform_substitutions(context, key)] = (
                perform_substitutions(context, value))


__getattr__ = module_getattr(__name__, __all__)
