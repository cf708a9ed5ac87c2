# SPDX-License-Identifier: Apache-2.0
"""From what a launch file gives as parameters to what a node is passed.

The rules are upstream's: text given as text stays text; text that comes of a substitution becomes
what YAML makes of it; nested dictionaries become dotted names; lists must be of one type.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

import yaml
from launch.substitution import Substitution
from launch.substitutions import TextSubstitution
from launch.utilities import normalize_to_list_of_substitutions, perform_substitutions

from .parameter_descriptions import Parameter, ParameterFile, ParameterValue

if TYPE_CHECKING:
    from launch.launch_context import LaunchContext

SCALARS = (bool, int, float, str)
Names = tuple[Substitution, ...]


class _Text(tuple[Substitution, ...]):
    """Substitutions that together make one text, to be read as YAML."""


class _Texts(tuple[list[Substitution], ...]):
    """Several such texts: the elements of a list."""


def normalize_parameters(parameters: Any) -> list[Any]:
    """Return the ``parameters=`` of a node as ParameterFile, Parameter and normalised dicts.

    Raises:
        TypeError: for anything else.
    """
    if isinstance(parameters, str) or not isinstance(parameters, Sequence):
        raise TypeError(f'parameters: expected a list, got {parameters!r}')
    result: list[Any] = []
    for item in parameters:
        if isinstance(item, Mapping):
            result.append(normalize_parameter_dict(item))
        elif isinstance(item, (ParameterFile, Parameter)):
            result.append(item)
        elif isinstance(item, (str, os.PathLike, Substitution, Sequence)):
            result.append(ParameterFile(item))
        else:
            raise TypeError(f'parameters: expected a dict or the path of a file, got {item!r}')
    return result


def normalize_parameter_dict(
    parameters: Mapping[Any, Any], prefix: Sequence[Substitution] = ()
) -> dict[Names, Any]:
    """Return name → value with nested dictionaries flattened.

    Raises:
        TypeError: for values no parameter can have.
    """
    result: dict[Names, Any] = {}
    for key, value in parameters.items():
        name = list(prefix)
        if prefix:
            name.append(TextSubstitution(text='.'))
        name += normalize_to_list_of_substitutions(key)
        if isinstance(value, Mapping):
            result.update(normalize_parameter_dict(value, name))
        else:
            result[tuple(name)] = _normalize_value(value)
    return result


def _normalize_value(value: Any) -> Any:
    if isinstance(value, (ParameterValue, bytes, *SCALARS)):
        return value
    if isinstance(value, Substitution):
        return _Text([value])
    if not isinstance(value, Sequence):
        raise TypeError(f'a parameter cannot have the value {value!r}')
    items = list(value)
    kinds = {type(item) for item in items}
    if kinds in ({int}, {bool}, {str}):
        return tuple(items)
    if kinds and kinds <= {int, float}:
        return tuple(float(item) for item in items)
    if any(isinstance(item, Substitution) for item in items) and all(
            isinstance(item, (str, Substitution)) for item in items):
        return _Text(normalize_to_list_of_substitutions(items))
    return _Texts(
        normalize_to_list_of_substitutions(
            yaml.dump(item) if isinstance(item, SCALARS) else item) for item in items)


def evaluate_parameter_dict(
    context: LaunchContext, parameters: Mapping[Names, Any]
) -> dict[str, Any]:
    """Return name → value with all substitutions performed.

    Raises:
        TypeError: if the text of a substitution is no value that a parameter can have.
    """
    result = {}
    for name_parts, value in parameters.items():
        name = perform_substitutions(context, name_parts)
        if isinstance(value, _Text):
            result[name] = _checked(name, _read(name, perform_substitutions(context, value)))
        elif isinstance(value, _Texts):
            items = [_read(name, perform_substitutions(context, item)) for item in value]
            result[name] = _checked(name, items)
        elif isinstance(value, ParameterValue):
            result[name] = value.evaluate(context)
        else:
            result[name] = value
    return result


def _read(name: str, text: str) -> Any:
    if text == '':
        return ''
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise TypeError(
            f"parameter {name}: '{text}' is not YAML; if it is meant to be a string, use "
            'ParameterValue(value, value_type=str)') from error


def _checked(name: str, value: Any) -> Any:
    if isinstance(value, (*SCALARS, bytes)):
        return value
    if isinstance(value, list):
        if not value or type(value[0]) not in SCALARS or any(
                not isinstance(item, type(value[0])) for item in value):
            raise TypeError(
                f'parameter {name}: expected a non-empty list of one type (bool, int, float or '
                f'str), got {value!r}')
        return tuple(value)
    raise TypeError(
        f'parameter {name}: a {type(value).__name__} is no parameter value; if it is meant to be '
        'a string, use ParameterValue(value, value_type=str)')


class _Dumper(yaml.SafeDumper):
    """Quotes every string: rcl reads '1e-3' as a number where PyYAML sees text."""


_Dumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar('tag:yaml.org,2002:str', text, style="'"))
_Dumper.add_representer(
    tuple, lambda dumper, items: dumper.represent_sequence(
        'tag:yaml.org,2002:seq', items, flow_style=True))


def write_parameter_file(node: str, values: Mapping[str, Any]) -> Path:
    """Write `values` for `node` (a full name, or ``/**``) to a file; return its path.

    The file lives as long as this launch: a respawned node reads it again.
    """
    with NamedTemporaryFile('w', prefix='launch_params_', delete=False) as stream:
        yaml.dump(
            {node: {'ros__parameters': dict(values)}}, stream, _Dumper, default_flow_style=False,
            allow_unicode=True)
    path = Path(stream.name)
    atexit.register(path.unlink, missing_ok=True)
    return path


def parameter_rule(name: str, value: Any) -> str:
    """Return ``name:=value`` as an argument of ``-p``."""
    text = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, width=float('inf'))
    # PyYAML ends the document of a lone scalar with three dots.
    return f'{name}:={text.strip().removesuffix("...").strip()}'
