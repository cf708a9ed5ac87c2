# SPDX-License-Identifier: Apache-2.0
"""Stands where a SpaceMouse would: plays a recording of report bytes through the real parser.

A recording is a text file: the table's name in the first line, then ``seconds hex-bytes`` a line; ``seconds unplug``
and ``seconds plug`` take the device away and bring it back; ``#`` begins a comment.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from igrft.devices.device import DeviceError
from igrft.devices.spacemouse import Reports

UNPLUG, PLUG, REPORT = 'unplug', 'plug', 'report'


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens ``at`` seconds after the device was first opened."""

    at: float
    what: str
    report: bytes = b''


@dataclass(frozen=True, slots=True)
class Recording:
    """device: the table's name; events: in order of time."""

    device: str
    events: tuple[Event, ...]


def read_recording(path: Path | str) -> Recording:
    """Read a recording.

    Raises:
        DeviceError: naming the line that cannot be read.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding='ascii')
    except OSError as error:
        raise DeviceError(f'{path}: {error.strerror}') from error
    lines = [(i, line.partition('#')[0].strip()) for i, line in enumerate(text.splitlines(), start=1)]
    lines = [(i, line) for i, line in lines if line]
    if not lines:
        raise DeviceError(f"{path}: empty; the first line names the device, e.g. 'SpaceMouseCompact'")
    events: list[Event] = []
    for number, line in lines[1:]:
        at, _, what = line.partition(' ')
        try:
            event = Event(float(at), what) if what in (UNPLUG, PLUG) else Event(float(at), REPORT, bytes.fromhex(what))
        except ValueError as error:
            raise DeviceError(f"{path}:{number}: write 'seconds hex-bytes', got '{line}'") from error
        if events and event.at < events[-1].at:
            raise DeviceError(f'{path}:{number}: the times must not go back')
        events.append(event)
    return Recording(lines[0][1], tuple(events))


class FakeSpaceMouse:
    """Opens the recording as a device file would be opened; its clock runs from the first opening.

    Args:
        recording: what to play.
        clock: monotonic seconds.
        loop: begin again at the end.
    """

    def __init__(
        self, recording: Recording, clock: Callable[[], float] = time.monotonic, loop: bool = False
    ) -> None:
        self.recording = recording
        self._clock = clock
        self._loop = loop
        self._begin: float | None = None
        self._next = 0
        self._plugged = True

    def open(self) -> Reports:
        """As :func:`igrft.devices.spacemouse.open_hidraw`.

        Raises:
            DeviceError: the recording has the device unplugged now.
        """
        if self._begin is None:
            self._begin = self._clock()
        while not self._plugged and (event := self._due()) is not None:
            self._plugged = event.what == PLUG
        if not self._plugged:
            raise DeviceError('the recording has the device unplugged')
        return _Opened(self)

    def take(self) -> bytes:
        """The next report that is due, empty when none is.

        Raises:
            OSError: the device is unplugged, as a device file says it.
        """
        while (event := self._due()) is not None:
            if event.what == REPORT:
                return event.report
            self._plugged = event.what == PLUG
            if not self._plugged:
                raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        return b''

    def _due(self) -> Event | None:
        """Take the next event if its time has come."""
        begin = self._clock() if self._begin is None else self._begin
        events = self.recording.events
        if self._loop and events and self._next == len(events):
            self._begin, self._next = begin + events[-1].at, 0
            begin = self._begin
        if self._next == len(events) or events[self._next].at > self._clock() - begin:
            return None
        self._next += 1
        return events[self._next - 1]


class _Opened:
    def __init__(self, fake: FakeSpaceMouse) -> None:
        self._fake = fake
        self.device = fake.recording.device

    def read(self) -> bytes:
        return self._fake.take()

    def fileno(self) -> int | None:
        """A recording wakes nobody."""
        return None

    def close(self) -> None:
        """Nothing is held."""
