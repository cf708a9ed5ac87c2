# SPDX-License-Identifier: Apache-2.0
"""For tests of the stand-in: commands whose output can be waited for."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

STAND_IN = Path(__file__).resolve().parents[1]
ROS2 = STAND_IN.parent / 'bin' / 'ros2'
# The pytest process's own domain, claimed in conftest.py.
DOMAIN = int(os.environ['ROS_DOMAIN_ID'])


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for a command: this one's, in a domain of its own."""
    return {
        **os.environ, 'ROS_DOMAIN_ID': str(DOMAIN), 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'PYTHONUNBUFFERED': '1', **(extra or {})}


class Command:
    """A running command, its standard output and error line by line.

    Used as a context manager it is killed at the end, with its group, if it still runs.
    """

    def __init__(self, *arguments: str | Path, env: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [str(each) for each in arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, text=True, env=environment(env), start_new_session=True)
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        if self.process.stdout is not None:
            for line in self.process.stdout:
                self._queue.put(line.rstrip('\n'))
        self._queue.put(None)

    def __enter__(self) -> Command:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    @property
    def text(self) -> str:
        """What was read so far."""
        return '\n'.join(self.lines)

    def wait_for(self, text: str, timeout: float = 30.0) -> str:
        """Return the next line that holds `text`.

        Raises:
            AssertionError: if the output ends, or time is up, without one.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                line = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(
                    f'no line with {text!r} in {timeout} s:\n{self.text}') from None
            if line is None:
                raise AssertionError(f'the output ended without {text!r}:\n{self.text}')
            self.lines.append(line)
            if text in line:
                return line

    def skip(self) -> None:
        """Take what has been read already; the next :meth:`wait_for` sees only later lines."""
        while not self._queue.empty():
            line = self._queue.get()
            if line is None:
                self._queue.put(None)
                return
            self.lines.append(line)

    def end(self, number: signal.Signals | None = None, timeout: float = 30.0) -> int:
        """Send a signal, if given, wait for the end, and return the exit code."""
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(timeout)
        self._reader.join(timeout)
        self.skip()
        return code


def ros2(*arguments: str | Path, env: Mapping[str, str] | None = None) -> Command:
    """Start ``ros2 …`` of the stand-in."""
    return Command(sys.executable, ROS2, *arguments, env=env)


def script(path: Path, source: str) -> Path:
    """Write an executable Python script and return its path."""
    path.write_text(f'#!{sys.executable}\n{source}', encoding='utf-8')
    path.chmod(0o755)
    return path
