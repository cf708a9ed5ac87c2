# SPDX-License-Identifier: Apache-2.0
"""Predicates, layouts, the order of subtasks, and the names."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igrft.config import ConfigError, TaskConfig
from igrft.types import Subtask
from igrft_sim.tasks import SuccessHold, make_task
from igrft_sim.tasks.base import Scene, SubtaskLatch, upright_pose
from igrft_sim.tasks.block_stacking import APART, CENTRE, EDGE, SPREAD, BlockStacking

TASK = make_task('block_stacking')
HALF = EDGE / 2


def scene(red=(0.45, 0.0, HALF), tool=(0.45, 0.0, HALF), opening=1.0, touching=(), red_speed=0.0):
    pairs = [('blue_block', 'table'), *touching]
    return Scene(
        poses={'red_block': upright_pose(*red, 0.3), 'blue_block': upright_pose(0.55, 0.05, HALF, 0.0)},
        velocities={'red_block': red_speed, 'blue_block': 0.0},
        tools=np.array([[*tool, 0.0, 1.0, 0.0, 0.0]]),
        openings=np.array([opening]),
        touching=frozenset(pairs + [(b, a) for a, b in pairs]),
    )


HELD = (('left', 'red_block'), ('right', 'red_block'))
ON_BLUE = (0.552, 0.049, HALF + EDGE)
STACKED = (('red_block', 'blue_block'),)


@pytest.mark.parametrize(
    ('name', 'now', 'expected'),
    [
        ('reach', scene(), True),
        ('reach', scene(opening=0.3), False),
        ('reach', scene(tool=(0.45, 0.02, HALF)), False),
        ('reach', scene(tool=(0.45, 0.0, HALF + 0.03)), False),
        ('grasp', scene(red=(0.45, 0, 0.05), touching=HELD, opening=0.55), True),
        ('grasp', scene(red=(0.45, 0, 0.05), touching=HELD[:1], opening=0.55), False),
        ('grasp', scene(touching=(*HELD, ('red_block', 'table')), opening=0.55), False),
        ('align', scene(red=(0.55, 0.05, 0.10), touching=HELD, opening=0.55), True),
        ('align', scene(red=(0.50, 0.05, 0.10), touching=HELD, opening=0.55), False),
        ('align', scene(red=(0.55, 0.05, 0.10), opening=0.55), False),
        ('stack', scene(red=ON_BLUE, touching=STACKED), True),
        ('stack', scene(red=ON_BLUE), False),
        ('stack', scene(red=ON_BLUE, touching=(*STACKED, *HELD)), False),
        ('stack', scene(red=ON_BLUE, touching=STACKED, red_speed=0.2), False),
        ('stack', scene(red=(0.58, 0.05, HALF + EDGE), touching=STACKED), False),
    ],
)
def test_predicates(name, now, expected):
    assert TASK.predicates()[name](now) is expected


def test_success_needs_the_gripper_away_open_and_the_blue_block_on_the_table():
    done = scene(red=ON_BLUE, touching=STACKED, tool=(0.55, 0.05, 0.15))
    assert TASK.success(done)
    assert not TASK.success(replace(done, tools=np.array([[0.55, 0.05, 0.08, 0, 1, 0, 0]])))
    assert not TASK.success(replace(done, openings=np.array([0.5])))
    assert not TASK.success(replace(done, touching=done.touching - {('blue_block', 'table')}))


def test_contact_is_the_gripper_on_an_object():
    assert not TASK.contact(scene(touching=STACKED))
    assert TASK.contact(scene(touching=(('hand', 'blue_block'),)))


def test_subtasks_complete_in_order_and_stay_complete():
    latch = SubtaskLatch(TASK)
    stacked = scene(red=ON_BLUE, touching=STACKED, opening=0.5)
    assert latch.update(stacked) == (False,) * 4
    assert latch.update(scene()) == (True, False, False, False)
    held = scene(red=(0.55, 0.05, 0.10), touching=HELD, opening=0.55)
    assert latch.update(held) == (True, True, True, False), 'two at once, in order'
    assert latch.update(scene(tool=(0.2, 0, 0.3))) == (True, True, True, False)
    assert latch.update(stacked) == (True,) * 4


def test_success_must_hold_three_ticks_in_a_row():
    hold = SuccessHold()
    assert [hold.update(x) for x in (1, 1, 0, 1, 1, 1, 1)] == [False] * 5 + [True] * 2


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**63), split=st.sampled_from(['in', 'held_out']))
def test_layouts(seed, split):
    layout = TASK.layout(np.random.default_rng(seed), split)
    red, blue = layout['red_block'], layout['blue_block']
    assert np.linalg.norm(red[:2] - blue[:2]) >= APART
    offsets = np.abs(np.stack([red[:2], blue[:2]]) - CENTRE)
    assert (offsets.max() <= SPREAD) == (split == 'in')
    assert red[2] == blue[2] == HALF


def test_unknown_task_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'block_stacking'"):
        make_task('blok_stacking')


def test_a_file_with_other_subtasks_is_refused(tmp_path):
    file = tmp_path / 'mine.yaml'
    file.write_text(
        'name: block_stacking\ninstruction: do it\nmax_duration: 5.0\n'
        'subtasks: [{name: reach, weight: 0.5}, {name: grab, weight: 0.5}]\n'
    )
    with pytest.raises(ConfigError, match=r'mine\.yaml.*grab.*grasp'):
        make_task(str(file))


def test_a_task_is_built_from_its_configuration():
    parts = tuple(Subtask(name, 0.25) for name in ('reach', 'grasp', 'align', 'stack'))
    config = TaskConfig(name='block_stacking', instruction='x', subtasks=parts, max_duration=1.0)
    assert BlockStacking(config).subtasks == ('reach', 'grasp', 'align', 'stack')
