# SPDX-License-Identifier: Apache-2.0
"""``ros2 interface``."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from ament_index_python.resources import get_resource, get_resources

from .main import add_verbs
from .packages import share_of

_KINDS = {'msg': 'Messages', 'srv': 'Services', 'action': 'Actions'}
_PRIMITIVES = frozenset((
    'bool', 'byte', 'char', 'float32', 'float64', 'int8', 'uint8', 'int16', 'uint16', 'int32',
    'uint32', 'int64', 'uint64', 'string', 'wstring'))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs of ``ros2 interface``."""
    add_verbs(parser, {
        'list': (_list_arguments, _list, 'List all interface types available'),
        'package': (_package_arguments, _package,
                    'Output a list of available interface types within one package'),
        'show': (_show_arguments, _show, 'Output the interface definition'),
    })


def interfaces_of(package: str) -> list[str]:
    """Return the interfaces of `package` as ``msg/Name``."""
    try:
        content, _ = get_resource('rosidl_interfaces', package)
    except (LookupError, ValueError) as error:
        raise RuntimeError(f"Unknown package '{package}'") from error
    names = {
        str(Path(line).with_suffix('')) for line in content.splitlines()
        if Path(line).suffix in ('.msg', '.srv', '.action', '.idl')}
    return sorted(name for name in names if name.split('/')[0] in _KINDS)


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '-m', '--only-msgs', action='store_true', help='Print out only the message types')
    parser.add_argument(
        '-s', '--only-srvs', action='store_true', help='Print out only the service types')
    parser.add_argument(
        '-a', '--only-actions', action='store_true', help='Print out only the action types')


def _list(args: argparse.Namespace) -> None:
    chosen = {'msg': args.only_msgs, 'srv': args.only_srvs, 'action': args.only_actions}
    for kind, title in _KINDS.items():
        if any(chosen.values()) and not chosen[kind]:
            continue
        print(f'{title}:')
        for package in sorted(get_resources('rosidl_interfaces')):
            for name in interfaces_of(package):
                if name.startswith(f'{kind}/'):
                    print(f'    {package}/{name}')


def _package_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('package_name', help="Name of the ROS package (e.g. 'std_msgs')")


def _package(args: argparse.Namespace) -> None:
    for name in interfaces_of(args.package_name):
        print(f'{args.package_name}/{name}')


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        '--all-comments', action='store_true',
        help='Show all comments, including for nested interface definitions')
    group.add_argument(
        '--no-comments', action='store_true', help='Show no comments or whitespace')
    parser.add_argument(
        'type', help="Show an interface definition (e.g. 'std_msgs/msg/String'); '-' reads the "
                     'type from standard input')


def _show(args: argparse.Namespace) -> str | None:
    name = sys.stdin.readline().strip() if args.type == '-' else args.type
    if not name:
        return 'the passed value is empty'
    _print_definition(name, not args.no_comments, args.all_comments, 0)
    return None


def definition_path(name: str) -> Path:
    """Return the file that defines the interface ``package/kind/Name``.

    Raises:
        RuntimeError: if there is none.
    """
    parts = name.split('/')
    if len(parts) != 3:
        raise RuntimeError(f"Invalid name '{name}'. Expected three parts separated by '/'")
    package, kind, leaf = parts
    path = share_of(package) / kind / f'{leaf}.{kind}'
    if not path.is_file():
        raise RuntimeError(f"Could not find the interface '{name}' at '{path}'")
    return path


def _print_definition(name: str, comments: bool, nested_comments: bool, indent: int) -> None:
    package = name.split('/')[0]
    for line in definition_path(name).read_text(encoding='utf-8').splitlines():
        text = line.rstrip()
        if not comments:
            # A '#' inside a string default is no comment; message files hardly have one.
            text = re.sub(r'\s*#.*', '', text)
            if not text:
                continue
        print('\t' * indent + text if text else '')
        nested = nested_type(text, package)
        if nested:
            _print_definition(nested, nested_comments, nested_comments, indent + 1)


def nested_type(line: str, package: str) -> str | None:
    """Return the full name of the message that a field line refers to, if it does."""
    match = re.match(r'\s*(?P<type>[A-Za-z][A-Za-z0-9_/]*)(<=\d+)?(\[[^\]]*\])?\s+[a-z]', line)
    if match is None or match['type'] in _PRIMITIVES:
        return None
    parts = match['type'].split('/')
    if len(parts) == 1:
        return f'{package}/msg/{parts[0]}'
    return f'{parts[0]}/msg/{parts[-1]}'
