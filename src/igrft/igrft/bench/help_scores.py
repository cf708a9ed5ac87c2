# SPDX-License-Identifier: Apache-2.0
"""What each score of help on request is worth by itself, from episodes in which nobody reacted to any."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from igrft.bench.supervision import STEP, calls_of
from igrft.control.conformal import CalibrationError, conformal_threshold
from igrft.control.help import Signals
from igrft.control.help_calibration import Calibration, calibrate

Row = dict[str, Any]


def signals_of(episode: Mapping[str, Any]) -> list[Signals]:
    """What the chunks of a kept episode said."""
    return [Signals(*each) for each in episode['signals']]


def worth(alone: Mapping[str, Any], nobody: Mapping[str, Any], calibration: Calibration) -> list[Row]:
    """Every score alone, all together, and a clock, each with the same bound.

    The clock is what a score must beat: it calls when an episode lasts longer than successful ones do.

    Args:
        alone: calibration episodes.
        nobody: evaluation episodes.
        calibration: of all scores together.

    Returns:
        rows of ``scores``, ``false_alarms`` and ``failures_called`` (hits of n), ``after`` [s]: when the called
        failures were called, the median.
    """
    good = [signals_of(episode) for episode in alone['episodes'] if episode['success']]
    episodes: Sequence[Row] = nobody['episodes']
    rows = [_row('all', episodes, [calls_of(signals_of(e), calibration) for e in episodes])]
    for name in calibration.scales:
        made = calibrate(good, calibration.alpha, calibration.checkpoint, calibration.task, calibration.config, (name,))
        rows.append(_row(name, episodes, [calls_of(signals_of(e), made) for e in episodes]))
    durations = [float(episode['steps']) for episode in alone['episodes'] if episode['success']]
    try:
        late = conformal_threshold(durations, calibration.alpha)
    except CalibrationError:
        return rows
    return [*rows, _row('clock', episodes, [[int(late) + 1] if e['steps'] > late else [] for e in episodes])]


def _row(name: str, episodes: Sequence[Row], calls: Sequence[Sequence[int]]) -> Row:
    well = [bool(c) for e, c in zip(episodes, calls, strict=True) if e['success']]
    ill = [c for e, c in zip(episodes, calls, strict=True) if not e['success']]
    first = [c[0] * STEP for c in ill if c]
    return {
        'scores': name,
        'false_alarms': [sum(well), len(well)],
        'failures_called': [len(first), len(ill)],
        'after': round(statistics.median(first), 1) if first else None,
    }
