# SPDX-License-Identifier: Apache-2.0
"""Ending one process step by step."""

from __future__ import annotations

import asyncio
import logging
import signal

from .._process import ChildProcess


class ProcessEnding:
    """Signals for one process, and its shutdown SIGINT → SIGTERM → SIGKILL.

    Args:
        name: final name of the process.
        logger: of the process.
        timeouts: patience after SIGINT, and after SIGTERM [s].
    """

    def __init__(self, name: str, logger: logging.Logger, timeouts: tuple[float, float]) -> None:
        self._name = name
        self._logger = logger
        self._timeouts = timeouts
        self.child: ChildProcess | None = None

    async def shut_down(self, from_terminal: bool) -> None:
        """End the process if it runs.

        Args:
            from_terminal: a terminal would have told its whole group, and nobody would have said
                so; a script's signal goes to the process alone.
        """
        if self.child is None or self.child.returncode is not None:
            return
        self.signal(signal.SIGINT, group=from_terminal, say=not from_terminal)
        waited = 0.0
        steps = ((self._timeouts[0], signal.SIGINT, signal.SIGTERM),
                 (self._timeouts[1], signal.SIGTERM, signal.SIGKILL))
        for timeout, sent, following in steps:
            await asyncio.wait([self.child.exited], timeout=timeout)
            if self.child.exited.done():
                return
            waited += timeout
            self._logger.error(
                "process[%s] failed to terminate '%s' seconds after receiving '%s', "
                "escalating to '%s'", self._name, f'{waited:g}', sent.name, following.name)
            self.signal(following, group=True)

    def signal(self, number: signal.Signals, *, group: bool, say: bool = True) -> None:
        """Send a signal to the process or to its group; one that has ended is left alone.

        Raises:
            RuntimeError: if the process has not started yet.
        """
        if self.child is None:
            raise RuntimeError(f'signal {number.name} for {self._name}, which has not started')
        if self.child.returncode is not None:
            return
        if say:
            self._logger.info("sending signal '%s' to process[%s]", number.name, self._name)
        try:
            self.child.send_signal(number, group=group)
        except ProcessLookupError:
            self._logger.debug("signal '%s' not sent: %s has ended", number.name, self._name)
