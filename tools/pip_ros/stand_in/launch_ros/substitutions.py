# SPDX-License-Identifier: Apache-2.0
"""Substitutions that look for packages, their executables, and parameters set for all nodes."""

from __future__ import annotations

import shutil
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ament_index_python.packages import get_package_prefix, get_package_share_directory
from launch._refuse import module_getattr
from launch.some_substitutions_type import SomeSubstitutionsType
from launch.substitution import Substitution
from launch.substitutions import SubstitutionFailure
from launch.utilities import normalize_to_list_of_substitutions, perform_substitutions

if TYPE_CHECKING:
    from launch.launch_context import LaunchContext

__all__ = [
    'ExecutableInPackage',
    'FindPackage',
    'FindPackagePrefix',
    'FindPackageShare',
    'Parameter',
]


class FindPackage(Substitution):
    """Finds something of a package; subclasses say what in :meth:`find`."""

    def __init__(self, package: SomeSubstitutionsType) -> None:
        self.package = normalize_to_list_of_substitutions(package)

    @abstractmethod
    def find(self, package_name: str) -> str:
        """Return the directory."""

    def describe(self) -> str:
        package = ' + '.join(sub.describe() for sub in self.package)
        return f'{type(self).__name__}(pkg={package})'

    def perform(self, context: LaunchContext) -> str:
        return self.find(perform_substitutions(context, self.package))


class FindPackagePrefix(FindPackage):
    """The prefix a package is installed in."""

    def find(self, package_name: str) -> str:
        return str(get_package_prefix(package_name))


class FindPackageShare(FindPackage):
    """The share directory of a package."""

    def find(self, package_name: str) -> str:
        return str(get_package_share_directory(package_name))


class ExecutableInPackage(FindPackagePrefix):
    """The path of an executable of a package."""

    def __init__(self, executable: SomeSubstitutionsType, package: SomeSubstitutionsType) -> None:
        super().__init__(package)
        self.executable = normalize_to_list_of_substitutions(executable)

    def describe(self) -> str:
        package = ' + '.join(sub.describe() for sub in self.package)
        executable = ' + '.join(sub.describe() for sub in self.executable)
        return f'ExecInPkg(pkg={package}, exec={executable})'

    def perform(self, context: LaunchContext) -> str:
        executable = perform_substitutions(context, self.executable)
        package = perform_substitutions(context, self.package)
        prefix = super().perform(context)
        folder = Path(prefix, 'lib', package)
        if not folder.exists():
            raise SubstitutionFailure(
                f"package '{package}' found at '{prefix}', but libexec directory '{folder}' "
                'does not exist')
        found = shutil.which(executable, path=str(folder))
        if found is None:
            raise SubstitutionFailure(
                f"executable '{executable}' not found on the libexec directory '{folder}'")
        return found


class Parameter(Substitution):
    """The value of a parameter that ``SetParameter`` set."""

    def __init__(self, name: SomeSubstitutionsType, *, default: Any = None) -> None:
        self.name = normalize_to_list_of_substitutions(name)
        self._default = (
            None if default is None
            else normalize_to_list_of_substitutions(
                default if isinstance(default, (str, Substitution, list, tuple))
                else str(default)))

    def describe(self) -> str:
        return f"Parameter(name={' + '.join(sub.describe() for sub in self.name)})"

    def perform(self, context: LaunchContext) -> str:
        name = perform_substitutions(context, self.name)
        for entry in context.launch_configurations.get('global_params', []):
            if isinstance(entry, tuple) and entry[0] == name:
                return str(entry[1])
        if self._default is None:
            raise SubstitutionFailure(f"parameter '{name}' not found")
        return perform_substitutions(context, self._default)


__getattr__ = module_getattr(__name__, __all__)
