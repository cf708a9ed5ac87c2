# SPDX-License-Identifier: Apache-2.0
"""How unusual an episode looks while it runs, from what every chunk says of itself: three scores, and their maximum.

==================  ==============================================================================================
``disagreement``    mean spread of the policy's draws over the last ``window`` (:mod:`igrft.policies.disagreement`)
``stall``           [s] since the critic's value, averaged over ``window``, left a band of ± ``movement`` about itself
``fall``            by how much the value lies below its highest within the last ``window``
==================  ==============================================================================================

The value is a return *to go*: where things go well it rises towards the end of a subtask and falls when that is paid
out, so a small fall is progress and standing still is not. What is usual is for :mod:`.help_calibration` to say.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

PARTS = ('disagreement', 'stall', 'fall')


@dataclass(frozen=True, kw_only=True)
class HelpConfig:
    """What the scores look at."""

    window: float = 1.0
    """[s] over which draws and values are averaged, and a fall of the value is looked for"""
    movement: float = 0.2
    """by which the value must change to count as moving"""

    def __post_init__(self) -> None:
        if self.window <= 0 or self.movement <= 0:
            raise ValueError('window must be positive [s], and movement too')


@dataclass(frozen=True, slots=True)
class Signals:
    """What one chunk says: its stamp [s], V(s) and the draws' disagreement, NaN where there is none."""

    stamp: float
    value: float
    disagreement: float


class HelpScore:
    """The scores along an episode. Feed it in the order of the stamps; after a takeover :meth:`reset` it."""

    def __init__(self, config: HelpConfig) -> None:
        self.config = config
        self._recent: deque[Signals] = deque()
        self._anchor: tuple[float, float] | None = None
        """Stamp and value since which the value has hardly moved."""

    def reset(self) -> None:
        """Forget what was: the policy begins anew."""
        self._recent.clear()
        self._anchor = None

    def update(self, signals: Signals) -> dict[str, float]:
        """The three scores of this instant by name; a score whose signal is not finite is NaN."""
        recent, config = self._recent, self.config
        recent.append(signals)
        while signals.stamp - recent[0].stamp >= config.window:
            recent.popleft()
        value = sum(each.value for each in recent) / len(recent)
        if self._anchor is None or not abs(value - self._anchor[1]) <= config.movement:
            self._anchor = signals.stamp, value
        known = math.isfinite(value)
        return {
            'disagreement': sum(each.disagreement for each in recent) / len(recent),
            'stall': signals.stamp - self._anchor[0] if known else math.nan,
            'fall': max(each.value for each in recent) - signals.value if known else math.nan,
        }
