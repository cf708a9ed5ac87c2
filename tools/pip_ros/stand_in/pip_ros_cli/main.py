# SPDX-License-Identifier: Apache-2.0
"""The ``ros2`` command line: which module answers which command, and what exit codes mean."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from types import FrameType
from typing import Any, NoReturn

# Command → (module, what it is for). Modules are imported only when asked for: rclpy is slow.
COMMANDS = {
    'action': ('action', 'Various action related sub-commands'),
    'bag': ('bag', 'Various rosbag related sub-commands'),
    'interface': ('interface', 'Show information about ROS interfaces'),
    'launch': ('launch', 'Run a launch file'),
    'lifecycle': ('lifecycle', 'Various lifecycle related sub-commands'),
    'node': ('node', 'Various node related sub-commands'),
    'param': ('param', 'Various param related sub-commands'),
    'pkg': ('pkg', 'Various package related sub-commands'),
    'run': ('run', 'Run a package specific executable'),
    'service': ('service', 'Various service related sub-commands'),
    'topic': ('topic', 'Various topic related sub-commands'),
}
CONTEXT_ENDED = ('ExternalShutdownException', 'InvalidHandle', 'NotInitializedException', 'RCLError')
REAL_ONLY = ('component', 'control', 'daemon', 'doctor', 'multicast', 'security', 'test', 'wtf')


class Parser(argparse.ArgumentParser):
    """Refuses unknown words with the nearest one that is known."""

    def error(self, message: str) -> NoReturn:
        if 'invalid choice' in message:
            words = message.split("'")
            known = [word for word in words[3::2]]
            close = get_close_matches(words[1], known, n=1)
            if words[1] in REAL_ONLY:
                message += f"; '{words[1]}' is not in the stand-in: install ROS 2 for it"
            elif close:
                message += f"; did you mean '{close[0]}'?"
        super().error(message)


def add_verbs(
    parser: argparse.ArgumentParser, verbs: dict[str, tuple[Any, Any, str]]
) -> None:
    """Add sub-commands: name → (adds arguments, runs it, help)."""
    subparsers = parser.add_subparsers(metavar='<verb>', title='Commands', parser_class=Parser)
    for name, (add_arguments, run, text) in verbs.items():
        verb = subparsers.add_parser(name, help=text, description=text)
        add_arguments(verb)
        verb.set_defaults(run=run)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one ``ros2`` command; return its exit code.

    0 done; 1 failed, with the reason on standard error; 2 for a wrong command line and, as
    upstream, for Ctrl-C; 15 for SIGTERM.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = Parser(
        prog='ros2', description='ros2 is an extensible command-line tool for ROS 2 (stand-in).')
    parser.add_argument('--use-python-default-buffering', action='store_true')
    commands = parser.add_subparsers(
        metavar='<command>', title='Commands', dest='command', parser_class=Parser)
    word = next((each for each in arguments if not each.startswith('-')), None)
    for name, (module, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=None, parser=command)
        if name == word:
            importlib.import_module(f'.{module}', __package__).add_arguments(command)
    args = parser.parse_args(arguments)
    if args.command is None:
        parser.print_help()
        return 0
    if args.run is None:
        args.parser.print_help()
        return 0
    if not args.use_python_default_buffering and hasattr(sys.stdout, 'reconfigure'):
        sys.stdout.reconfigure(line_buffering=True)
    return _exit_code(args)


def _exit_code(args: argparse.Namespace) -> int:
    received: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    try:
        with _on_signals(end):
            result = args.run(args)
    except KeyboardInterrupt:
        return received[0] if received else signal.SIGINT
    except BrokenPipeError:
        # The reader (head, grep -q) has what it wanted.
        sys.stdout = None
        return 0
    except Exception as error:
        # rclpy ends its context on a signal, too; what that makes fail may come before the
        # KeyboardInterrupt, or while a destructor swallows it.
        if received and type(error).__name__ in CONTEXT_ENDED:
            return received[0]
        if not isinstance(error, RuntimeError):
            raise
        result = str(error)
    if isinstance(result, str):
        print(result, file=sys.stderr)
        return 1
    return int(result or (received[0] if received else 0))


@contextmanager
def _on_signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let `handler` hear of SIGINT and SIGTERM, where nobody else does.

    A command may put its own handler in its place. Only the main thread may say so.
    """
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    if threading.current_thread() is not threading.main_thread():
        usual = {}
    before = {number: signal.getsignal(number) for number in usual}
    ours = [number for number in usual if before[number] is usual[number]]
    for number in ours:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in ours:
            if signal.getsignal(number) is handler:
                signal.signal(number, before[number])
