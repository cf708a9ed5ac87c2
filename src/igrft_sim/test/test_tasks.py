# SPDX-License-Identifier: Apache-2.0
"""Predicates, layouts, the order of subtasks, and the names."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igrft.config import ConfigError, TaskConfig
from igrft.types import Subtask
from igrft_sim.tasks import SuccessHold, TaskState, make_task
from igrft_sim.tasks.base import Scene, SubtaskLatch, upright_pose
from igrft_sim.tasks.block_stacking import APART, CENTRE, SPREAD, BlockStacking
from igrft_sim.tasks.block_stacking_expert import EDGE

TASK = make_task('block_stacking')
HALF = EDGE / 2


def scene(red=(0.45, 0.0, HALF), green=(0.40, -0.05, HALF), tool=None, opening=1.0, touching=(), speed=0.0):
    pairs = [('blue_block', 'table'), *touching]
    blocks = {'red_block': red, 'blue_block': BLUE, 'green_block': green}
    return Scene(
        poses={name: upright_pose(*place, 0.3) for name, place in blocks.items()},
        velocities=dict.fromkeys(blocks, speed),
        tools=np.array([[*(tool or red), 0.0, 1.0, 0.0, 0.0]]),
        openings=np.array([opening]),
        touching=frozenset(pairs + [(b, a) for a, b in pairs]),
    )


def held(name):
    return ('left', name), ('right', name)


BLUE = (0.55, 0.05, HALF)
ON_BLUE = (0.552, 0.049, HALF + EDGE)
ON_RED = (0.551, 0.052, HALF + 2 * EDGE)
STACKED = (('red_block', 'blue_block'),)
TOWER = (*STACKED, ('green_block', 'red_block'))


@pytest.mark.parametrize(
    ('name', 'now', 'expected'),
    [
        ('grasp_red', scene(red=(0.45, 0, 0.05), touching=held('red_block')), True),
        ('grasp_red', scene(red=(0.45, 0, 0.05), touching=held('red_block')[:1]), False),
        ('grasp_red', scene(red=(0.45, 0, 0.05), touching=(*held('red_block'), ('red_block', 'table'))), False),
        ('grasp_red', scene(red=(0.45, 0, 0.05), touching=held('green_block')), False),
        ('align_red', scene(red=(0.55, 0.05, 0.10), touching=held('red_block')), True),
        ('align_red', scene(red=(0.50, 0.05, 0.10), touching=held('red_block')), False),
        ('align_red', scene(red=(0.55, 0.05, 0.10)), False),
        ('stack_red', scene(red=ON_BLUE, touching=STACKED), True),
        ('stack_red', scene(red=ON_BLUE), False),
        ('stack_red', scene(red=ON_BLUE, touching=(*STACKED, *held('red_block'))), False),
        ('stack_red', scene(red=ON_BLUE, touching=STACKED, speed=0.2), False),
        ('stack_red', scene(red=(0.58, 0.05, HALF + EDGE), touching=STACKED), False),
        ('grasp_green', scene(green=(0.40, -0.05, 0.05), touching=held('green_block')), True),
        ('align_green', scene(red=ON_BLUE, green=(0.55, 0.05, 0.15), touching=held('green_block')), True),
        ('align_green', scene(red=ON_BLUE, green=(0.55, 0.05, 0.09), touching=held('green_block')), False),
        ('stack_green', scene(red=ON_BLUE, green=ON_RED, touching=TOWER), True),
        ('stack_green', scene(red=ON_BLUE, green=ON_RED, touching=STACKED), False),
    ],
)
def test_predicates(name, now, expected):
    assert TASK.predicates()[name](now) is expected


def test_success_needs_the_whole_tower_the_gripper_away_and_open_and_the_blue_block_on_the_table():
    done = scene(red=ON_BLUE, green=ON_RED, touching=TOWER, tool=(0.55, 0.05, 0.19))
    assert TASK.success(done)
    assert not TASK.success(replace(done, tools=np.array([[0.55, 0.05, 0.13, 0, 1, 0, 0]])))
    assert not TASK.success(replace(done, openings=np.array([0.5])))
    for pair in (('blue_block', 'table'), ('red_block', 'blue_block'), ('green_block', 'red_block')):
        assert not TASK.success(replace(done, touching=done.touching - {pair})), pair


def test_contact_is_the_gripper_on_an_object():
    assert not TASK.contact(scene(touching=STACKED))
    assert TASK.contact(scene(touching=(('hand', 'blue_block'),)))


def test_subtasks_complete_in_order_and_stay_complete():
    latch = SubtaskLatch(TASK)
    stacked = scene(red=ON_BLUE, touching=STACKED)
    assert latch.update(stacked) == (False,) * 6
    aligned = scene(red=(0.55, 0.05, 0.10), touching=held('red_block'))
    assert latch.update(aligned) == (True, True, *[False] * 4), 'two at once, in order'
    assert latch.update(scene()) == (True, True, *[False] * 4)
    assert latch.update(stacked) == (*[True] * 3, *[False] * 3)


def test_trouble_is_a_fallen_tower_a_lost_block_and_an_arm_astray():
    def state(done, **places):
        now = scene(**places)
        return TaskState(TASK.objects, np.stack(list(now.poses.values())), (True,) * done + (False,) * (6 - done),
                         False, False), now.tools, now.openings  # fmt: skip

    assert TASK.trouble(*state(0)) == ''
    assert TASK.trouble(*state(3, red=ON_BLUE, tool=(0.4, 0, 0.1))) == ''
    assert TASK.trouble(*state(3, tool=(0.4, 0, 0.1))) == 'the tower fell'
    assert TASK.trouble(*state(1, tool=(0.4, 0, 0.1))) == 'the red block was lost'
    assert TASK.trouble(*state(4, red=ON_BLUE, tool=(0.55, 0, 0.1))) == 'the green block was lost'
    assert 'astray' in TASK.trouble(*state(0, tool=(0.48, 0.0, 0.4)))


def test_success_must_hold_three_ticks_in_a_row():
    hold = SuccessHold()
    assert [hold.update(x) for x in (1, 1, 0, 1, 1, 1, 1)] == [False] * 5 + [True] * 2


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**63), split=st.sampled_from(['in', 'held_out']))
def test_layouts(seed, split):
    layout = TASK.layout(np.random.default_rng(seed), split)
    places = np.stack(list(layout.values()))
    gaps = [np.linalg.norm(a[:2] - b[:2]) for i, a in enumerate(places) for b in places[:i]]
    assert min(gaps) >= APART
    offsets = np.abs(places[:, :2] - CENTRE)
    assert (offsets.max() <= SPREAD) == (split == 'in')
    assert (places[:, 2] == HALF).all()


def test_unknown_task_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'block_stacking'"):
        make_task('blok_stacking')


def test_a_file_with_other_subtasks_is_refused(tmp_path):
    file = tmp_path / 'mine.yaml'
    file.write_text(
        'name: block_stacking\ninstruction: do it\nmax_duration: 5.0\n'
        'subtasks: [{name: grasp_red, weight: 0.5}, {name: grab, weight: 0.5}]\n'
    )
    with pytest.raises(ConfigError, match=r'mine\.yaml.*grab.*grasp_green'):
        make_task(str(file))


def test_a_task_is_built_from_its_configuration():
    names = tuple(TASK.predicates())
    parts = tuple(Subtask(name, 1 / 6) for name in names)
    config = TaskConfig(name='block_stacking', instruction='x', subtasks=parts, max_duration=1.0)
    assert BlockStacking(config).subtasks == names
