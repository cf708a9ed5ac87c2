# SPDX-License-Identifier: Apache-2.0
"""Checks of the machine: disk, clock, ports, Python and the ROS environment."""

from __future__ import annotations

import ctypes
import errno
import importlib.util
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil

from igrft.doctor.findings import Finding, error, ok, skipped, warn

GIBI = 1024**3
PROBE = 16 * 1024**2
"""Bytes that are written to measure the disk."""
MARGIN = 3.0
"""Times the recorder's rate that the disk must write."""
STEP = 0.02
"""[s] by which the system clock may move against the steady one while we look."""


def existing(folder: Path) -> Path:
    """The folder, or the nearest parent that exists: where it would be made."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def check_disk(
    folder: Path,
    bytes_per_second: float,
    least_free: float,
    usage: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage,
) -> Iterator[Finding]:
    """Space for recordings, and the speed of writing them.

    Args:
        folder: of the episodes; made when it is needed, so it need not exist.
        bytes_per_second: what the recorder writes, before compression.
        least_free: [GiB]
        usage: total, used and free bytes of a folder's disk.
    """
    place = existing(folder)
    free = usage(place)[2]
    hours = free / max(bytes_per_second, 1.0) / 3600
    text = f'{free / GIBI:.1f} GiB free, {hours:.1f} h of recording at {bytes_per_second / 1e6:.1f} MB/s'
    if free < least_free * GIBI:
        yield error('disk', str(folder), f'{text}; at least {least_free:g} GiB are wanted',
                    'delete old episodes or checkpoints, or name another episodes_dir')  # fmt: skip
    else:
        yield ok('disk', str(folder), text)
    yield _write_speed(folder, place, bytes_per_second, free)


def _write_speed(folder: Path, place: Path, needed: float, free: int) -> Finding:
    if free < 2 * PROBE:
        return skipped('disk', f'{folder} (speed)', 'too full to measure how fast it writes')
    path = place / f'.igrft_doctor_{os.getpid()}'
    block = os.urandom(PROBE // 16)
    try:
        begin = time.perf_counter()
        with open(path, 'wb') as file:
            for _ in range(16):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        speed = PROBE / (time.perf_counter() - begin)
    except OSError as problem:
        full = problem.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        remedy = (
            'free the disk or your quota on it' if full else f'sudo chown $USER {place}, or name another episodes_dir'
        )
        return error('disk', f'{folder} (speed)', f'cannot be written: {problem.strerror}', remedy)
    finally:
        path.unlink(missing_ok=True)
    text = f'{speed / 1e6:.0f} MB/s written and synced, {needed / 1e6:.1f} MB/s needed'
    if speed < MARGIN * needed:
        return error('disk', f'{folder} (speed)', text, 'record to a local SSD; no network share, no SD card')
    return ok('disk', f'{folder} (speed)', text)


class ClockWatch:
    """Whether the system clock steps while something else is done; use as a context manager."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._steady = wall, steady
        self._begin = self._offset()
        self.step = 0.0

    def _offset(self) -> float:
        return self._wall() - self._steady()

    def __enter__(self) -> ClockWatch:
        self._begin = self._offset()
        return self

    def __exit__(self, *_: object) -> None:
        self.step = self._offset() - self._begin


def check_clock(step: float, synchronised: bool | None) -> Iterator[Finding]:
    """The clock runs evenly and with the rest of the world's."""
    if abs(step) > STEP:
        yield error('clock', 'system clock', f'it stepped by {step * 1e3:+.0f} ms while the streams were heard',
                    'let chrony slew it; no ntpdate, no manual setting while the robot runs')  # fmt: skip
    else:
        yield ok('clock', 'system clock', f'steady within {abs(step) * 1e3:.1f} ms')
    if synchronised is None:
        yield skipped('clock', 'synchronisation', 'the kernel does not tell')
    elif synchronised:
        yield ok('clock', 'synchronisation', 'the kernel says it is synchronised')
    else:
        yield warn('clock', 'synchronisation', 'the kernel says it is not synchronised',
                   'sudo apt install chrony; needed where more than one machine stamps messages')  # fmt: skip


def clock_synchronised() -> bool | None:
    """What ``adjtimex`` says; None where it cannot be asked."""
    unsynchronised = 0x40  # STA_UNSYNC
    buffer = (ctypes.c_char * 512)()  # struct timex: an unsigned int and four longs lie before status
    try:
        result = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    except (OSError, AttributeError):
        return None
    if result < 0:
        return None
    long = ctypes.sizeof(ctypes.c_long)
    status = ctypes.c_int.from_buffer(buffer, 5 * long).value
    return not status & unsynchronised


def check_port(port: int, host: str = '127.0.0.1') -> Iterator[Finding]:
    """The console's port is free, or the console's."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as problem:
            owner = _listener(port)
            if 'console_node' in owner:
                yield ok('port', f'{host}:{port}', 'the console serves it')
            else:
                yield error(
                    'port',
                    f'{host}:{port}',
                    f'{problem.strerror}, by {owner}',
                    f'end that program, or launch with console_port:={port + 1}',
                )
            return
    yield ok('port', f'{host}:{port}', 'free for the console')


def _listener(port: int) -> str:
    try:
        pids = {
            c.pid
            for c in psutil.net_connections('inet')
            if c.laddr and c.laddr.port == port and c.status == psutil.CONN_LISTEN
        }
    except psutil.AccessDenied:
        return 'another program'
    words = []
    for pid in filter(None, pids):
        try:
            words.append(f'{" ".join(psutil.Process(pid).cmdline())[:120]} (pid {pid})')
        except psutil.Error:  # it ended meanwhile, or is not ours to look at
            words.append(f'pid {pid}')
    return ', '.join(words) or "another user's program"


def check_environment(environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Python and ROS as igrft needs them."""
    yield ok('environment', 'Python', f'{sys.version_info.major}.{sys.version_info.minor}, {sys.executable}')
    missing = [name for name in ('rclpy', 'igrft_msgs', 'sensor_msgs') if importlib.util.find_spec(name) is None]
    if missing:
        yield error(
            'environment',
            'ROS',
            f'no {", ".join(missing)} in {sys.executable}',
            'use ./run, or source install/setup.bash',
        )
        return
    yield ok(
        'environment',
        'ROS',
        f'{environment.get("ROS_DISTRO", "unnamed")}, domain {environment.get("ROS_DOMAIN_ID", "0")}',
    )
    middleware = environment.get('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp')
    profiles = environment.get('FASTRTPS_DEFAULT_PROFILES_FILE') or environment.get('FASTDDS_DEFAULT_PROFILES_FILE', '')
    if 'fastrtps' not in middleware:
        yield ok('environment', 'middleware', middleware)
    elif not profiles:
        yield warn('environment', 'middleware', 'Fast DDS with its default transports loses large images',
                   'export FASTRTPS_DEFAULT_PROFILES_FILE=<workspace>/config/fastdds.xml; ./run does')  # fmt: skip
    elif not Path(profiles).is_file():
        yield error(
            'environment',
            'middleware',
            f'FASTRTPS_DEFAULT_PROFILES_FILE={profiles}: no such file',
            'name config/fastdds.xml',
        )
    else:
        yield ok('environment', 'middleware', f'{middleware} with {profiles}')
