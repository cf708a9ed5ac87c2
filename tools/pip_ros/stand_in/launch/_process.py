# SPDX-License-Identifier: Apache-2.0
"""One child process: started in a group of its own, read without blocking, signalled, reaped."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

# How long output may trail the end of a child whose own children still hold its pipes [s].
_TRAILING_OUTPUT_S = 0.5


class Guard:
    """Keeps the guard process told of the children (see ``_guard.py``)."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def add(self, pid: int) -> None:
        """Put a child under guard."""
        if self._process is None:
            script = Path(__file__).with_name('_guard.py')
            self._process = subprocess.Popen(
                [sys.executable, '-I', '-S', str(script)], stdin=subprocess.PIPE, text=True,
                stdout=subprocess.DEVNULL, start_new_session=True)
        self._tell(f'+{pid}\n')

    def remove(self, pid: int) -> None:
        """Release a child that has ended."""
        self._tell(f'-{pid}\n')

    def _tell(self, line: str) -> None:
        if self._process is None or self._process.stdin is None:
            return
        # A guard that was killed guards no more; that must not stop the launch.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line)
            self._process.stdin.flush()


guard = Guard()


class ChildProcess:
    """A running child.

    The child leads a process group, so that a terminal's Ctrl-C reaches launch alone and launch
    orders the shutdown; and so that what the child started can be signalled together with it.

    Args:
        cmd: program and arguments; one string in a shell.
        on_data: takes (1 or 2, bytes) for what is read of stdout and stderr.
        emulate_tty: give the child pseudo terminals, `columns` wide.

    Raises:
        OSError: if the program cannot be started.
    """

    def __init__(
        self,
        cmd: list[str],
        *,
        loop: asyncio.AbstractEventLoop,
        on_data: Callable[[int, bytes], None],
        cwd: str | None,
        env: dict[str, str] | None,
        shell: bool,
        emulate_tty: bool,
        columns: int,
    ) -> None:
        self._loop = loop
        self._on_data = on_data
        self._open: set[int] = set()
        self._drained = loop.create_future()
        self.exited: asyncio.Future[int] = loop.create_future()
        ends = [_terminal(columns) if emulate_tty else os.pipe() for _ in range(2)]
        try:
            self._popen = subprocess.Popen(
                ' '.join(cmd) if shell else cmd, stdin=subprocess.PIPE, stdout=ends[0][1],
                stderr=ends[1][1], cwd=cwd, env=env, shell=shell, process_group=0)
        except OSError:
            for ours, _ in ends:
                os.close(ours)
            raise
        finally:
            for _, theirs in ends:
                os.close(theirs)
        guard.add(self.pid)
        for fd, (ours, _) in zip((1, 2), ends, strict=True):
            os.set_blocking(ours, False)
            self._open.add(ours)
            loop.add_reader(ours, self._readable, fd, ours)
        self._pidfd = os.pidfd_open(self.pid)
        loop.add_reader(self._pidfd, self._ended)

    @property
    def pid(self) -> int:
        """Its process id, which is its group's too."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, None while it runs; −n if signal n killed it."""
        return self._popen.returncode

    def send_signal(self, number: signal.Signals, *, group: bool) -> None:
        """Signal the child, or its whole group.

        Raises:
            ProcessLookupError: if it has ended.
        """
        if self.returncode is not None:
            raise ProcessLookupError(f'process {self.pid} has ended')
        (os.killpg if group else os.kill)(self.pid, number)

    async def wait(self) -> int:
        """Wait for its end and its output's; return the exit code."""
        code = await asyncio.shield(self.exited)
        await asyncio.wait([self._drained], timeout=_TRAILING_OUTPUT_S)
        for descriptor in tuple(self._open):
            self._close(descriptor)
        return code

    def _readable(self, fd: int, descriptor: int) -> None:
        try:
            data = os.read(descriptor, 65536)
        except BlockingIOError:
            return
        except OSError:
            # A pseudo terminal says EIO, not end of file, when its other end is closed.
            data = b''
        if data:
            self._on_data(fd, data)
        else:
            self._close(descriptor)

    def _close(self, descriptor: int) -> None:
        self._loop.remove_reader(descriptor)
        os.close(descriptor)
        self._open.discard(descriptor)
        if not self._open and not self._drained.done():
            self._drained.set_result(None)

    def _ended(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        code = self._popen.wait()
        if self._popen.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._popen.stdin.close()
        # What it left behind in its group has nobody to end it any more.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)
        guard.remove(self.pid)
        self.exited.set_result(code)


def _terminal(columns: int) -> tuple[int, int]:
    ours, theirs = pty.openpty()
    rows = shutil.get_terminal_size((100, 40)).lines
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
    return ours, theirs


def terminal_columns(prefix: int) -> int:
    """Return how wide a child's lines may be when `prefix` characters precede each."""
    return max(40, shutil.get_terminal_size((100, 40)).columns - prefix)
