# SPDX-License-Identifier: Apache-2.0
"""When to call the operator, and how long a call lasts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from igrft.control.help import HelpConfig, HelpScore, Signals
from igrft.control.help_calibration import Calibration
from igrft.types import Mode

TEXTS = {
    'disagreement': 'the draws disagree',
    'stall': 'the value stands still',
    'fall': 'the value falls',
}


@dataclass(frozen=True, slots=True)
class HelpState:
    """Where the gate stands: the fields of ``igrft_msgs/HelpRequest``, and the stamp [s] of a request's first chunk."""

    requested: bool = False
    score: float = math.nan
    threshold: float = math.nan
    reason: str = ''
    since: float = math.nan


class HelpGate:
    """Turns signals into calls. One call is one span of ``state.requested``.

    It begins when the score exceeds the threshold while the policy drives, and ends when somebody takes over, says that
    the policy may go on, the score has been usual for ``settled`` seconds, or the episode ends. After a call, and
    whenever the policy gets the arm back, scores begin anew and ``quiet`` seconds pass before the next one.

    Args:
        calibration: None never calls.
        problem: why there is no calibration, for the reason.
        quiet: [s] after a call.
        settled: [s] of usual scores after which a call is over.
    """

    def __init__(
        self, calibration: Calibration | None, problem: str = '', quiet: float = 3.0, settled: float = 1.0
    ) -> None:
        self.calibration = calibration
        self.quiet, self.settled = quiet, settled
        self._problem = problem or 'not calibrated'
        self._score = HelpScore(calibration.config if calibration else HelpConfig())
        self._mode = Mode.HOLD
        self._stamp = -math.inf
        self._not_before = -math.inf
        self._unusual = -math.inf
        self.state = self._idle('')

    @property
    def mode(self) -> Mode:
        """Who drives."""
        return self._mode

    @property
    def stamp(self) -> float:
        """[s] of the newest chunk that was looked at in this episode, 0 before the first."""
        return self._stamp if math.isfinite(self._stamp) else 0.0

    def drives(self, mode: Mode, now: float) -> bool:
        """Who drives from ``now`` [s] on; out of HOLD an episode begins. Returns whether the state changed."""
        before, self._mode = self._mode, mode
        if mode is before:
            return False
        called = self.state.requested
        if before is Mode.HOLD:
            self._stamp = self._not_before = -math.inf
        if mode is Mode.AUTONOMOUS:
            self._rearm(now)
        if called and mode is not Mode.PAUSED:
            texts = {Mode.CORRECTING: 'taken over', Mode.AUTONOMOUS: 'the policy goes on', Mode.HOLD: 'nobody drives'}
            self.state = self._idle(texts[mode])
            return True
        return False

    def dismiss(self, now: float) -> bool:
        """Somebody says at ``now`` [s] that no help is needed. Returns whether the state changed."""
        if not self.state.requested:
            return False
        self._rearm(now)
        self.state = self._idle('dismissed')
        return True

    def update(self, signals: Signals) -> str:
        """What a chunk says; one that was said before, or while the policy does not drive, changes nothing.

        Returns:
            why the signals cannot be used, '' where they can.
        """
        if self._mode is not Mode.AUTONOMOUS or signals.stamp <= self._stamp:
            return ''
        if not math.isfinite(signals.stamp):
            return f'the stamp is {signals.stamp}'
        self._stamp = signals.stamp
        if self.calibration is None:
            self.state = self._idle(self._problem)
            return ''
        score, name = self.calibration.combined(self._score.update(signals))
        if not math.isfinite(score):
            self._score.reset()
            return f"'{name}' is not known; is the calibration of another checkpoint, or disagreement_draws 0?"
        self._judge(signals.stamp, score, name)
        return ''

    def _judge(self, now: float, score: float, name: str) -> None:
        assert self.calibration is not None
        threshold = self.calibration.threshold
        unusual = score > threshold
        if unusual:
            self._unusual = now
        state = self.state
        if state.requested and not unusual and now - self._unusual >= self.settled:
            self._not_before = now + self.quiet
            self.state = HelpState(False, score, threshold, 'well again')
        elif state.requested:
            self.state = HelpState(True, score, threshold, state.reason, state.since)
        elif unusual and now >= self._not_before:
            reason = f'{TEXTS[name]}: {score / threshold:.1f} of what is usual' if threshold > 0 else TEXTS[name]
            self.state = HelpState(True, score, threshold, reason, now)
        else:
            self.state = HelpState(False, score, threshold)

    def _rearm(self, now: float) -> None:
        self._score.reset()
        if self.state.requested:
            self._not_before = now + self.quiet

    def _idle(self, reason: str) -> HelpState:
        threshold = self.calibration.threshold if self.calibration else math.nan
        return HelpState(threshold=threshold, reason=reason)
