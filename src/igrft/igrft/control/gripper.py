# SPDX-License-Identifier: Apache-2.0
"""Openings of a policy's action become goals of a gripper's action: few, newest first, never before a command."""

from __future__ import annotations

import math
from dataclasses import dataclass

from igrft.hardware import GripperConfig

DEADBAND = 0.02
"""Of the opening; smaller changes are the policy's noise and would keep a motor busy."""
PERIOD = 0.1
"""[s] at least between two goals: drivers plan each one."""
AGAIN = 1.0
"""[s] until a goal that failed or was never answered is sent again."""


@dataclass(frozen=True, slots=True)
class GripperState:
    """level: ok, warn or error, for diagnostics; text: the same for people."""

    level: str
    text: str


class GripperGoals:
    """Decides when a goal is sent. No clock: the caller passes the time [s].

    Args:
        config: the gripper.
    """

    def __init__(self, config: GripperConfig) -> None:
        self.config = config
        self._wanted: float | None = None
        self._sent: float | None = None
        self._asked = -math.inf
        self._waiting = False
        self._retry = -math.inf
        self.state = GripperState('ok', 'no command yet')

    def command(self, opening: float) -> str:
        """The opening that is wanted, in [0, 1]. Returns why it is refused, '' when it is not."""
        if not math.isfinite(opening):
            return f'an opening of {opening}'
        self._wanted = min(max(opening, 0.0), 1.0)
        return ''

    def due(self, now: float) -> float | None:
        """The joint position of a goal that is to be sent now, None when there is none."""
        if self._wanted is None or now < self._retry:
            return None
        if self._waiting and now - self._asked < AGAIN:
            return None
        # The ends are exact: 0.99 after 0.98 must still become fully open.
        settled = self._sent is not None and abs(self._wanted - self._sent) < DEADBAND
        exact = self._wanted in (0.0, 1.0) and self._sent != self._wanted
        if (settled and not exact and not self._waiting) or now - self._asked < PERIOD:
            return None
        self._sent, self._asked, self._waiting = self._wanted, now, True
        return self.config.position(self._wanted)

    def accepted(self) -> None:
        """The driver has taken the newest goal."""
        self._waiting = False
        self.state = GripperState('ok', 'moving')

    def finished(self, reached: bool, stalled: bool) -> None:
        """The newest goal has ended; stalled is a gripper that holds something."""
        if reached or stalled:
            self.state = GripperState('ok', 'reached' if reached else 'stalled: it holds something, or is blocked')
        else:
            self.state = GripperState('warn', 'ended short of its goal')

    def failed(self, reason: str, now: float) -> None:
        """Refused or aborted; the same goal is sent again after a while."""
        self._waiting, self._sent, self._retry = False, None, now + AGAIN
        self.state = GripperState('error', f'{self.config.action}: {reason}')

    def absent(self) -> None:
        """The action server is not there; what was sent to it is lost."""
        self._waiting, self._sent = False, None
        self.state = GripperState('error', f"no action server '{self.config.action}'; start the gripper's driver")
