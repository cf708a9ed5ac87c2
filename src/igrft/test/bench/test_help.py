# SPDX-License-Identifier: Apache-2.0
"""The benchmark of help on request: what it keeps, its counts, its report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from igrft.bench import help_report
from igrft.bench.help import HelpBench, HelpBenchConfig
from igrft.config import ConfigError, as_dict, named
from igrft.control.help_calibration import Calibration

TASK = 'block_stacking'
MADE = Calibration(
    checkpoint='c', task=TASK, alpha=0.5, threshold=0.2, scales={'stall': 1.0}, episodes=2, scale_episodes=1
)


def bench(out: Path, *changes: str) -> HelpBench:
    config = named('bench_help', 'smoke', HelpBenchConfig, ['arms=[nobody, called_wait]', *changes])
    return HelpBench(TASK, config, out, lambda line: None)


def kept(success: bool, stall_from: int) -> dict[str, Any]:
    """An episode of 30 chunks whose value stands still from a chunk on; after SFT there would be NaN."""
    signals = [[0.2 * k, 3.0 - 0.1 * min(k, stall_from), 0.1] for k in range(30)]
    return {'seed': stall_from, 'success': success, 'steps': 60, 'interventions': 0, 'attended': 0, 'driven': 0,
            'calls': [], 'signals': signals}  # fmt: skip


def test_parts_are_kept_as_long_as_their_own_settings_stay(tmp_path: Path) -> None:
    first = bench(tmp_path)
    assert first.calibration() is None and first.results() == {}
    first.keep('alone', {'checkpoint': 'c', 'episodes': [kept(True, 30), kept(True, 28), kept(True, 29)]})
    first.keep('nobody', {'episodes': [kept(True, 30), kept(False, 10)]})
    first.keep('called_wait', {'episodes': [kept(True, 30)]})
    found = first.results()
    assert set(found) == {'alone', 'calibration', 'nobody', 'worth', 'called_wait'}
    well, ill = found['nobody']['episodes']
    assert well['calls'] == [] and len(ill['calls']) == 1 and 20 < ill['calls'][0] < 60
    rows = {row['scores']: row for row in found['worth']}
    assert set(rows) == {'all', 'disagreement', 'stall', 'fall', 'clock'}
    assert rows['all']['failures_called'] == rows['stall']['failures_called'] == [1, 1]
    assert rows['stall']['after'] == pytest.approx(ill['calls'][0] * 0.1)
    assert rows['all']['false_alarms'] == [0, 1] and rows['disagreement']['after'] is None

    assert set(bench(tmp_path, 'alpha=0.4').results()) == {'alone', 'calibration', 'nobody', 'worth'}
    assert set(bench(tmp_path, 'coming=5').results()) == {'alone', 'calibration', 'nobody', 'worth'}
    assert set(bench(tmp_path, 'evaluation_seed=1300000000').results()) == {'alone', 'calibration'}
    assert bench(tmp_path, 'draws=4').results() == {}
    other = bench(tmp_path)
    other.constants = other.constants | {'training': {}}
    assert other.results() == {}, 'of another policy'


def test_the_report_counts_false_alarms_where_nobody_was_needed(tmp_path: Path) -> None:
    pytest.importorskip('matplotlib')

    def part(*episodes: tuple[bool, int, list[int]]) -> dict[str, Any]:
        rows = [
            {
                'seed': seed,
                'success': success,
                'steps': 100,
                'interventions': int(attended > 0),
                'attended': attended,
                'driven': attended // 2,
                'calls': calls,
            }
            for seed, (success, attended, calls) in enumerate(episodes)
        ]
        return {'episodes': rows, 'commit': 'abc'}

    found = {
        'alone': {'episodes': [{'success': True}] * 3 + [{'success': False}]},
        'calibration': as_dict(MADE),
        'worth': [{'scores': 'clock', 'false_alarms': [0, 2], 'failures_called': [2, 2], 'after': 9.5}],
        'cost': {'plain_ms': [4.0, 4.0, 4.0], 'with_draws_ms': [6.0, 6.0, 6.0]},
        'nobody': part((True, 0, []), (True, 0, [7]), (False, 0, [5]), (False, 0, [])),
        'called': part((True, 0, []), (True, 30, [7]), (True, 50, [5, 40]), (False, 0, [])),
    }
    nobody, called = help_report.rows_of(TASK, found)
    assert (nobody['false_alarms'], nobody['failures_called'], nobody['attention']) == (0.5, 0.5, 0.0)
    assert (called['success'], called['calls'], called['attention']) == (0.75, 0.75, 0.2)
    assert called['false_alarms_n'] == called['failures_called_n'] == 2
    assert called['attention_interval'][0] <= 0.2 <= called['attention_interval'][1]
    help_report.write(tmp_path, {TASK: found}, {'command': 'x'})
    assert [row['arm'] for row in json.loads((tmp_path / 'results.json').read_text())] == ['nobody', 'called']
    text = (tmp_path / 'results.md').read_text()
    assert (
        '| called, the arm goes on | 4 | 75 [30, 95] |' in text
        and 'stall 1.00' in text
        and '1.50 [1.50, 1.50]' in text
        and '| clock |' in text
    )
    assert (tmp_path / 'attention.png').stat().st_size > 5000


def test_a_configuration_without_the_reference_is_refused() -> None:
    with pytest.raises(ConfigError, match="'nobody' must be among them"):
        named('bench_help', 'full', HelpBenchConfig, ['arms=[called]'])
    with pytest.raises(ConfigError, match='above every training seed'):
        named('bench_help', 'full', HelpBenchConfig, ['evaluation_seed=5'])
