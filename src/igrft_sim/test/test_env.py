# SPDX-License-Identifier: Apache-2.0
"""The loop in process, the pacing of the loop on topics, and the picture."""

import numpy as np
import pytest
from PIL import Image

from igrft_sim.env import CellEnv
from igrft_sim.pacing import Pacer
from igrft_sim.snapshot import main as snapshot


def test_observation_is_what_the_policy_expects(seeing):
    observation = seeing.reset(1)
    assert set(observation.images) == {'front', 'wrist'}
    assert all(i.shape == (64, 64, 3) and i.dtype == np.uint8 for i in observation.images.values())
    assert observation.proprio.shape == (17,) and observation.proprio.dtype == np.float32
    assert 'red' in observation.instruction
    following, _ = seeing.step(np.array([0, 0, 0.1, 0, 0, 0, 1]))
    assert following.stamp == pytest.approx(observation.stamp + 0.1)
    assert following.proprio[10] - observation.proprio[10] == pytest.approx(0.01, abs=1e-3)


class HalfSpeed:
    """A safety filter that lets half of the twist through."""

    def __init__(self):
        self.restarts = 0
        self.positions = []

    def restart(self):
        self.restarts += 1

    def __call__(self, action, position, dt):
        assert dt == 0.1
        self.positions.append(position)
        return np.concatenate([action[:6] * 0.5, action[6:]])


def test_what_the_safety_lets_through_is_what_happens(blind):
    safety = HalfSpeed()
    env = CellEnv(blind.cell, safety=safety)
    env.reset(1)
    start = env.cell.tools[0]
    env.step([0, 0, 0.2, 0, 0, 0, 1])
    assert safety.restarts == 1
    np.testing.assert_allclose(safety.positions[0][0], start[:3], atol=1e-6)
    assert env.executed[2] == pytest.approx(0.1)
    assert env.cell.tools[0, 2] - start[2] == pytest.approx(0.01, abs=1e-3)


def test_pacer_neither_drifts_nor_rushes():
    now = [0.0]
    pacer = Pacer(50.0, clock=lambda: now[0])
    done = 0
    for _ in range(1000):
        now[0] += 0.0101
        done += pacer.due()
    assert done == int(now[0] * 50.0 + 1e-6) and pacer.dropped() == 0
    now[0] += 1.0
    assert pacer.due() == 5
    assert pacer.dropped() == 45 or pacer.dropped() == 46
    now[0] += 0.02
    assert pacer.due() == 1


def test_snapshot(tmp_path):
    path = tmp_path / 'images' / 'cell.png'
    snapshot(['--out', str(path), '--size', '320', '180', '--step', '2'])
    picture = np.asarray(Image.open(path))
    assert picture.shape == (180, 320, 3) and picture.std() > 20
