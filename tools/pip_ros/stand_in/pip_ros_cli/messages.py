# SPDX-License-Identifier: Apache-2.0
"""Interfaces by name, messages as YAML and back."""

from __future__ import annotations

import array
import importlib
from collections.abc import Callable
from typing import Any

import numpy
import yaml

DEFAULT_TRUNCATE_LENGTH = 128


def get_interface(name: str, kind: str) -> Any:
    """Return the class of an interface, e.g. ``std_msgs/msg/String`` (or ``std_msgs/String``).

    Args:
        name: of the type.
        kind: ``msg``, ``srv`` or ``action``.

    Raises:
        RuntimeError: if there is no such type here; it says why.
    """
    what = {'msg': 'message', 'srv': 'service', 'action': 'action'}[kind]
    parts = name.split('/')
    if len(parts) == 2:
        parts.insert(1, kind)
    if len(parts) != 3 or parts[1] != kind or not all(parts):
        raise RuntimeError(
            f"The passed {what} type is invalid: '{name}' (expected package/{kind}/Name)")
    try:
        return getattr(importlib.import_module(f'{parts[0]}.{kind}'), parts[2])
    except ModuleNotFoundError as error:
        raise RuntimeError(
            f"The passed {what} type is invalid: no package '{parts[0]}' with {what}s here "
            '(is its workspace built and sourced?)') from error
    except AttributeError as error:
        raise RuntimeError(
            f"The passed {what} type is invalid: '{parts[0]}' has no {what} '{parts[2]}'"
        ) from error


def is_message(value: Any) -> bool:
    """Return whether `value` is a message."""
    return hasattr(value, 'get_fields_and_field_types')


def to_plain(
    value: Any,
    *,
    truncate: int | None = None,
    no_arr: bool = False,
    no_str: bool = False,
    declared: str = '',
) -> Any:
    """Return a message as dicts, lists and scalars.

    Args:
        value: message or field value.
        truncate: keep this many elements of arrays and strings; None: all.
        no_arr: replace arrays by a description.
        no_str: replace strings by a description.
        declared: type of the field, for descriptions.
    """
    if is_message(value):
        return {
            name: to_plain(getattr(value, name), truncate=truncate, no_arr=no_arr, no_str=no_str,
                           declared=kind)
            for name, kind in value.get_fields_and_field_types().items()}
    if isinstance(value, bytes):
        if truncate is not None and len(value) > truncate:
            return [*value[:truncate], '...']
        return value[0] if len(value) == 1 and declared == 'octet' else list(value)
    if isinstance(value, str):
        if no_str:
            return f'<string length: <{len(value)}>>'
        return value[:truncate] + '...' if truncate is not None and len(value) > truncate else value
    if isinstance(value, (list, tuple, array.array, numpy.ndarray)):
        if no_arr:
            return f'<sequence type: {declared}, length: {len(value)}>'
        shown = value if truncate is None else value[:truncate]
        plain = [to_plain(item, truncate=truncate, no_arr=no_arr, no_str=no_str) for item in shown]
        return [*plain, '...'] if truncate is not None and len(value) > truncate else plain
    if isinstance(value, numpy.generic):
        return value.item()
    return value


def to_yaml(message: Any, *, flow_style: bool = False, **options: Any) -> str:
    """Return a message as YAML; options as :func:`to_plain`."""
    return str(yaml.safe_dump(
        to_plain(message, **options), allow_unicode=True, sort_keys=False, width=float('inf'),
        default_flow_style=flow_style))


def to_csv(message: Any, **options: Any) -> str:
    """Return the values of a message, comma-separated; options as :func:`to_plain`."""

    def flat(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for item in value.values() for text in flat(item)]
        if isinstance(value, list):
            return [text for item in value for text in flat(item)]
        return [str(value)]

    return ','.join(flat(to_plain(message, **options)))


def parse_values(text: str, what: str = 'The passed value') -> dict[str, Any]:
    """Return the fields in YAML `text`.

    Raises:
        RuntimeError: if it is not YAML, or no dictionary.
    """
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RuntimeError(f'{what} is not YAML: {error}') from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise RuntimeError(f'{what} needs to be a dictionary in YAML format')
    return values


def set_fields(message: Any, values: dict[str, Any]) -> list[Callable[[Any], None]]:
    """Fill `message` from `values`; return setters for stamps that are to be ‘now’.

    ``auto`` for a std_msgs/Header and ``now`` for a time stand for the time of sending.

    Raises:
        RuntimeError: naming the field, for fields or values that the message cannot have.
    """
    stamps: list[Callable[[Any], None]] = []
    known = message.get_fields_and_field_types()
    for name, value in values.items():
        if name not in known:
            raise RuntimeError(
                f"Failed to populate field: {type(message).__name__} has no field '{name}', only "
                f'{", ".join(known)}')
        try:
            stamps += _set_field(message, name, known[name], value)
        except (TypeError, ValueError, AssertionError, OverflowError) as error:
            raise RuntimeError(
                f"Failed to populate field: '{name}' ({known[name]}) cannot be {value!r}: "
                f'{error}') from error
    return stamps


def _set_field(
    message: Any, name: str, kind: str, value: Any
) -> list[Callable[[Any], None]]:
    current = getattr(message, name)
    if kind == 'std_msgs/Header' and value == 'auto':
        return [lambda stamp: setattr(current, 'stamp', stamp)]
    if kind == 'builtin_interfaces/Time' and value == 'now':
        return [lambda stamp: setattr(message, name, stamp)]
    if is_message(current):
        return set_fields(current, value)
    if isinstance(current, (list, tuple)) and not isinstance(value, str) and '/' in kind:
        element = get_interface(_element(kind), 'msg')
        items, stamps = [], []
        for each in value:
            item = element()
            stamps += set_fields(item, each)
            items.append(item)
        setattr(message, name, items)
        return stamps
    setattr(message, name, _coerced(current, value))
    return []


def _element(kind: str) -> str:
    return kind.removeprefix('sequence<').split(',')[0].split('[')[0].rstrip('>')


def _coerced(current: Any, value: Any) -> Any:
    if isinstance(current, bool):
        return value
    if isinstance(current, float):
        return float(value)
    if isinstance(current, int):
        return int(value)
    if isinstance(current, str):
        return str(value)
    if isinstance(current, bytes):
        return bytes([value]) if isinstance(value, int) else bytes(value)
    if isinstance(current, array.array):
        if current.typecode in 'fd':
            value = [float(item) for item in value]
        return array.array(current.typecode, value)
    if isinstance(current, numpy.ndarray):
        return numpy.array(value, dtype=current.dtype)
    return value
