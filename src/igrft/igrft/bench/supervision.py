# SPDX-License-Identifier: Apache-2.0
"""The call for help in an episode in process, and how much of the human's time the episode took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from igrft.control.help import Signals
from igrft.control.help_calibration import Calibration
from igrft.control.help_gate import HelpGate
from igrft.types import Mode

STEP = 0.1
"""[s] of a policy step in the cell."""


@dataclass
class Attention:
    """What an episode took of the human.

    Attributes:
        attended: steps in which he came, watched or drove.
        driven: steps in which he drove.
        calls: the steps in which a call for help began.
        signals: what the chunks said while the policy drove.
    """

    attended: int = 0
    driven: int = 0
    calls: list[int] = field(default_factory=list)
    signals: list[Signals] = field(default_factory=list)


class Supervision:
    """What `help_node` does, without messages.

    Args:
        calibration: None never calls.
        dt: [s] of a step.
    """

    def __init__(self, calibration: Calibration | None, dt: float) -> None:
        self._dt = dt
        self.gate = HelpGate(calibration)
        self.attention = Attention()

    def call(self, now: float) -> int | None:
        """[steps] since the policy began to ask for help, None while it does not."""
        state = self.gate.state
        return round((now - state.since) / self._dt) if state.requested else None

    def heard(self, decision: Any) -> None:
        """The operator's decision of this step (``igrft_sim.operator.Decision``)."""
        self.attention.attended += decision.attends
        self.attention.driven += decision.engaged

    def drives(self, mode: Mode, now: float) -> None:
        """Who drives."""
        self.gate.drives(mode, now)

    def judge(self, signals: Signals) -> bool:
        """Whether the policy asks for help with the chunk of these signals.

        Raises:
            ValueError: the chunk's signals cannot be used.
        """
        called = self.gate.state.requested
        self.attention.signals.append(signals)
        problem = self.gate.update(signals)
        if problem:
            raise ValueError(f'chunk at {signals.stamp:.1f} s: {problem}')
        requested = self.gate.state.requested
        if requested and not called:
            self.attention.calls.append(round(signals.stamp / self._dt))
        return requested


def calls_of(signals: Sequence[Signals], calibration: Calibration) -> list[int]:
    """The steps in which a call begins, in an episode in which nobody reacts to it."""
    supervision = Supervision(calibration, STEP)
    supervision.drives(Mode.AUTONOMOUS, 0.0)
    for each in signals:
        supervision.judge(each)
    return supervision.attention.calls
