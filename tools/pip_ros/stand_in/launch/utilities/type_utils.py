# SPDX-License-Identifier: Apache-2.0
"""Turning performed substitutions (text) into typed values, by YAML's rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, get_args, get_origin

import yaml

from ..substitution import Substitution
from . import ensure_argument_type, normalize_to_list_of_substitutions, perform_substitutions

if TYPE_CHECKING:
    from ..launch_context import LaunchContext

SCALARS = (int, float, bool, str)


def extract_type(data_type: Any) -> tuple[type, bool]:
    """Return (scalar type, whether a list) of ``int`` … ``List[str]``.

    Raises:
        ValueError: for any other type.
    """
    if get_origin(data_type) is list:
        scalar, is_list = get_args(data_type)[0], True
    else:
        scalar, is_list = data_type, False
    if scalar not in SCALARS:
        raise ValueError(f'unrecognised data type {data_type!r}: expected int, float, bool, str '
                         'or a List of one of them')
    return scalar, is_list


def is_substitution(value: Any) -> bool:
    """Return whether `value` is a substitution or a mix of text with at least one."""
    if isinstance(value, Substitution):
        return True
    if isinstance(value, str) or not isinstance(value, Iterable):
        return False
    items = list(value)
    return all(isinstance(item, (Substitution, str)) for item in items) and any(
        isinstance(item, Substitution) for item in items)


def _uniform(value: Any) -> bool:
    if isinstance(value, list):
        return not value or (
            type(value[0]) in SCALARS and all(type(item) is type(value[0]) for item in value))
    return isinstance(value, SCALARS)


def _from_yaml(text: str, what: str) -> Any:
    if not text:
        return text
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"cannot convert '{text}' to {what}: {error}") from error
    if not _uniform(value):
        raise ValueError(f"cannot convert '{text}' to {what}: got a {type(value).__name__}, "
                         'expected int, float, bool, str or a uniform list of them')
    return value


def coerce_to_type(value: str, data_type: Any = None) -> Any:
    """Return the text `value` as `data_type` (None: whatever YAML makes of it).

    Raises:
        TypeError: if `value` is not text.
        ValueError: if it is not a `data_type`.
    """
    ensure_argument_type(value, str, 'value', 'coerce_to_type')
    if data_type is None:
        return _from_yaml(value, 'a value')
    scalar, is_list = extract_type(data_type)
    if is_list:
        result = _from_yaml(value, f'a list of {scalar.__name__}')
        if not isinstance(result, list) or not all(isinstance(x, scalar) for x in result):
            raise ValueError(f"cannot convert '{value}' to a list of {scalar.__name__}")
        return result
    if scalar in (int, float, str):
        return scalar(value)
    # YAML knows true, yes, on …; launch also takes 1 and 0.
    result = _from_yaml({'1': 'true', '0': 'false'}.get(value, value), 'bool')
    if not isinstance(result, bool):
        raise ValueError(f"cannot convert '{value}' to bool")
    return result


def normalize_typed_substitution(value: Any, data_type: Any) -> Any:
    """Return `value` as a scalar, a list of substitutions (one text), or a list of either.

    A list that mixes text and substitutions is one text; a list of texts, each to be performed
    by itself, nests them: ``['a', [LaunchConfiguration('b')]]``.

    Raises:
        TypeError: if no `data_type` can come of it.
    """
    if isinstance(value, SCALARS):
        if data_type is not None:
            scalar, is_list = extract_type(data_type)
            if is_list or not isinstance(value, scalar):
                raise TypeError(f'{value!r} is not a {data_type}')
        return value
    if is_substitution(value):
        return normalize_to_list_of_substitutions(value)
    if not isinstance(value, Iterable):
        raise TypeError(f'expected a scalar, a substitution or a list of them, got {value!r}')
    if data_type is not None and not extract_type(data_type)[1]:
        raise TypeError(f'expected a {data_type}, got the list {value!r}')
    items = list(value)
    for item in items:
        if not isinstance(item, SCALARS) and not is_substitution(item):
            raise TypeError(f'{item!r} in {value!r} is neither a scalar nor a substitution')
    if not any(is_substitution(item) for item in items):
        kinds = {type(item) for item in items}
        if len(kinds) > 1 and kinds != {int, float}:
            raise TypeError(f'the list {value!r} mixes types')
        return items
    return [normalize_to_list_of_substitutions(item) if is_substitution(item) else item
            for item in items]


def perform_typed_substitution(context: LaunchContext, value: Any, data_type: Any) -> Any:
    """Return the normalised `value`, performed in `context`, as `data_type`.

    Raises:
        ValueError: if the text is not a `data_type`.
    """
    if isinstance(value, SCALARS):
        return value
    if value and all(isinstance(item, Substitution) for item in value):
        return coerce_to_type(perform_substitutions(context, value), data_type)
    scalar = extract_type(data_type)[0] if data_type is not None else None
    performed = [
        coerce_to_type(perform_substitutions(context, item), scalar)
        if isinstance(item, list) else item for item in value]
    if scalar is float or {type(item) for item in performed} == {int, float}:
        performed = [float(item) if type(item) is int else item for item in performed]
    if scalar is not None and not all(isinstance(item, scalar) for item in performed):
        raise ValueError(f'{performed!r} is not a list of {scalar.__name__}')
    if not _uniform(performed):
        raise ValueError(f'the list {performed!r} mixes types')
    return performed
