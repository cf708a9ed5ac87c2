# SPDX-License-Identifier: Apache-2.0
"""Split-conformal thresholds: an alarm whose rate of false calls is bounded, whatever the scores are.

With the scores S_1 … S_n of n successful episodes and that of another one, S, exchangeable among each other, the
⌈(n + 1)(1 − α)⌉-th smallest S_i =: q has P(S > q) ≤ α (Vovk et al. 2005; Angelopoulos & Bates 2021). Nothing is
assumed of their distribution. The probability is over the calibration episodes too: of one calibration, the rate of
false calls is Beta distributed about α, with a deviation of about sqrt(α (1 − α) / n).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

ROUNDING = 1e-9
"""By which (n + 1)(1 − α) may miss the whole number that it is."""


class CalibrationError(ValueError):
    """A calibration that cannot be made or used; the text says what is missing and how to get it."""


def episodes_needed(alpha: float) -> int:
    """The fewest successful episodes from which a false-alarm rate of at most ``alpha`` can be promised."""
    _check(alpha)
    return math.ceil((1 - alpha) / alpha - ROUNDING)


def conformal_threshold(maxima: Sequence[float], alpha: float) -> float:
    """The score that a further successful episode exceeds with a probability of at most ``alpha``.

    Args:
        maxima: the largest score of each calibration episode, [n].
        alpha: in (0, 1).

    Raises:
        CalibrationError: too few episodes for ``alpha``, or a score that is not finite.
    """
    needed = episodes_needed(alpha)
    if len(maxima) < needed:
        raise CalibrationError(
            f'a false-alarm rate of {alpha:g} takes at least {needed} successful episodes, there are {len(maxima)}; '
            'record more of them, or allow a higher rate'
        )
    for index, score in enumerate(maxima):
        if not math.isfinite(score):
            raise CalibrationError(
                f'the score of calibration episode {index} is {score}; only finite ones can be ranked'
            )
    rank = math.ceil((len(maxima) + 1) * (1 - alpha) - ROUNDING)
    return float(sorted(maxima)[rank - 1])


def _check(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise CalibrationError(f'the false-alarm rate must lie between 0 and 1, not {alpha:g}')
