# SPDX-License-Identifier: Apache-2.0
"""Events of launched processes, and events that are addressed to them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .._refuse import module_getattr
from ..event import Event

if TYPE_CHECKING:
    from ..action import Action

__all__ = [
    'ProcessExited',
    'ProcessIO',
    'ProcessStarted',
    'ProcessStderr',
    'ProcessStdin',
    'ProcessStdout',
    'ProcessTargetedEvent',
    'RunningProcessEvent',
    'ShutdownProcess',
    'SignalProcess',
    'matches_executable',
    'matches_name',
    'matches_pid',
]


class RunningProcessEvent(Event):
    """Something that a launched process did."""

    name = 'launch.events.process.RunningProcessEvent'

    def __init__(
        self,
        *,
        action: Action,
        name: str,
        cmd: list[str],
        cwd: str | None,
        env: Mapping[str, str] | None,
        pid: int,
    ) -> None:
        self.action = action
        self.process_name = name
        self.cmd = cmd
        self.cwd = cwd
        self.env = env
        self.pid = pid


class ProcessStarted(RunningProcessEvent):
    """A process started."""

    name = 'launch.events.process.ProcessStarted'


class ProcessExited(RunningProcessEvent):
    """A process ended; a `returncode` below zero is the signal that killed it."""

    name = 'launch.events.process.ProcessExited'

    def __init__(self, *, returncode: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.returncode = returncode


class ProcessIO(RunningProcessEvent):
    """A process wrote, or is to read, `text` (bytes)."""

    name = 'launch.events.process.ProcessIO'

    def __init__(self, *, text: bytes, fd: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.text = text
        self.fd = fd

    @property
    def from_stdin(self) -> bool:
        """Whether it is input."""
        return self.fd == 0

    @property
    def from_stdout(self) -> bool:
        """Whether it came from standard output."""
        return self.fd == 1

    @property
    def from_stderr(self) -> bool:
        """Whether it came from standard error."""
        return self.fd == 2


class ProcessStdin(ProcessIO):
    """Input for a process."""

    name = 'launch.events.process.ProcessStdin'

    def __init__(self, *, text: bytes, **kwargs: Any) -> None:
        super().__init__(text=text, fd=0, **kwargs)


class ProcessStdout(ProcessIO):
    """A process wrote to standard output."""

    name = 'launch.events.process.ProcessStdout'

    def __init__(self, *, text: bytes, **kwargs: Any) -> None:
        super().__init__(text=text, fd=1, **kwargs)


class ProcessStderr(ProcessIO):
    """A process wrote to standard error."""

    name = 'launch.events.process.ProcessStderr'

    def __init__(self, *, text: bytes, **kwargs: Any) -> None:
        super().__init__(text=text, fd=2, **kwargs)


class ProcessTargetedEvent(Event):
    """An event addressed to the processes that `process_matcher` accepts."""

    name = 'launch.events.process.ProcessTargetedEvent'

    def __init__(self, *, process_matcher: Callable[[Any], bool]) -> None:
        self.process_matcher = process_matcher


class ShutdownProcess(ProcessTargetedEvent):
    """Shut these processes down: SIGINT, then SIGTERM, then SIGKILL."""

    name = 'launch.events.process.ShutdownProcess'


class SignalProcess(ProcessTargetedEvent):
    """Send these processes a signal (``signal.SIGUSR1``, ``'SIGUSR1'``)."""

    name = 'launch.events.process.SignalProcess'

    def __init__(
        self, *, signal_number: str | signal.Signals, process_matcher: Callable[[Any], bool]
    ) -> None:
        super().__init__(process_matcher=process_matcher)
        self.signal = (
            signal.Signals[signal_number] if isinstance(signal_number, str)
            else signal.Signals(signal_number))

    @property
    def signal_name(self) -> str:
        """The signal's name."""
        return self.signal.name


def matches_pid(pid: int) -> Callable[[Any], bool]:
    """Return a matcher for the process with this id."""
    return lambda action: (
        action.process_details is not None and action.process_details['pid'] == pid)


def matches_name(name: str) -> Callable[[Any], bool]:
    """Return a matcher for processes with this final name (``talker-1``)."""
    return lambda action: (
        action.process_details is not None and action.process_details['name'] == name)


def matches_executable(executable: str) -> Callable[[Any], bool]:
    """Return a matcher for processes whose command starts with this executable."""
    return lambda action: (
        action.process_details is not None
        and action.process_details['cmd'][0] == executable)


__getattr__ = module_getattr(__name__, __all__)
