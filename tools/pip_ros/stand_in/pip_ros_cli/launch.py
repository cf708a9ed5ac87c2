# SPDX-License-Identifier: Apache-2.0
"""``ros2 launch``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from .packages import share_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ros2 launch``."""
    parser.add_argument(
        '-n', '--noninteractive', action='store_true',
        default=sys.stdin is None or not sys.stdin.isatty(),
        help='Run the launch system non-interactively, with no terminal associated')
    parser.add_argument(
        '-d', '--debug', action='store_true',
        help='Put the launch system in debug mode, provides more verbose output.')
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        '-p', '--print', '--print-description', action='store_true',
        help='Print the launch description to the console without launching it.')
    group.add_argument(
        '-s', '--show-args', '--show-arguments', action='store_true',
        help='Show arguments that may be given to the launch file.')
    parser.add_argument(
        '-a', '--show-all-subprocesses-output', action='store_true',
        help="Show all launched subprocesses' output by overriding their output configuration "
             'using the OVERRIDE_LAUNCH_PROCESS_OUTPUT envvar.')
    parser.add_argument(
        '--launch-prefix', help='Prefix command, which should go before all executables.')
    parser.add_argument(
        '--launch-prefix-filter',
        help='Regex pattern for filtering which executables the --launch-prefix is applied to.')
    parser.add_argument(
        'package_name', help='Name of the ROS package which contains the launch file')
    parser.add_argument('launch_file_name', nargs='?', help='Name of the launch file')
    parser.add_argument(
        'launch_arguments', nargs='*',
        help="Arguments to the launch file; '<name>:=<value>' (for duplicates, last one wins)")
    parser.set_defaults(run=run)


def find_launch_file(package: str, name: str | None) -> str:
    """Return the path of the launch file `name` anywhere in the package's share directory.

    Raises:
        RuntimeError: if there is no such package or file, or more than one such file.
    """
    if name is None:
        raise RuntimeError(f"'{package}' is not a file; for a package, name its launch file, too")
    share = share_of(package)
    found = [
        str(Path(root, name)) for root, _, files in os.walk(share, followlinks=False)
        if name in files]
    if not found:
        raise RuntimeError(
            f"file '{name}' was not found in the share directory of package '{package}' which is "
            f"at '{share}'")
    if len(found) > 1:
        raise RuntimeError(
            f"file '{name}' was found more than once in the share directory of package "
            f"'{package}': {found}")
    return found[0]


def parse_launch_arguments(arguments: list[str]) -> dict[str, str]:
    """Return name → value of ``name:=value`` words; the last one wins.

    Raises:
        RuntimeError: for words of any other form.
    """
    result = {}
    for argument in arguments:
        name, separator, value = argument.partition(':=')
        if not name or not separator or not value:
            raise RuntimeError(
                f"malformed launch argument '{argument}', expected format '<name>:=<value>'")
        result[name] = value
    return result


def run(args: argparse.Namespace) -> int | str:
    """Launch, print or describe a launch file."""
    words = list(args.launch_arguments)
    if Path(args.package_name).is_file():
        path = args.package_name
        if args.launch_file_name is not None:
            words.insert(0, args.launch_file_name)
    else:
        path = find_launch_file(args.package_name, args.launch_file_name)
    if args.launch_prefix is None and args.launch_prefix_filter is not None:
        return '--launch-prefix must be specified if --launch-prefix-filter is provided'
    if args.show_all_subprocesses_output:
        os.environ['OVERRIDE_LAUNCH_PROCESS_OUTPUT'] = 'both'

    from launch.launch_description_sources import (
        InvalidLaunchFileError,
        get_launch_description_from_any_launch_file,
    )

    if args.print or args.show_args:
        try:
            description = get_launch_description_from_any_launch_file(path)
        except InvalidLaunchFileError as error:
            return str(error)
        if args.print:
            from launch import LaunchIntrospector

            print(LaunchIntrospector().format_launch_description(description))
        else:
            _show_arguments(description.get_launch_arguments())
        return 0
    if args.launch_prefix:
        words.append(f'launch-prefix:={args.launch_prefix}')
    if args.launch_prefix_filter:
        words.append(f'launch-prefix-filter:={args.launch_prefix_filter}')
    return _launch(path, words, args)


def _launch(path: str, words: list[str], args: argparse.Namespace) -> int:
    from launch import LaunchDescription, LaunchService
    from launch.actions import IncludeLaunchDescription
    from launch.launch_description_sources import AnyLaunchDescriptionSource

    given = parse_launch_arguments(words)
    service = LaunchService(argv=words, noninteractive=args.noninteractive, debug=args.debug)
    service.include_launch_description(LaunchDescription([
        IncludeLaunchDescription(
            AnyLaunchDescriptionSource(path), launch_arguments=list(given.items()))]))
    return service.run()


def _show_arguments(arguments: list) -> None:  # type: ignore[type-arg]
    print("Arguments (pass arguments as '<name>:=<value>'):")
    for argument in arguments:
        star = '*' if argument._conditionally_included else ''
        print(f"\n    '{argument.name}':{star}\n        {argument.description}", end='')
        if argument.default_value is not None:
            default = ' + '.join(part.describe() for part in argument.default_value)
            print(f'\n        (default: {default})', end='')
        print()
    if not arguments:
        print('\n  No arguments.')
    elif any(argument._conditionally_included for argument in arguments):
        print('\n* argument(s) which are only used if specific conditions occur')
