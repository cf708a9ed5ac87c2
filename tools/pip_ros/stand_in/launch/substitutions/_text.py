# SPDX-License-Identifier: Apache-2.0
"""Substitutions that compute text: paths, Python expressions, commands, files."""

from __future__ import annotations

import importlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..some_substitutions_type import SomeSubstitutionsType
from ..substitution import Substitution
from ..utilities import normalize_to_list_of_substitutions, perform_substitutions
from ._base import SubstitutionFailure
from ._lookup import described

if TYPE_CHECKING:
    from ..launch_context import LaunchContext


class PathJoinSubstitution(Substitution):
    """The parts, joined as a path."""

    def __init__(self, substitutions: Iterable[str | Substitution]) -> None:
        self._parts = normalize_to_list_of_substitutions(substitutions)

    @property
    def substitutions(self) -> list[Substitution]:
        """The parts."""
        return self._parts

    def describe(self) -> str:
        return f"PathJoin('{described(self._parts)}')"

    def perform(self, context: LaunchContext) -> str:
        return os.path.join(*[part.perform(context) for part in self._parts])


class PythonExpression(Substitution):
    """A Python expression; names of `python_modules` (``math``) are in scope."""

    def __init__(
        self,
        expression: SomeSubstitutionsType,
        python_modules: SomeSubstitutionsType = ('math',),
    ) -> None:
        self._expression = normalize_to_list_of_substitutions(expression)
        self._modules = normalize_to_list_of_substitutions(python_modules)

    @property
    def expression(self) -> list[Substitution]:
        """The expression."""
        return self._expression

    def describe(self) -> str:
        return f'PythonExpr({described(self._expression)})'

    def perform(self, context: LaunchContext) -> str:
        names = [perform_substitutions(context, [module]) for module in self._modules]
        modules = [importlib.import_module(name) for name in names]
        scope: dict[str, object] = {}
        for name, module in zip(names, modules, strict=True):
            if name == 'math':
                # `math` alone is usable without its prefix, too.
                scope.update(vars(module))
            scope[name] = module
        expression = perform_substitutions(context, self._expression)
        try:
            return str(eval(expression, {}, scope))  # noqa: S307
        except Exception as error:
            raise SubstitutionFailure(
                f"cannot evaluate the expression '{expression}': {error}") from error


class FindExecutable(Substitution):
    """The path of an executable on PATH."""

    def __init__(self, *, name: SomeSubstitutionsType) -> None:
        self._name = normalize_to_list_of_substitutions(name)

    def describe(self) -> str:
        return f'FindExec({described(self._name)})'

    def perform(self, context: LaunchContext) -> str:
        name = perform_substitutions(context, self._name)
        found = shutil.which(name)
        if found is None:
            raise SubstitutionFailure(f"executable '{name}' not found on the PATH")
        return found


class FileContent(Substitution):
    """The text of a file."""

    def __init__(self, path: SomeSubstitutionsType) -> None:
        self._path = normalize_to_list_of_substitutions(path)

    def describe(self) -> str:
        return f'FileContent({described(self._path)})'

    def perform(self, context: LaunchContext) -> str:
        path = perform_substitutions(context, self._path)
        try:
            return Path(path).read_text(encoding='utf-8')
        except FileNotFoundError as error:
            raise SubstitutionFailure(f'File not found: {path}') from error


class Command(Substitution):
    """The standard output of a command.

    Args:
        command: the command line.
        on_stderr: ``fail`` (default), ``ignore``, ``warn`` or ``capture``.
    """

    def __init__(
        self, command: SomeSubstitutionsType, *, on_stderr: SomeSubstitutionsType = 'fail'
    ) -> None:
        self._command = normalize_to_list_of_substitutions(command)
        self._on_stderr = normalize_to_list_of_substitutions(on_stderr)

    def describe(self) -> str:
        return f'Command({described(self._command)})'

    def perform(self, context: LaunchContext) -> str:
        command = perform_substitutions(context, self._command)
        on_stderr = perform_substitutions(context, self._on_stderr)
        if on_stderr not in ('fail', 'ignore', 'warn', 'capture'):
            raise SubstitutionFailure(
                f"on_stderr is '{on_stderr}': expected 'fail', 'ignore', 'warn' or 'capture'")
        try:
            result = subprocess.run(
                shlex.split(command),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if on_stderr == 'capture' else subprocess.PIPE,
                text=True,
                check=False,
            )
        except FileNotFoundError as error:
            raise SubstitutionFailure(f'file not found: {error}') from error
        if result.returncode != 0:
            raise SubstitutionFailure(
                f'executed command failed. Command: {command}\n'
                f'Captured stderr output: {result.stderr}')
        if result.stderr and on_stderr in ('fail', 'warn'):
            message = (f'executed command showed stderr output. Command: {command}\n'
                       f'Captured stderr output:\n{result.stderr}')
            if on_stderr == 'fail':
                raise SubstitutionFailure(message)
            from ..logging import get_logger

            get_logger('launch').warning(message)
        return result.stdout
