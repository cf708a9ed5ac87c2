# SPDX-License-Identifier: Apache-2.0
"""Starts a training worker and follows it. For whoever must stay responsive meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from igrft.config import as_dict
from igrft.training.worker import Job

Event = Mapping[str, Any]


class WorkerClient:
    """One job in a child process.

    Events arrive at ``on_event`` from a thread; the last one is done, stopped or failed, always, also when the child
    is killed.
    """

    def __init__(self, job: Job, on_event: Callable[[Event], None]) -> None:
        self._on_event = on_event
        self._errors: deque[str] = deque(maxlen=20)
        environment = {**os.environ, 'PYTHONUNBUFFERED': '1'}
        # A session of its own: Ctrl-C in the terminal reaches the parent, which asks the child in order.
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'igrft.training.worker'],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(as_dict(job)) + '\n')
        self._process.stdin.flush()
        self._drain = threading.Thread(target=self._read_errors, daemon=True)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._drain.start()
        self._thread.start()

    def stop(self) -> None:
        """Ask the child to save its state and end."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def wait(self, timeout: float | None = None) -> bool:
        """Whether the child has ended and its last event was delivered, within ``timeout`` [s]."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def kill(self) -> None:
        """End the child at once; its last saved state stays."""
        self._process.kill()

    @property
    def pid(self) -> int:
        """Of the child."""
        return self._process.pid

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._errors.append(line.rstrip())

    def _read(self) -> None:
        assert self._process.stdout is not None
        last = ''
        for line in self._process.stdout:
            event = json.loads(line)
            last = event['event']
            self._on_event(event)
        code = self._process.wait()
        self._drain.join(1.0)
        if last not in ('done', 'stopped', 'failed'):
            detail = ' | '.join(self._errors) or 'it said nothing'
            self._on_event({'event': 'failed', 'message': f'the training process ended with code {code}: {detail}'})
