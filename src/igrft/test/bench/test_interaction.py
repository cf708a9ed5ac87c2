# SPDX-License-Identifier: Apache-2.0
"""The figures of the interaction signal: how they are counted, and that the cell gives some."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from igrft.bench.interaction import Trace, figure, measure, row, score, table
from igrft.reward.interaction import InteractionConfig


def trace(contact: str, signal: str) -> Trace:
    marks = [np.array([c == '1' for c in text]) for text in (contact, signal)]
    times = np.full(len(contact), 1e-3)
    return Trace(marks[0], marks[1], marks[1].astype(np.int64), times, 2 * times)


def test_precision_and_recall_are_counted_over_steps() -> None:
    found = score([trace('0011110000', '0001111000'), trace('0000', '0001')])
    assert (found.precision.successes, found.precision.n) == (3, 5)
    assert (found.recall.successes, found.recall.n) == (3, 4)
    assert (found.tolerant_precision.successes, found.tolerant_precision.n) == (4, 5)
    assert found.tolerant_recall.rate == 1.0
    assert found.f1 == pytest.approx(2 * 0.6 * 0.75 / 1.35)


def test_the_cell_gives_a_row_a_table_and_a_figure(tmp_path: Path) -> None:
    pytest.importorskip('igrft_sim')
    pytest.importorskip('matplotlib')
    config = InteractionConfig()
    traces = list(measure('block_stacking', 'in', 1, config))
    result = row('block_stacking', 'in', traces)
    assert result['steps'] == len(traces[0].contact) and result['recall'] > 0.5
    assert 'block_stacking' in table([result])
    figure(tmp_path / 'signal.png', {'block_stacking': traces[0]}, config)
    assert (tmp_path / 'signal.png').stat().st_size > 5000
