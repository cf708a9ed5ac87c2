# SPDX-License-Identifier: Apache-2.0
"""Launch files. Those in Python are read; the XML and YAML ones are refused by name."""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

from ._refuse import REMEDY, module_getattr
from .launch_description import LaunchDescription
from .launch_description_source import LaunchDescriptionSource
from .some_substitutions_type import SomeSubstitutionsType

__all__ = [
    'AnyLaunchDescriptionSource',
    'InvalidLaunchFileError',
    'InvalidPythonLaunchFileError',
    'PythonLaunchDescriptionSource',
    'get_launch_description_from_any_launch_file',
    'get_launch_description_from_python_launch_file',
    'load_python_launch_file_as_module',
]


class InvalidLaunchFileError(Exception):
    """A launch file cannot be loaded."""


class InvalidPythonLaunchFileError(InvalidLaunchFileError):
    """A Python launch file has no ``generate_launch_description()``."""


def load_python_launch_file_as_module(python_launch_file_path: str) -> ModuleType:
    """Import a launch file under a name of its own."""
    loader = SourceFileLoader('python_launch_file', python_launch_file_path)
    spec = spec_from_loader(loader.name, loader)
    if spec is None:
        raise InvalidPythonLaunchFileError(f"cannot import '{python_launch_file_path}'")
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def get_launch_description_from_python_launch_file(
    python_launch_file_path: str,
) -> LaunchDescription:
    """Return what the file's ``generate_launch_description()`` returns.

    Raises:
        InvalidPythonLaunchFileError: if the file has no such function.
    """
    module = load_python_launch_file_as_module(python_launch_file_path)
    generate = getattr(module, 'generate_launch_description', None)
    if generate is None:
        raise InvalidPythonLaunchFileError(
            f"launch file at '{python_launch_file_path}' does not contain the required function "
            "'generate_launch_description()'")
    description: LaunchDescription = generate()
    return description


def get_launch_description_from_any_launch_file(launch_file_path: str) -> LaunchDescription:
    """Return the description of a launch file.

    Raises:
        FileNotFoundError: if there is no such file.
        InvalidLaunchFileError: if it fails to load; the cause says why.
    """
    if not Path(launch_file_path).is_file():
        raise FileNotFoundError(f"launch file '{launch_file_path}' does not exist")
    if not launch_file_path.endswith('.py'):
        raise InvalidLaunchFileError(
            f"'{launch_file_path}': only Python launch files are in the stand-in; {REMEDY}")
    try:
        return get_launch_description_from_python_launch_file(launch_file_path)
    except (Exception, SystemExit) as error:
        raise InvalidLaunchFileError(
            f'Caught exception when trying to load file of format [py]: {error}') from error


class PythonLaunchDescriptionSource(LaunchDescriptionSource):
    """A Python launch file."""

    def __init__(self, launch_file_path: SomeSubstitutionsType) -> None:
        super().__init__(
            None, launch_file_path, 'interpreted python launch file',
            load=get_launch_description_from_python_launch_file)


class AnyLaunchDescriptionSource(LaunchDescriptionSource):
    """A launch file of any kind that can be read."""

    def __init__(self, launch_file_path: SomeSubstitutionsType) -> None:
        super().__init__(
            None, launch_file_path, 'launch file',
            load=get_launch_description_from_any_launch_file)


__getattr__ = module_getattr(__name__, __all__)
