# SPDX-License-Identifier: Apache-2.0
"""The figures of `igrft bench takeover`; the measurement itself needs an idle machine and is no test."""

from __future__ import annotations

import numpy as np
import pytest

from igrft.bench import takeover
from igrft.config import RobotConfig, named

LIMITS = named('robots', 'sim', RobotConfig).limits


def step(stamp: float, x: float) -> takeover.Step:
    return takeover.Step(stamp, np.float32([[x, 0, 0, 0, 0, 0]]))


def test_a_step_is_judged_by_the_time_it_had() -> None:
    allowed = LIMITS.linear_acceleration * 0.02
    assert takeover.largest_step([step(0.0, 0.0), step(0.02, allowed)], LIMITS, 0.02) == pytest.approx(1.0, rel=1e-4)
    assert takeover.largest_step([step(0.0, 0.0), step(0.01, allowed)], LIMITS, 0.02) == pytest.approx(2.0, rel=1e-4)
    late = takeover.largest_step([step(0.0, 0.0), step(1.0, allowed)], LIMITS, 0.02)
    assert late == pytest.approx(0.5, rel=1e-4), 'a gap earns two ticks at most'
    assert takeover.largest_step([], LIMITS, 0.02) == 0.0


def test_a_row_holds_the_bare_transport_beside_the_figure() -> None:
    row = takeover.row('device event → command out', [0.010] * 99 + [0.060], [0.001, 0.003], 'abc')
    assert (row['n'], row['p50_ms'], row['baseline_p50_ms'], row['commit']) == (100, 10.0, 2.0, 'abc')
    assert row['p50_interval_ms'][0] <= row['p50_ms'] <= row['p50_interval_ms'][1]


def test_a_missed_bound_shows() -> None:
    good = takeover.row('cable pulled → zero twist', [0.02] * 50, [0.001], 'abc')
    bad = takeover.row('cable pulled → zero twist', [0.02] * 40 + [0.2] * 10, [0.001], 'abc')
    slow = takeover.row('device event → command out', [0.021] * 50, [0.001], 'abc')
    explains = takeover.row('inference', [0.5], [0.001], 'abc')
    assert [takeover.kept(r) for r in (good, bad, slow, explains)] == [True, False, False, None]
    seams = [takeover.ramp_row([0.5, 1.001], 0, 0, 'abc'), takeover.ramp_row([0.5, 1.0], 2, 1, 'abc')]
    assert [takeover.kept(r) for r in seams] == [False, True]
    shown = takeover.table([good, bad, explains, *seams])
    assert shown.count('**no**') == 2
    assert len(shown.splitlines()) == 7
