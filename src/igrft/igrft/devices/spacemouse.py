# SPDX-License-Identifier: Apache-2.0
"""3Dconnexion SpaceMouse over Linux hidraw, by the device tables of ``pyspacemouse``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from igrft.config import nearest
from igrft.devices.device import GONE, DeviceError, RawInput

AXES = ('x', 'y', 'z', 'roll', 'pitch', 'yaw')
REPORT_SIZE = 64
"""[bytes] more than any report of these devices"""
COMBINED_REPORT = 13
"""[bytes] a report 1 of this length carries rotation too, whatever the table says (newer firmware)"""
SILENCE = 0.05
"""[s] A deflected cap repeats its report at 60 Hz and more; once it falls silent its last value is not trusted."""
LONGEST_LOOK = 0.02
"""[s] that count as silence between two looks: a reader that was held up has not listened meanwhile."""
MULTI_AXIS = bytes((0x05, 0x01, 0x09, 0x08))
"""How a report descriptor begins that is a cap's: usage page generic desktop, usage multi-axis controller. A wireless
receiver shows itself as several devices, a mouse and a keyboard among them."""
UDEV_RULES = 'config/udev/70-igrft-spacemouse.rules'
"""Lets the user at the seat read 3Dconnexion devices."""


class ReportParser:
    """HID reports of one device type to axes and buttons.

    Args:
        device: name in the tables, e.g. ``SpaceMouseCompact``.
    """

    def __init__(self, device: str) -> None:
        tables = device_tables()
        if device not in tables:
            raise DeviceError(f"no SpaceMouse is called '{device}'; {nearest(device, tables)}")
        self._table = tables[device]
        self._combined = self._table.mappings['x'].channel == self._table.mappings['roll'].channel
        self._raw = dict.fromkeys(AXES, 0.0)
        self._pressed: set[str] = set()

    def feed(self, report: bytes) -> RawInput:
        """Take one report, the report id first; what is short or unknown changes nothing."""
        if report:
            self._axes(report)
            self._buttons(report)
        return RawInput(dict(self._raw), frozenset(self._pressed))

    def rest(self) -> RawInput:
        """The cap is taken to be at rest."""
        self._raw = dict.fromkeys(AXES, 0.0)
        return RawInput(dict(self._raw), frozenset(self._pressed))

    def _axes(self, report: bytes) -> None:
        whole = not self._combined and report[0] == 1 and len(report) >= COMBINED_REPORT
        for axis, spec in self._table.mappings.items():
            low, high = spec.byte1, spec.byte2
            if whole and spec.channel == 2:
                low, high = low + 6, high + 6
            elif report[0] != spec.channel:
                continue
            if high < len(report):
                value = int.from_bytes(bytes((report[low], report[high])), 'little', signed=True)
                self._raw[axis] = max(-1.0, min(1.0, spec.scale * value / self._table.axis_scale))

    def _buttons(self, report: bytes) -> None:
        table = self._table
        for name, spec in zip(table.button_names, table.button_specs, strict=True):
            if spec.channel == report[0] and spec.byte < len(report):
                if report[spec.byte] >> spec.bit & 1:
                    self._pressed.add(name)
                else:
                    self._pressed.discard(name)


class Reports(Protocol):
    """Where reports come from: a device file, or a recording."""

    device: str

    def read(self) -> bytes:
        """The next report, empty when there is none now.

        Raises:
            OSError: the device is gone.
        """
        ...

    def fileno(self) -> int | None:
        """A descriptor that can be waited on, None where there is none."""
        ...

    def close(self) -> None: ...


class HidrawReports:
    """Reports of a hidraw device file, without blocking."""

    def __init__(self, path: Path, device: str) -> None:
        self.device = device
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def read(self) -> bytes:
        try:
            return os.read(self._descriptor, REPORT_SIZE)
        except BlockingIOError:
            return b''

    def fileno(self) -> int | None:
        return self._descriptor

    def close(self) -> None:
        os.close(self._descriptor)


class SpaceMouse:
    """A SpaceMouse that may come and go.

    Args:
        open_reports: opens the reports; raises DeviceError or OSError while there is no device.
        retry: [s] between attempts to find it again.
        silence: [s] after which a deflected cap counts as gone.
    """

    name = 'spacemouse'

    def __init__(
        self, open_reports: Callable[[], Reports], retry: float = 0.5, silence: float = SILENCE
    ) -> None:
        self._open = open_reports
        self._retry = retry
        self._silence = silence
        self._reports: Reports | None = None
        self._parser: ReportParser | None = None
        self._state = GONE
        self._next_attempt = float('-inf')
        self._looked = float('-inf')
        self._quiet = 0.0
        self.problem = ''
        """Why there is no device, for the status."""

    def poll(self, now: float) -> RawInput:
        if self._reports is None and now >= self._next_attempt:
            self._next_attempt = now + self._retry
            self._connect(now)
        if self._reports is None or self._parser is None:
            return GONE
        self._quiet += min(now - self._looked, LONGEST_LOOK)
        self._looked = now
        tapped: frozenset[str] = frozenset()
        try:
            while report := self._reports.read():
                self._state = self._parser.feed(report)
                self._quiet = 0.0
                tapped |= self._state.pressed
        except OSError as error:
            self.problem = f'the SpaceMouse was unplugged ({error})'
            self._reports.close()
            self._reports = None
            self._next_attempt = now + self._retry
            return GONE
        if self._quiet > self._silence and any(self._state.axes.values()):
            # A wireless cap whose battery is empty says goodbye to nobody, and the receiver stays plugged in.
            self.problem = 'the SpaceMouse fell silent while it was deflected: out of range, or its battery is empty'
            self._parser.rest()
            return GONE
        self.problem = ''
        # A button that went down and up between two polls was pressed all the same.
        return replace(self._state, pressed=self._state.pressed | tapped)

    def fileno(self) -> int | None:
        return self._reports.fileno() if self._reports is not None else None

    def close(self) -> None:
        if self._reports is not None:
            self._reports.close()
            self._reports = None

    def _connect(self, now: float) -> None:
        try:
            self._reports = self._open()
        except (OSError, DeviceError) as error:
            self.problem = str(error)
            return
        self._parser = ReportParser(self._reports.device)
        self._state = self._parser.rest()
        self._looked, self._quiet = now, 0.0
        self.problem = ''


def device_tables() -> dict[str, Any]:
    """Every known device with its report layout, in REP-103 directions.

    Raises:
        DeviceError: ``pyspacemouse`` is not installed.
    """
    try:
        from pyspacemouse import AxisConvention, apply_axis_convention, get_device_specs
    except ImportError as error:
        raise DeviceError(f'a SpaceMouse needs pyspacemouse: pip install pyspacemouse ({error})') from error
    tables = get_device_specs()
    return {name: apply_axis_convention(table, AxisConvention.ROS) for name, table in tables.items()}


def find_hidraw(sysfs: Path = Path('/sys/class/hidraw')) -> tuple[Path, str]:
    """Device file and table name of the first SpaceMouse that is plugged in.

    Raises:
        DeviceError: none is.
    """
    by_id = {table.hid_id: name for name, table in device_tables().items()}
    for node in sorted(sysfs.glob('hidraw*')) if sysfs.is_dir() else []:
        identity = _hid_id(node / 'device' / 'uevent')
        if identity in by_id and _is_cap(node / 'device' / 'report_descriptor'):
            return Path('/dev') / node.name, by_id[identity]
    raise DeviceError('no SpaceMouse is plugged in (or /dev/hidraw* is not visible here)')


def _is_cap(descriptor: Path) -> bool:
    """Whether a HID interface is the cap's, as far as the system says."""
    try:
        return MULTI_AXIS in descriptor.read_bytes()
    except OSError:
        return True


def _hid_id(uevent: Path) -> tuple[int, int] | None:
    """USB vendor and product of a line like ``HID_ID=0003:0000256F:0000C635``."""
    try:
        lines: Sequence[str] = uevent.read_text(encoding='ascii', errors='replace').splitlines()
    except OSError:
        return None
    for line in lines:
        key, _, value = line.partition('=')
        parts = value.split(':')
        if key == 'HID_ID' and len(parts) == 3:
            return int(parts[1], 16), int(parts[2], 16)
    return None


def open_hidraw(path: str = '', device: str = '') -> Reports:
    """Open a SpaceMouse: the first one, or the device file ``path`` of type ``device``.

    Raises:
        DeviceError: there is none, or it may not be read.
    """
    file, found = (Path(path), device) if path else find_hidraw()
    try:
        return HidrawReports(file, device or found)
    except PermissionError as error:
        raise DeviceError(f'{file}: may not be read; install {UDEV_RULES} (docs/devices.md), then replug') from error
