# SPDX-License-Identifier: Apache-2.0
"""With 300 ms of inference the arm neither stalls nor jerks; the synchronous executor does stand, on the same runs."""

from __future__ import annotations

from igrft.bench.latency import COLUMNS, EXECUTORS, measure, summary, table
from igrft.config import RobotConfig, named


def test_slow_inference_never_shows_as_a_stall_or_a_jerk() -> None:
    results = measure(0.3, 4, 5.0, named('robots', 'sim', RobotConfig).limits)
    assert tuple(results) == EXECUTORS
    continued, waiting = results['real-time chunking'], results['synchronous']
    for run in continued:
        assert run.stalled == 0.0
        assert run.step <= 1.0, 'the largest command step stays within the rate limit'
        assert run.limited == 0.0, 'so the safety filter has nothing to do'
        assert 0.3 < run.lag < 0.8, 'computed from observations of at least the latency, at most a chunk ago'
    assert all(run.stalled > 0.4 for run in waiting)
    rows = summary(results, 0.3)
    assert rows[2]['forward_ratio'][0] > 1.5 and rows[0]['forward_ratio'][0] == 1.0
    lines = table(rows).splitlines()
    assert len(lines) == 5 and lines[0].count('|') == len(COLUMNS) + 4
