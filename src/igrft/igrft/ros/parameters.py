# SPDX-License-Identifier: Apache-2.0
"""Parameters of a node as one frozen dataclass: described, bounded, and with no unknown override.

    @dataclass(frozen=True)
    class Parameters(Common):
        timeout: float = parameter(0.1, 'silence after which the command is zero', unit='s', minimum=0.01, maximum=1.0)

    self.parameters = declare(self, Parameters)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from igrft.config import nearest

T = TypeVar('T')

_FOREIGN = ('use_sim_time', 'start_type_description_service')
_FOREIGN_PREFIXES = ('qos_overrides.',)


class ParameterError(ValueError):
    """An override that cannot be used; the text names the node, the parameter and the remedy."""


def parameter(
    default: Any,
    description: str,
    *,
    unit: str = '',
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[str] = (),
    read_only: bool = True,
) -> Any:
    """A field of a parameters dataclass.

    Args:
        default: its default; a tuple makes an array.
        description: what it does.
        unit: its SI unit, without brackets.
        minimum: least allowed value (of each element).
        maximum: greatest allowed value (of each element).
        choices: allowed words.
        read_only: False for one that may change while the node runs (pass ``on_change`` to :func:`declare`).
    """
    metadata = {
        'description': f'[{unit}] {description}' if unit else description,
        'minimum': minimum,
        'maximum': maximum,
        'choices': tuple(choices),
        'read_only': read_only,
    }
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Common:
    """The parameters that every node has, so that one ``/**`` section can set them for all."""

    robot: str = parameter('sim', 'name or path of a config/robots file')
    task: str = parameter('block_stacking', 'name or path of a config/tasks file')
    lockstep: bool = parameter(False, 'the cell advances one policy step an answer, independent of wall time')


def declare(node: Node, cls: type[T], on_change: Callable[[T], None] | None = None) -> T:
    """Declare the fields of ``cls`` as parameters of ``node`` and return their values.

    Args:
        node: the node.
        cls: a frozen dataclass whose fields come from :func:`parameter`.
        on_change: called with the new values when a parameter that is not read-only was set.

    Raises:
        ParameterError: an override that matches no parameter, has the wrong type, or is out of range.
    """
    where = node.get_fully_qualified_name()
    hints = get_type_hints(cls)
    overrides: dict[str, Parameter] = dict(node._parameter_overrides)  # rclpy has no public reader of all overrides
    known = [f.name for f in fields(cls)]  # type: ignore[arg-type]
    for name in overrides:
        declared = name in known or node.has_parameter(name) or name in _FOREIGN
        if not declared and not name.startswith(_FOREIGN_PREFIXES):
            raise ParameterError(f"{where}: unknown parameter '{name}'; {nearest(name, known)}")

    values = {}
    for item in fields(cls):  # type: ignore[arg-type]
        value = overrides[item.name].value if item.name in overrides else item.default
        values[item.name] = _check(value, hints[item.name], item, where)
    try:
        result = cls(**values)
    except ValueError as error:
        raise ParameterError(f'{where}: {error}') from error
    for item in fields(cls):  # type: ignore[arg-type]
        value = values[item.name]
        plain = list(value) if isinstance(value, tuple) else value
        node.declare_parameter(item.name, plain, _descriptor(item, hints[item.name], plain), ignore_override=True)
    _watch(node, cls, result, on_change)
    return result


def _watch(node: Node, cls: type[T], current: T, on_change: Callable[[T], None] | None) -> None:
    hints = get_type_hints(cls)
    items = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    state = [current]

    def refuse_bad(parameters: list[Parameter]) -> SetParametersResult:
        try:
            changes = {
                p.name: _check(p.value, hints[p.name], items[p.name], node.get_fully_qualified_name())
                for p in parameters
                if p.name in items
            }
            replace(state[0], **changes)  # type: ignore[type-var]
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def apply(parameters: list[Parameter]) -> None:
        changes = {p.name: _plain(p.value) for p in parameters if p.name in items}
        if changes:
            state[0] = replace(state[0], **changes)  # type: ignore[type-var]
            if on_change is not None:
                on_change(state[0])

    node.add_on_set_parameters_callback(refuse_bad)
    node.add_post_set_parameters_callback(apply)


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, (list, tuple)) or hasattr(value, 'tolist') else value


def _check(value: Any, hint: Any, item: Any, where: str) -> Any:
    """The value as its declared type, or ParameterError."""
    name = f"{where}: parameter '{item.name}'"
    if get_origin(hint) is tuple:
        value = () if value is None else value  # what rcl makes of an empty list
        element = get_args(hint)[0]
        if isinstance(value, str) or not hasattr(value, '__iter__'):
            raise ParameterError(f'{name} must be a list of {element.__name__}, got {value!r}')
        return tuple(_check_scalar(v, element, item, name) for v in value)
    return _check_scalar(value, hint, item, name)


def _check_scalar(value: Any, kind: Any, item: Any, name: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise ParameterError(f'{name} must be {kind.__name__}, got {type(value).__name__} {value!r}')
    if kind is float and not math.isfinite(value):
        raise ParameterError(f'{name} must be finite, got {value}')
    low, high, choices = item.metadata['minimum'], item.metadata['maximum'], item.metadata['choices']
    if (low is not None and value < low) or (high is not None and value > high):
        raise ParameterError(f'{name} = {value} is outside [{_bound(low)}, {_bound(high)}]')
    if choices and value not in choices:
        raise ParameterError(f"{name} = '{value}': {nearest(str(value), choices)}")
    return value


def _bound(value: float | None) -> str:
    return 'unbounded' if value is None else f'{value:g}'


def _descriptor(item: Any, hint: Any, plain: Any) -> ParameterDescriptor:
    meta = item.metadata
    descriptor = ParameterDescriptor(
        name=item.name, description=meta['description'], read_only=meta['read_only']
    )
    low, high = meta['minimum'], meta['maximum']
    kind = get_args(hint)[0] if get_origin(hint) is tuple else hint
    if low is not None or high is not None:
        if kind is int:
            limit = 2**63 - 1
            bounds = IntegerRange(
                from_value=-limit if low is None else int(low), to_value=limit if high is None else int(high), step=0
            )
            descriptor.integer_range = [bounds]
        else:
            descriptor.floating_point_range = [
                FloatingPointRange(
                    from_value=-math.inf if low is None else float(low),
                    to_value=math.inf if high is None else float(high),
                    step=0.0,
                )
            ]
    if meta['choices']:
        descriptor.additional_constraints = 'one of ' + ', '.join(meta['choices'])
    # An empty array carries no element type, and rclpy would then refuse the first one that does.
    descriptor.dynamic_typing = plain == []
    return descriptor
