# SPDX-License-Identifier: Apache-2.0
"""The seam between two drivers: the command changes no faster there than the safety node would let it.

Neither driver then feels the other's twist as a jerk, and what is sent is what is executed.
"""

from __future__ import annotations

import math

import numpy as np

from igrft.config import LimitsConfig
from igrft.control.inputs import hold_action, openings_of, shorten, twists_of
from igrft.types import Float32

MARGIN = 0.95
"""of the safety node's limit: it counts time by the arrival of commands, which is not quite as even as their stamps"""


class HandOver:
    """Follows a driver's action, beginning from the twist that was sent last.

    Args:
        limits: the safety node's, per arm.
        n_arms: number of arms.
        period: [s] of the control tick; a late tick earns no larger step.
        window: [s] for which a change of driver is a seam; longer while the driver's twist is not reached yet.
            Also the time in which a motion that nobody continues runs out.
    """

    def __init__(self, limits: LimitsConfig, n_arms: int, period: float, window: float) -> None:
        self._rates = (MARGIN * limits.linear_acceleration, MARGIN * limits.angular_acceleration)
        self._period = period
        self._window = window
        self._sent: Float32 = np.zeros((n_arms, 6), np.float32)
        self._seam = self._sent
        self._when = self._began = -math.inf
        self._reached = True

    def begin(self, now: float) -> None:
        """Somebody else drives from ``now`` [s] on."""
        self._began, self._reached, self._seam = now, False, self._sent

    def follow(self, action: Float32, now: float) -> Float32:
        """What to send in place of the driver's action [n_arms * 7]; grippers go at once."""
        wanted = twists_of(action)
        if self._reached and not 0.0 <= now - self._began <= self._window:
            self._sent, self._when = wanted, now
            return action
        twists = self._toward(wanted, now, np.full((len(wanted), 2), self._rates))
        self._reached = bool(np.abs(twists - wanted).max() < 1e-6)
        return _with_openings(twists, openings_of(action))

    def run_out(self, openings: Float32, now: float) -> Float32:
        """The last driver has let go and the next one has not spoken: his motion on its way to rest."""
        norms = np.stack([np.linalg.norm(self._seam[:, half], axis=1) for half in HALVES], axis=1)
        rates = np.minimum(norms / self._window, self._rates) if self._window > 0 else np.full_like(norms, np.inf)
        twists = self._toward(twists_of(hold_action(openings)), now, rates)
        return _with_openings(twists, openings)

    def stood(self, now: float) -> None:
        """A standstill was sent; whoever moves next begins from it."""
        self._sent, self._when = np.zeros_like(self._sent), now
        self.begin(now)

    @property
    def moving(self) -> bool:
        """The command sent last was no standstill."""
        return bool(np.abs(self._sent).any())

    def _toward(self, wanted: Float32, now: float, rates: Float32) -> Float32:
        """Twists [n_arms, 6] nearer to the wanted ones by at most rates [n_arms, 2] times the time since the last."""
        elapsed = now - self._when
        # A clock that was set back must not freeze the twist.
        elapsed = min(elapsed, self._period) if elapsed >= 0.0 else self._period
        twists = np.array(wanted)
        for arm in range(len(wanted)):
            for index, half in enumerate(HALVES):
                last = self._sent[arm, half]
                twists[arm, half] = last + shorten(wanted[arm, half] - last, float(rates[arm, index]) * elapsed)
        self._sent, self._when = twists, now
        return twists


HALVES = (slice(0, 3), slice(3, 6))
"""of a twist: linear, angular"""


def _with_openings(twists: Float32, openings: Float32) -> Float32:
    return np.concatenate([twists, openings[:, None]], axis=1).astype(np.float32).reshape(-1)
