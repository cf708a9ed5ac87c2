# SPDX-License-Identifier: Apache-2.0
"""``ros2 run``."""

from __future__ import annotations

import argparse
import shlex
import signal
import subprocess
import sys
from types import FrameType

from .packages import executables_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ros2 run``."""
    parser.add_argument(
        '--prefix', help='Prefix command, which should go before the executable.')
    parser.add_argument('package_name', help='Name of the ROS package')
    parser.add_argument('executable_name', help='Name of the executable')
    parser.add_argument(
        'argv', nargs=argparse.REMAINDER, help='Pass arbitrary arguments to the executable')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int | str:
    """Run the executable; return its exit code."""
    paths = [
        path for path in executables_of(args.package_name) if path.name == args.executable_name]
    if not paths:
        return 'No executable found'
    if len(paths) > 1:
        return '\n- '.join(['Multiple executables found:', *map(str, paths)])
    prefix = shlex.split(args.prefix) if args.prefix else []
    process = subprocess.Popen([*prefix, str(paths[0]), *args.argv])
    interactive = sys.stdin is not None and sys.stdin.isatty()

    def forward(number: int, frame: FrameType | None) -> None:
        # A terminal gives Ctrl-C to the executable, too; `kill` gives it to us alone.
        if process.poll() is None and not (interactive and number == signal.SIGINT):
            process.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, forward)
    code = process.wait()
    if code < 0:
        print('[ros2run]:', signal.strsignal(-code))
    elif code > 0:
        print('[ros2run]: Process exited with failure', code)
    return code
