# SPDX-License-Identifier: Apache-2.0
"""How the arbiter and the policy behind it are, for /diagnostics."""

from __future__ import annotations

from collections.abc import Callable

from igrft.control.arbiter import Arbiter
from igrft.ros.diagnostics import Rate, Status


class ArbiterHealth:
    """The arbiter's components.

    Args:
        arbiter: that is looked at.
        now: its clock [s].
    """

    def __init__(self, arbiter: Arbiter, now: Callable[[], float]) -> None:
        self._arbiter = arbiter
        self._now = now
        self._chunks = 0
        self.commands = Rate()
        """Ticked with every command."""
        self.components: dict[str, Callable[[], Status]] = {'arbiter': self._drivers, 'policy': self._policy}

    def _drivers(self) -> Status:
        takeover = self._arbiter.takeover
        values = {'takeovers': takeover.count, 'teleop rejected': self._arbiter.rejected}
        return Status('ok', takeover.mode.name.lower(), values | self.commands.report('command'))

    def _policy(self) -> Status:
        chunks = self._arbiter.chunks
        values = {'chunks refused': chunks.refused, 'latency [ms]': f'{1e3 * chunks.latency:.0f}'}
        idle, self._chunks = chunks.taken == self._chunks, chunks.taken
        if idle and self._arbiter.waits_for_chunk(self._now()):
            return Status('warn', 'no usable policy/action_chunk in the last second', values)
        return Status('ok', 'ok', values)
