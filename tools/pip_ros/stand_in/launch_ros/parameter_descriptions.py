# SPDX-License-Identifier: Apache-2.0
"""Parameters of nodes with a type given, and parameter files."""

from __future__ import annotations

import atexit
import os
import re
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

import yaml
from launch._refuse import REMEDY, module_getattr
from launch.some_substitutions_type import SomeSubstitutionsType
from launch.substitution import Substitution
from launch.substitutions import (
    EnvironmentVariable,
    LaunchConfiguration,
    SubstitutionFailure,
    ThisLaunchFileDir,
)
from launch.utilities import normalize_to_list_of_substitutions, perform_substitutions
from launch.utilities.type_utils import normalize_typed_substitution, perform_typed_substitution

from .substitutions import FindPackagePrefix, FindPackageShare

if TYPE_CHECKING:
    from launch.launch_context import LaunchContext

__all__ = ['Parameter', 'ParameterFile', 'ParameterValue']


class ParameterValue:
    """A value, or substitutions whose text becomes a `value_type` (None: by YAML's rules)."""

    def __init__(self, value: Any, *, value_type: Any = None) -> None:
        self.value = normalize_typed_substitution(value, value_type)
        self.value_type = value_type

    def evaluate(self, context: LaunchContext) -> Any:
        """Return the value.

        Raises:
            ValueError: if the text is not a `value_type`.
        """
        return perform_typed_substitution(context, self.value, self.value_type)


class Parameter:
    """A named parameter, passed to the node as ``-p name:=value``."""

    def __init__(self, name: SomeSubstitutionsType, value: Any, *, value_type: Any = None) -> None:
        self.name = normalize_to_list_of_substitutions(name)
        self._value = ParameterValue(value, value_type=value_type)

    @property
    def value(self) -> Any:
        """The value, before substitution."""
        return self._value.value

    def evaluate(self, context: LaunchContext) -> tuple[str, Any]:
        """Return (name, value)."""
        return perform_substitutions(context, self.name), self._value.evaluate(context)


class ParameterFile:
    """A YAML file of parameters; `allow_substs`: performs ``$(var …)`` and others in it."""

    def __init__(
        self, param_file: SomeSubstitutionsType | os.PathLike[str], *, allow_substs: Any = False
    ) -> None:
        self.param_file = normalize_to_list_of_substitutions(param_file)
        self.allow_substs = normalize_typed_substitution(allow_substs, bool)

    def evaluate(self, context: LaunchContext) -> Path:
        """Return the path of the file to pass to the node.

        Raises:
            SubstitutionFailure: if the file is not YAML after substitution.
        """
        path = Path(perform_substitutions(context, self.param_file))
        if not perform_typed_substitution(context, self.allow_substs, bool):
            return path
        text = perform_in_text(path.read_text(encoding='utf-8'), context)
        try:
            yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise SubstitutionFailure(
                f'{path}: the substituted parameter file is not a valid yaml file: {error}'
            ) from error
        with NamedTemporaryFile('w', prefix='launch_params_', delete=False) as stream:
            stream.write(text)
        made = Path(stream.name)
        atexit.register(made.unlink, missing_ok=True)
        return made


def perform_in_text(text: str, context: LaunchContext) -> str:
    """Return `text` with its ``$(var name [default])``, ``$(env …)``, ``$(dirname)``,
    ``$(find-pkg-share …)`` and ``$(find-pkg-prefix …)`` performed.

    Raises:
        SubstitutionFailure: for any other ``$(…)``.
    """

    def perform(match: re.Match[str]) -> str:
        kind, *args = match[1].split()
        default = args[1] if len(args) > 1 else None
        made: Substitution
        if kind == 'var' and args:
            made = LaunchConfiguration(args[0], default=default)
        elif kind == 'env' and args:
            made = EnvironmentVariable(args[0], default_value=default)
        elif kind == 'find-pkg-share' and len(args) == 1:
            made = FindPackageShare(args[0])
        elif kind == 'find-pkg-prefix' and len(args) == 1:
            made = FindPackagePrefix(args[0])
        elif kind == 'dirname' and not args:
            made = ThisLaunchFileDir()
        else:
            raise SubstitutionFailure(f"'{match[0]}' is not in the stand-in; {REMEDY}")
        return made.perform(context)

    return re.sub(r'\$\(([^()]+)\)', perform, text)


__getattr__ = module_getattr(__name__, __all__)
