# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools

import numpy as np
import pytest

from igrft.control.assembler import AssemblerConfig, ObservationAssembler

CAMERAS = {'front': (4, 6), 'wrist': (2, 2)}


def assembler(max_skew: float = 0.0, arms=('arm',)) -> ObservationAssembler:
    config = AssemblerConfig(cameras=CAMERAS, n_joints=7 * len(arms), arms=arms, max_skew=max_skew)
    return ObservationAssembler(config, 'stack')


def image(name: str, value: int) -> np.ndarray:
    return np.full((*CAMERAS[name], 3), value, np.uint8)


def parts(made: ObservationAssembler, stamp: float, value: int) -> dict:
    return {
        'front': lambda: made.add_image('front', stamp, image('front', value)),
        'wrist': lambda: made.add_image('wrist', stamp, image('wrist', value)),
        'joints': lambda: made.add_joints(stamp, np.full(7, value, np.float32), np.float32([0.5])),
        'pose': lambda: made.add_pose(stamp, np.float32([value, 0, 0]), np.float32([1, 0, 0, 0])),
    }


@pytest.mark.parametrize('order', list(itertools.permutations(['front', 'wrist', 'joints', 'pose'])))
def test_lockstep_joins_equal_stamps_in_any_order(order) -> None:
    made = assembler()
    for stamp, value in ((0.1, 1), (0.2, 2)):
        for number, name in enumerate(order):
            assert parts(made, stamp, value)[name]() == ''
            complete = made.observation(not_before=stamp)
            assert (complete is not None) == (number == 3)
        assert complete.stamp == stamp
        assert complete.images['wrist'][0, 0, 0] == value
        np.testing.assert_allclose(complete.proprio, [*[value] * 7, 0.5, value, 0, 0, 1, 0, 0, 0, 1, 0])
        assert complete.instruction == 'stack'


def test_skew_is_bounded() -> None:
    made = assembler(max_skew=0.03)
    for name, stamp in (('front', 1.0), ('wrist', 0.98), ('joints', 1.01), ('pose', 1.02)):
        parts(made, stamp, 1)[name]()
    assert made.observation().stamp == 1.0
    parts(made, 1.1, 2)['front']()
    assert made.observation().stamp == 1.0, 'the newest that is complete'
    assert made.observation(not_before=1.05) is None
    assert 'camera/wrist: 0.120 s behind' in made.missing(now=1.1)[0]


def test_says_what_is_missing_old_or_wrong() -> None:
    made = assembler()
    assert made.observation() is None
    assert [line.split(':')[0] for line in made.missing(0.0)] == [
        'camera/front', 'camera/wrist', 'joint_states', 'ee_pose',
    ]  # fmt: skip
    for add in parts(made, 1.0, 1).values():
        add()
    assert made.missing(1.0) == []
    assert all('old' in line for line in made.missing(3.0, max_age=0.5))
    assert 'expected (4, 6, 3)' in made.add_image('front', 1.1, np.zeros((4, 4, 3), np.uint8))
    assert 'expected (4, 6, 3)' in made.missing(1.0)[0]
    assert 'expected 7 and 1' in made.add_joints(1.1, np.zeros(6, np.float32), np.float32([1]))


def test_a_reset_of_the_world_forgets_the_past() -> None:
    made = assembler()
    for add in parts(made, 9.0, 1).values():
        add()
    parts(made, 0.1, 2)['front']()
    assert made.observation() is None
    for add in parts(made, 0.1, 2).values():
        add()
    assert made.observation().stamp == 0.1


def test_a_repeated_tick_does_not_push_out_history() -> None:
    made = assembler()
    for add in parts(made, 0.1, 1).values():
        add()
    for _ in range(50):
        parts(made, 0.2, 2)['front']()
    assert made.observation().stamp == 0.1


def test_two_arms() -> None:
    made = assembler(arms=('left', 'right'))
    for name in CAMERAS:
        made.add_image(name, 0.0, image(name, 1))
    made.add_joints(0.0, np.arange(14, dtype=np.float32), np.float32([0.1, 0.9]))
    made.add_pose(0.0, np.float32([1, 1, 1]), np.float32([1, 0, 0, 0]), 'left')
    assert made.observation() is None
    made.add_pose(0.0, np.float32([2, 2, 2]), np.float32([1, 0, 0, 0]), 'right')
    proprio = made.observation().proprio
    assert proprio.shape == (34,)
    assert proprio[[0, 7, 8, 17, 24, 25]] == pytest.approx([0, 0.1, 1, 7, 0.9, 2])
