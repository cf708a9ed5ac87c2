# SPDX-License-Identifier: Apache-2.0
"""``ros2 param``."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any

import yaml
from rcl_interfaces.msg import Parameter, ParameterDescriptor, ParameterType
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    ListParameters,
    SetParameters,
)
from rclpy.node import Node
from rclpy.parameter import get_parameter_value, parameter_value_to_python

from .graph import (
    add_node_arguments,
    call,
    cli_node,
    full_name,
    node_names,
    settle,
    wait_for_node,
)
from .main import add_verbs

_TYPES = {
    ParameterType.PARAMETER_NOT_SET: 'not set',
    ParameterType.PARAMETER_BOOL: 'boolean',
    ParameterType.PARAMETER_INTEGER: 'integer',
    ParameterType.PARAMETER_DOUBLE: 'double',
    ParameterType.PARAMETER_STRING: 'string',
    ParameterType.PARAMETER_BYTE_ARRAY: 'byte array',
    ParameterType.PARAMETER_BOOL_ARRAY: 'boolean array',
    ParameterType.PARAMETER_INTEGER_ARRAY: 'integer array',
    ParameterType.PARAMETER_DOUBLE_ARRAY: 'double array',
    ParameterType.PARAMETER_STRING_ARRAY: 'string array',
}
_LABELS = {
    ParameterType.PARAMETER_BOOL: 'Boolean value is:',
    ParameterType.PARAMETER_INTEGER: 'Integer value is:',
    ParameterType.PARAMETER_DOUBLE: 'Double value is:',
    ParameterType.PARAMETER_STRING: 'String value is:',
    ParameterType.PARAMETER_BYTE_ARRAY: 'Byte values are:',
    ParameterType.PARAMETER_BOOL_ARRAY: 'Boolean values are:',
    ParameterType.PARAMETER_INTEGER_ARRAY: 'Integer values are:',
    ParameterType.PARAMETER_DOUBLE_ARRAY: 'Double values are:',
    ParameterType.PARAMETER_STRING_ARRAY: 'String values are:',
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs of ``ros2 param``."""
    add_verbs(parser, {
        'describe': (_describe_arguments, _describe,
                     'Show descriptive information about declared parameters'),
        'dump': (_node_arguments, _dump, 'Show all of the parameters of a node in a YAML format'),
        'get': (_get_arguments, _get, 'Get parameter'),
        'list': (_list_arguments, _list, 'Output a list of available parameters'),
        'set': (_set_arguments, _set, 'Set parameter'),
    })


def _node_arguments(parser: argparse.ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument('node_name', help='Name of the ROS node')
    parser.add_argument(
        '--include-hidden-nodes', action='store_true', help='Consider hidden nodes as well')
    parser.add_argument(
        '--timeout', metavar='N', type=float, default=3.0,
        help='Wait for N seconds until node becomes available (default %(default)s sec)')


def _get_arguments(parser: argparse.ArgumentParser) -> None:
    _node_arguments(parser)
    parser.add_argument('parameter_name', help='Name of the parameter')
    parser.add_argument('--hide-type', action='store_true', help='Hide the type information')


def _set_arguments(parser: argparse.ArgumentParser) -> None:
    _node_arguments(parser)
    parser.add_argument('parameter_name', help='Name of the parameter')
    parser.add_argument('value', help='Value of the parameter')


def _describe_arguments(parser: argparse.ArgumentParser) -> None:
    _node_arguments(parser)
    parser.add_argument('parameter_names', nargs='+', help='Names of the parameters')


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument('node_name', nargs='?', help='Name of the ROS node')
    parser.add_argument(
        '--include-hidden-nodes', action='store_true', help='Consider hidden nodes as well')
    parser.add_argument(
        '--filter', help='Only parameters matching the regex expression will be showed.')
    parser.add_argument(
        '--param-prefixes', nargs='+', default=[],
        help='Only list parameters with the provided prefixes')
    parser.add_argument(
        '--param-type', action='store_true', help='Print parameter types with parameter names')


def _list_names(node: Node, target: str, prefixes: list[str]) -> list[str]:
    request = ListParameters.Request(prefixes=prefixes)
    response = call(node, ListParameters, f'{target}/list_parameters', request)
    return sorted(response.result.names)


def _get_values(node: Node, target: str, names: list[str]) -> list[Any]:
    request = GetParameters.Request(names=names)
    return list(call(node, GetParameters, f'{target}/get_parameters', request).values)


def _descriptors(node: Node, target: str, names: list[str]) -> list[ParameterDescriptor]:
    request = DescribeParameters.Request(names=names)
    response = call(node, DescribeParameters, f'{target}/describe_parameters', request)
    return list(response.descriptors)


def _plain(value: Any) -> Any:
    result = parameter_value_to_python(value)
    return list(result) if not isinstance(result, (str, bytes)) and hasattr(
        result, '__len__') else result


def _list(args: argparse.Namespace) -> str | None:
    with cli_node(args) as node:
        if args.node_name:
            target = full_name(node, args.node_name)
            if not wait_for_node(node, target):
                return 'Node not found'
            targets = [target]
        else:
            settle(node, args)
            targets = node_names(node, args.include_hidden_nodes)
        for target in targets:
            try:
                names = _list_names(node, target, args.param_prefixes)
            except RuntimeError as error:
                if args.node_name:
                    return str(error)
                print(f'Wait for service timed out waiting for parameter services for node '
                      f'{target}')
                continue
            if args.filter:
                names = [name for name in names if re.match(args.filter, name)]
            if names and not args.node_name:
                print(f'{target}:')
            types = {}
            if args.param_type:
                types = {
                    each.name: f' (type: {_TYPES.get(each.type, "invalid type")})'
                    for each in _descriptors(node, target, names)}
            for name in names:
                print(f'  {name}{types.get(name, "")}')
    return None


def _get(args: argparse.Namespace) -> str | None:
    with cli_node(args) as node:
        target = full_name(node, args.node_name)
        if not wait_for_node(node, target, args.timeout):
            return 'Node not found'
        values = _get_values(node, target, [args.parameter_name])
    if not values:
        return 'Parameter not set'
    label = _LABELS.get(values[0].type)
    if label is None:
        print(None if args.hide_type else 'Parameter not set.')
    elif args.hide_type:
        print(_plain(values[0]))
    else:
        print(label, _plain(values[0]))
    return None


def _set(args: argparse.Namespace) -> str | None:
    with cli_node(args) as node:
        target = full_name(node, args.node_name)
        if not wait_for_node(node, target, args.timeout):
            return 'Node not found'
        parameter = Parameter(
            name=args.parameter_name, value=get_parameter_value(args.value))
        response = call(
            node, SetParameters, f'{target}/set_parameters',
            SetParameters.Request(parameters=[parameter]))
    result = response.results[0]
    reason = f': {result.reason}' if result.reason else ''
    if result.successful:
        print(f'Set parameter successful{reason}')
    else:
        # Upstream's exit code is 0 here, too.
        print(f'Setting parameter failed{reason}', file=sys.stderr)
    return None


def _describe(args: argparse.Namespace) -> str | None:
    with cli_node(args) as node:
        target = full_name(node, args.node_name)
        if not wait_for_node(node, target, args.timeout):
            return 'Node not found'
        for descriptor in _descriptors(node, target, args.parameter_names):
            _print_descriptor(descriptor)
    return None


def _print_descriptor(descriptor: ParameterDescriptor) -> None:
    print('Parameter name:', descriptor.name)
    print('  Type:', _TYPES.get(descriptor.type, 'invalid type'))
    if descriptor.description:
        print('  Description:', descriptor.description)
    print('  Constraints:')
    if descriptor.read_only:
        print('    Read only: true')
    for limits in [*descriptor.floating_point_range, *descriptor.integer_range][:1]:
        print('    Min value:', limits.from_value)
        print('    Max value:', limits.to_value)
        if limits.step:
            print('    Step:', limits.step)
    if descriptor.additional_constraints:
        print('    Additional constraints:', descriptor.additional_constraints)


def _dump(args: argparse.Namespace) -> str | None:
    with cli_node(args) as node:
        target = full_name(node, args.node_name)
        if not wait_for_node(node, target, args.timeout):
            return 'Node not found'
        names = _list_names(node, target, [])
        values = [_plain(value) for value in _get_values(node, target, names)]
    nested: dict[str, Any] = {}
    for name, value in zip(names, values, strict=True):
        *groups, leaf = name.split('.')
        level = nested
        for group in groups:
            level = level.setdefault(group, {})
        level[leaf] = value
    print(yaml.safe_dump({target: {'ros__parameters': nested}}, default_flow_style=False))
    return None
