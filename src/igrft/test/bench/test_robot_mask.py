# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from igrft.bench.robot_mask import MaskTrace, overlap, row, table


def trace(iou: float, steps: int, same: bool = True) -> MaskTrace:
    values = (iou, 0.99, 0.02, same, 0.001, 0.002)
    return MaskTrace(*(np.full(steps, value) for value in values))


def test_overlap() -> None:
    left, right = np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    assert overlap(left, right) == 1.0, 'nothing, rightly'
    left[:, :2], right[:, 1:3] = 255, 1
    assert overlap(left, right) == pytest.approx(1 / 3)
    assert overlap(left, np.zeros_like(left)) == 0.0


def test_a_row_counts_episodes_and_poses_and_has_an_interval_around_its_mean() -> None:
    found = row('t', 'in', 1.0, [trace(0.9, 10), trace(0.8, 30, same=False), trace(0.7, 20)])
    assert (found['episodes'], found['poses']) == (3, 60)
    assert found['iou'] == pytest.approx(0.8), 'each episode counts once'
    low, high = found['iou_interval']
    assert 0.7 <= low < 0.8 < high <= 0.9
    assert found['same_signal'] == pytest.approx(2 / 3, abs=1e-4)
    assert (found['draw_ms_median'], found['time_over_segmentation']) == (1.0, 0.5)
    assert '| t | in | 60 (3) | 0.800 [' in table([found])
