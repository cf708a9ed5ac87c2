# SPDX-License-Identifier: Apache-2.0
"""Stands where a SpaceMouse would be plugged in: report bytes through a socket, from another process or thread.

A packet socket keeps reports apart as a hidraw device does; a cap that is held repeats its reports, as a real one
does; unplugging closes the socket, plugging opens it anew. `device: fake_spacemouse` with the socket as its `path`
reads it, through the real parser.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from igrft.devices.device import DeviceError
from igrft.devices.spacemouse import AXES, REPORT_SIZE, device_tables
from igrft.startup import go_first

PERIOD = 0.008
"""[s] between the reports of a cap that is held"""


class SocketReports:
    """Reports from a :class:`FakeHid`, as :class:`igrft.devices.spacemouse.HidrawReports` reads a device file.

    Raises:
        OSError: nothing is plugged in.
    """

    def __init__(self, path: Path | str, device: str) -> None:
        self.device = device
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._socket.setblocking(False)

    def read(self) -> bytes:
        try:
            report = self._socket.recv(REPORT_SIZE)
        except BlockingIOError:
            return b''
        if not report:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        return report

    def fileno(self) -> int | None:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()


class ReportWriter:
    """Axes and buttons to report bytes: :class:`igrft.devices.spacemouse.ReportParser` backwards.

    Args:
        device: name in the tables.
    """

    def __init__(self, device: str) -> None:
        tables = device_tables()
        if device not in tables:
            raise DeviceError(f"no SpaceMouse is called '{device}'")
        self._table = tables[device]
        specs = [*self._table.button_specs]
        self._button_bytes = max((spec.byte for spec in specs), default=1) + 1

    def motion(self, axes: Mapping[str, float]) -> list[bytes]:
        """The reports of a deflection in [-1, 1] an axis, in the device's own layout."""
        reports: dict[int, bytearray] = {}
        for axis in AXES:
            spec = self._table.mappings[axis]
            report = reports.setdefault(spec.channel, bytearray([spec.channel]))
            report.extend(bytes(max(0, spec.byte2 + 1 - len(report))))
            counts = round(spec.scale * self._table.axis_scale * max(-1.0, min(1.0, axes.get(axis, 0.0))))
            low, high = counts.to_bytes(2, 'little', signed=True)
            report[spec.byte1], report[spec.byte2] = low, high
        return [bytes(reports[channel]) for channel in sorted(reports)]

    def buttons(self, pressed: Iterable[str]) -> bytes:
        """The report of the buttons that are down.

        Raises:
            KeyError: the device has no such button.
        """
        specs = dict(zip(self._table.button_names, self._table.button_specs, strict=True))
        report = bytearray([3]) + bytearray(self._button_bytes - 1)
        for name in pressed:
            report[specs[name].byte] |= 1 << specs[name].bit
        return bytes(report)


class FakeHid:
    """The device's side of the socket. Use as a context manager; every method may be called from any thread.

    Args:
        path: of the socket.
        device: name in the tables.
    """

    def __init__(self, path: Path | str, device: str = 'SpaceMouseCompact') -> None:
        self._path = str(path)
        self._writer = ReportWriter(device)
        self._lock = threading.Condition()
        self._clients: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self._axes: dict[str, float] = {}
        self._pressed: frozenset[str] = frozenset()
        self._silent = False
        self._missed = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._repeat, daemon=True)

    def __enter__(self) -> FakeHid:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Plug it in and begin to repeat."""
        self.plug()
        self._thread.start()

    def close(self) -> None:
        """Unplug it for good."""
        self._closed.set()
        self.unplug()
        self._thread.join()

    def hold(self, axes: Mapping[str, float], pressed: Iterable[str] = ()) -> float:
        """The hand lies so from now on. Returns when it was written (monotonic) [s]."""
        with self._lock:
            self._silent = False
            self._axes = dict(axes)
            down = frozenset(pressed)
            if down != self._pressed:
                self._pressed = down
                self._send(self._writer.buttons(down))
            for report in self._writer.motion(self._axes):
                self._send(report)
            return time.monotonic()

    def silence(self) -> float:
        """The reports stop while the device stays plugged in: its battery is empty. Returns when [s]."""
        with self._lock:
            self._silent = True
            return time.monotonic()

    def unplug(self) -> float:
        """Returns when [s]."""
        with self._lock:
            when = time.monotonic()
            if self._listener is not None:
                self._listener.close()
                self._listener = None
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._path)
            for client in self._clients:
                client.close()
            self._clients.clear()
            self._axes, self._pressed, self._silent = {}, frozenset(), False
            return when

    def plug(self) -> float:
        """Returns when [s]."""
        with self._lock:
            if self._listener is None:
                if Path(self._path).is_socket():  # of a process that was killed
                    os.unlink(self._path)
                self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                self._listener.bind(self._path)
                self._listener.listen()
                self._listener.setblocking(False)
            return time.monotonic()

    def wait_for_reader(self, timeout: float) -> None:
        """Until somebody has opened the device.

        Raises:
            TimeoutError: nobody did within ``timeout`` seconds.
        """
        with self._lock:
            if not self._lock.wait_for(lambda: bool(self._clients), timeout):
                raise TimeoutError(f'{self._path}: nobody opened it within {timeout:g} s')

    def _repeat(self) -> None:
        go_first()  # as the kernel would, whatever else runs
        while not self._closed.wait(PERIOD):
            with self._lock:
                self._accept()
                missed, self._missed = self._missed, False
                if missed:
                    self._send(self._writer.buttons(self._pressed))
                if (missed or any(self._axes.values())) and not self._silent:
                    for report in self._writer.motion(self._axes):
                        self._send(report)

    def _accept(self) -> None:
        if self._listener is None:
            return
        with contextlib.suppress(BlockingIOError):
            client, _ = self._listener.accept()
            client.setblocking(False)
            self._clients.append(client)
            self._lock.notify_all()

    def _send(self, report: bytes) -> None:
        for client in [*self._clients]:
            try:
                client.send(report)
            except BlockingIOError:
                # The queue of a packet socket is a tenth of the kernel's for a device: what it refuses comes again.
                self._missed = True
            except OSError:
                client.close()
                self._clients.remove(client)
