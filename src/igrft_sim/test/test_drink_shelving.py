# SPDX-License-Identifier: Apache-2.0
"""Drink shelving: layouts, predicates, trouble, and an expert that also puts right what went wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igrft.types import Kind
from igrft_sim.cell import Cell
from igrft_sim.check_expert import run_expert
from igrft_sim.env import CellEnv
from igrft_sim.operator import Operator
from igrft_sim.tasks import TaskState, make_task
from igrft_sim.tasks.base import upright_pose
from igrft_sim.tasks.drink_rack import DRINKS, PITCH, SHELF, SLOT, WALL, off_slot, stands_in, tilt
from igrft_sim.tasks.drink_shelving import APART, CENTRE, RACK, RACK_SPREAD, SPREAD

TASK = make_task('drink_shelving')
RACK_POSE = upright_pose(*RACK, 0.0, 0.1)
LYING = np.array([np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0])
OPEN = np.array([0, 0, 0, 0, 0, 0, 1.0])


@pytest.fixture(scope='module')
def env():
    return CellEnv(Cell(TASK, cameras=()))


def place(env, **poses):
    """A start with some drinks put elsewhere."""
    env.reset(3)
    for name, pose in poses.items():
        env.cell.data.joint(name).qpos = pose
    env.act(OPEN)


def finish(env, limit=230):
    """Let the expert drive to the end; steps needed, or None."""
    cell = env.cell
    expert = TASK.expert(np.random.default_rng(1))
    for step in range(limit):
        if env.succeeded:
            return step
        env.act(expert.act(cell.task_state(), cell.tools, cell.openings))
    return None


def seated(name, rack=RACK_POSE, side=0, beside=(0.0, 0.0), above=0.0):
    drink = DRINKS[name]
    x, y, z = drink.slot(rack, side)
    return upright_pose(x + beside[0], y + beside[1], z + drink.height / 2 + above, 0.0)


def state(done=0, can=None, bottle=None):
    """Ground truth with the drinks on the table unless they are given."""
    can = upright_pose(0.53, 0.1, 0.045, 0.0) if can is None else can
    bottle = upright_pose(0.53, -0.1, 0.055, 0.0) if bottle is None else bottle
    subtasks = tuple(index < done for index in range(6))
    return TaskState(TASK.objects, np.stack([can, bottle, RACK_POSE]), subtasks, False, False)


def trouble(now, tool=(0.46, 0.0, 0.2), opening=1.0):
    return TASK.trouble(now, np.array([[*tool, 0.0, 1.0, 0.0, 0.0]]), np.array([opening]))


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**63), split=st.sampled_from(['in', 'held_out']))
def test_layouts(seed, split):
    places = TASK.layout(np.random.default_rng(seed), split)
    offsets = np.stack([places[name][:2] - CENTRE for name in DRINKS])
    assert np.linalg.norm(offsets[0] - offsets[1]) >= APART
    assert (np.abs(offsets) <= SPREAD).all() == (split == 'in')
    assert (np.abs(places['rack'][:2] - RACK) <= RACK_SPREAD[split][:2]).all()
    assert all(places[name][2] == drink.height / 2 for name, drink in DRINKS.items())


def test_scrambles_show_every_stage():
    rng = np.random.default_rng(0)
    seen = {'own': 0, 'other': 0, 'lying': 0, 'table': 0}
    for _ in range(300):
        places = TASK.scramble(rng)
        assert set(places) == set(TASK.objects)
        for name, drink in DRINKS.items():
            pose = places[name]
            seen['own'] += stands_in(drink, pose, places['rack'])
            seen['other'] += stands_in(drink, pose, places['rack'], -drink.side)
            seen['lying'] += tilt(pose) > 1.5
            seen['table'] += tilt(pose) < 0.1 and pose[2] == drink.height / 2
    assert min(seen.values()) > 20


def test_the_slots_are_left_and_right_seen_from_the_robot():
    level = upright_pose(0.3, 0.0, 0.0, 0.0)
    assert DRINKS['can'].slot(level) == pytest.approx([0.3, PITCH / 2, SHELF])
    assert DRINKS['bottle'].slot(level) == pytest.approx([0.3, -PITCH / 2, SHELF])
    turned = upright_pose(0.3, 0.0, 0.0, np.pi / 2)
    assert DRINKS['can'].slot(turned) == pytest.approx([0.3 - PITCH / 2, 0.0, SHELF])


def test_a_drink_stands_in_its_own_slot_only():
    can = DRINKS['can']
    assert stands_in(can, seated('can'), RACK_POSE)
    assert not stands_in(can, seated('can', side=-1), RACK_POSE)
    assert stands_in(can, seated('can', side=-1), RACK_POSE, -1)
    assert not stands_in(can, seated('can', above=WALL), RACK_POSE)
    assert not stands_in(can, seated('can', beside=(0.012, 0.0)), RACK_POSE)
    leaning = seated('can')
    leaning[3:] = [np.cos(0.15), np.sin(0.15), 0.0, 0.0]
    assert not stands_in(can, leaning, RACK_POSE)
    assert off_slot(can, seated('can'), RACK_POSE) == pytest.approx(np.zeros(3), abs=1e-9)


def test_trouble_is_named():
    assert trouble(state()) == ''
    assert 'astray' in trouble(state(), tool=(0.46, 0.0, 0.45))
    assert trouble(state(can=np.array([0.5, 0.1, 0.025, *LYING]))) == 'the can fell over'
    assert trouble(state(bottle=upright_pose(0.75, 0.0, 0.055, 0.0))) == 'the bottle was pushed away'
    assert trouble(state(can=seated('can', side=-1))) == 'the can is in the wrong slot'
    assert trouble(state(3, can=seated('can'))) == ''
    assert trouble(state(3)) == 'the can left its slot'
    assert trouble(state(4, can=seated('can'))) == 'the bottle was lost'
    assert trouble(state(4, can=seated('can')), tool=(0.53, -0.1, 0.091), opening=0.32) == ''


def test_what_nothing_can_save_is_lost():
    assert not TASK.lost(state())
    assert TASK.lost(state(can=upright_pose(0.9, 0.0, 0.045, 0.0)))
    assert TASK.lost(state(bottle=upright_pose(0.5, 0.0, -0.4, 0.0)))


@pytest.mark.parametrize(('split', 'seeds'), [('in', range(6)), ('held_out', range(100, 104))])
def test_expert_succeeds_in_a_short_time(env, split, seeds):
    runs = [run_expert(env, seed, split) for seed in seeds]
    assert all(run.success and all(run.subtasks) for run in runs)
    assert max(run.steps for run in runs) < 100


@pytest.mark.parametrize('seed', range(4))
def test_a_good_episode_is_no_trouble_and_completes_one_subtask_after_another(env, seed):
    cell = env.cell
    env.reset(seed, ('in', 'held_out')[seed % 2])
    operator = Operator(TASK, Kind.DEMONSTRATION, seed)
    marks = []
    while not env.succeeded and len(marks) < 160:
        now = cell.task_state()
        assert TASK.trouble(now, cell.tools, cell.openings) == ''
        decision = operator.tick(now, cell.tools, cell.openings)
        marks.append(decision.marks)
        env.act(decision.action)
    assert env.succeeded
    assert [index for step in marks for index in step] == list(range(6))
    assert all(len(step) <= 1 for step in marks)


@pytest.mark.parametrize('heading', [0.3, 1.8, 2.9, -1.2])
@pytest.mark.parametrize('name', list(DRINKS))
def test_expert_stands_a_fallen_drink_up(env, name, heading):
    attitude = np.array([1.0, np.sin(heading), np.cos(heading), 0.0]) / np.sqrt(2)
    other = 'bottle' if name == 'can' else 'can'
    fallen = np.array([0.50, 0.02, 0.026, *attitude])
    place(env, **{name: fallen, other: upright_pose(0.55, -0.12, DRINKS[other].height / 2, 0.0)})
    assert tilt(env.cell.object_pose(name)) > 1.4
    assert finish(env) is not None


def test_expert_exchanges_drinks_in_the_wrong_slots(env):
    env.reset(3)
    rack = env.cell.object_pose('rack')
    place(env, can=seated('can', rack, -1, above=0.001), bottle=seated('bottle', rack, 1, above=0.001))
    assert finish(env) is not None


def test_expert_frees_a_drink_that_stands_on_the_walls(env):
    """Half over its slot, it leans or falls; nothing holds it there."""
    env.reset(3)
    rack = env.cell.object_pose('rack')
    place(env, can=seated('can', rack, beside=(-0.022, 0.0), above=WALL + 0.002))
    assert finish(env) is not None


@pytest.mark.parametrize('steps', [10, 16, 24, 50])
def test_expert_recovers_from_a_dropped_drink(env, steps):
    env.reset(2)
    cell = env.cell
    expert = TASK.expert(np.random.default_rng(0))
    for _ in range(steps):
        env.act(expert.act(cell.task_state(), cell.tools, cell.openings))
    for _ in range(4):
        env.act([0.1, 0, 0.1, 0, 0, 0, 1])
    assert finish(env) is not None


def test_a_shove_at_the_neck_topples_the_bottle(env):
    """The contact is real: what is hit high falls over."""
    place(env, bottle=upright_pose(0.53, -0.05, 0.055, 0.0), can=upright_pose(0.53, 0.12, 0.045, 0.0))
    for _ in range(60):
        tool = env.cell.tools[0]
        way = np.array([0.53, 0.06, 0.112]) - tool[:3]
        env.act([*np.clip(way * 5, -0.3, 0.3), 0, 0, 0, 0])
        if np.linalg.norm(way) < 0.01:
            break
    for _ in range(25):
        env.act([0, -0.3, 0, 0, 0, 0, 0])
    assert tilt(env.cell.object_pose('bottle')) > 1.0


def test_a_drink_has_a_few_millimetres_to_spare():
    assert all(0.004 < SLOT / 2 - drink.radius < 0.010 for drink in DRINKS.values())
