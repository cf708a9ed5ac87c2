# SPDX-License-Identifier: Apache-2.0
"""``ros2 pkg``."""

from __future__ import annotations

import argparse

from ament_index_python.packages import get_packages_with_prefixes

from .main import add_verbs
from .packages import executables_of, prefix_of, share_of


def _package(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('package_name', help='The package name')


def _prefix_arguments(parser: argparse.ArgumentParser) -> None:
    _package(parser)
    parser.add_argument(
        '--share', action='store_true', help='Show share directory for the package')


def _executables_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('package_name', nargs='?', help='The package name')
    parser.add_argument(
        '--full-path', action='store_true', help='Show the full path of each executable')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs of ``ros2 pkg``."""
    add_verbs(parser, {
        'executables': (
            _executables_arguments, _executables, 'Output a list of package specific executables'),
        'list': (lambda parser: None, _list, 'Output a list of available packages'),
        'prefix': (_prefix_arguments, _prefix, 'Output the prefix path of a package'),
    })


def _list(args: argparse.Namespace) -> None:
    for name in sorted(get_packages_with_prefixes()):
        print(name)


def _prefix(args: argparse.Namespace) -> str | None:
    try:
        print(share_of(args.package_name) if args.share else prefix_of(args.package_name))
    except RuntimeError:
        return 'Package not found'
    return None


def _executables(args: argparse.Namespace) -> str | None:
    names = [args.package_name] if args.package_name else sorted(get_packages_with_prefixes())
    for name in names:
        try:
            paths = executables_of(name)
        except RuntimeError:
            return 'Package not found'
        for path in sorted(paths):
            if args.full_path:
                print(path)
            else:
                print(path.name if args.package_name else f'{name} {path.name}')
    return None
