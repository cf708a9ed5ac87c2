# SPDX-License-Identifier: Apache-2.0
"""Packing the parcel: predicates, layouts, the lid as a real hinge, the expert, what the operator sees going wrong."""

from dataclasses import replace

import numpy as np
import pytest

import igrft_sim  # noqa: F401  chooses the renderer
from igrft.types import Kind
from igrft_sim.cell import Cell
from igrft_sim.check_expert import run_expert
from igrft_sim.env import CellEnv
from igrft_sim.operator import Operator
from igrft_sim.tasks import TaskState, make_task
from igrft_sim.tasks.base import Scene, upright_pose
from igrft_sim.tasks.parcel_packing import APART, AREA, PARCEL
from igrft_sim.tasks.parcel_packing_geometry import (
    AJAR,
    HINGE,
    INSIDE,
    ITEMS,
    RIM,
    SHUT,
    TAB,
    THICK,
    at_lid,
    beside_lid,
    into,
    lid_angle,
    out_of,
    over,
    packed,
)

TASK = make_task('parcel_packing')
BOX = upright_pose(*PARCEL, 0.0, 0.2)
FLAT, ROUND = (ITEMS[name].size[2] / 2 for name in ('brick', 'ball'))
BRICK, BALL = (0.58, 0.10, FLAT), (0.56, -0.10, ROUND)
BRICK_IN, BALL_IN = out_of(BOX, 0.02, 0, THICK + FLAT), out_of(BOX, -0.03, 0.01, THICK + ROUND)
ABOVE = out_of(BOX, 0.0, 0.0, 0.12)
HIGH = out_of(BOX, 0.0, 0.0, 0.20)
RESTS = (('lid', 'parcel'),)


@pytest.fixture(scope='module')
def env():
    return CellEnv(Cell(make_task('parcel_packing'), cameras=()))


def lid(angle):
    """[7] of the lid's body in BOX."""
    turn = 0.1, -angle / 2
    (cz, sz), (cy, sy) = ((np.cos(t), np.sin(t)) for t in turn)
    return np.array([*out_of(BOX, HINGE[0], 0, HINGE[1]), cz * cy, -sz * sy, cz * sy, sz * cy])


def scene(brick=BRICK, ball=BALL, angle=AJAR, tool=HIGH, opening=1.0, touching=(), speed=0.0):
    poses = {'brick': upright_pose(*brick, 0.3), 'ball': upright_pose(*ball, 0.0), 'parcel': BOX, 'lid': lid(angle)}
    return Scene(
        poses=poses,
        velocities=dict.fromkeys(poses, speed),
        tools=np.array([[*tool, 0.0, 1.0, 0.0, 0.0]]),
        openings=np.array([opening]),
        touching=frozenset([*touching, *((b, a) for a, b in touching)]),
    )


def held(name):
    return ('left', name), ('right', name)


PACKED = {'brick': BRICK_IN, 'ball': BALL_IN}


@pytest.mark.parametrize(
    ('name', 'now', 'expected'),
    [
        ('grasp_brick', scene(brick=(0.5, 0.1, 0.04), touching=held('brick')), True),
        ('grasp_brick', scene(brick=(0.5, 0.1, 0.04), touching=held('brick')[:1]), False),
        ('grasp_brick', scene(brick=(0.5, 0.1, 0.04), touching=(*held('brick'), ('brick', 'table'))), False),
        ('grasp_brick', scene(brick=(0.5, 0.1, 0.04), touching=held('ball')), False),
        ('grasp_brick', scene(brick=BRICK_IN), True),
        ('bring_brick', scene(brick=ABOVE, touching=held('brick')), True),
        ('bring_brick', scene(brick=ABOVE), False),
        ('bring_brick', scene(brick=(0.55, 0.0, 0.12), touching=held('brick')), False),
        ('pack_brick', scene(brick=BRICK_IN), True),
        ('pack_brick', scene(brick=BRICK_IN, touching=held('brick')[:1]), False),
        ('pack_brick', scene(brick=BRICK_IN, speed=0.2), False),
        ('pack_brick', scene(brick=ABOVE), False),
        ('grasp_ball', scene(ball=(0.5, 0.1, 0.04), touching=held('ball')), True),
        ('bring_ball', scene(ball=ABOVE, touching=held('ball')), True),
        ('pack_ball', scene(ball=out_of(BOX, 0.02, 0, THICK + 2 * FLAT + ROUND)), True),
        ('pack_ball', scene(ball=out_of(BOX, INSIDE[0] + 0.01, 0, ROUND)), False),
        ('tip_lid', scene(**PACKED, angle=1.2), True),
        ('tip_lid', scene(**PACKED, angle=1.5), False),
        ('tip_lid', scene(brick=BRICK_IN, angle=1.2), False),
        ('close_lid', scene(**PACKED, angle=0.0, touching=RESTS), True),
        ('close_lid', scene(**PACKED, angle=0.0), False),
        ('close_lid', scene(**PACKED, angle=2 * SHUT, touching=RESTS), False),
        ('close_lid', scene(**PACKED, angle=0.0, touching=RESTS, speed=0.5), False),
        ('close_lid', scene(brick=BRICK_IN, angle=0.0, touching=RESTS), False),
    ],
)
def test_predicates(name, now, expected):
    assert TASK.predicates()[name](now) is expected


def test_success_needs_both_items_the_lid_shut_and_the_gripper_away():
    done = scene(**PACKED, angle=0.0, touching=RESTS)
    assert TASK.success(done)
    assert not TASK.success(scene(**PACKED, angle=0.0, touching=(*RESTS, ('left', 'lid'))))
    assert not TASK.success(scene(**PACKED, angle=0.0, touching=RESTS, tool=out_of(BOX, 0, 0, RIM + 0.02)))
    assert not TASK.success(scene(ball=BALL_IN, angle=0.0, touching=RESTS))
    assert not TASK.success(replace(done, touching=frozenset()))


@pytest.mark.parametrize('angle', [0.0, 0.7, np.pi / 2, AJAR])
def test_the_lids_angle_and_its_frame(angle):
    assert lid_angle(lid(angle), BOX) == pytest.approx(angle)
    assert beside_lid(at_lid(BOX, angle, 0.1, 0.02), BOX, angle) == pytest.approx((0.1, 0.0, 0.02))


def test_trouble_is_named():
    def state(done, **changes):
        now = scene(**changes)
        poses = np.stack([now.poses[name] for name in TASK.objects])
        subtasks = (True,) * done + (False,) * (8 - done)
        return TaskState(TASK.objects, poses, subtasks, False, False), now.tools, now.openings

    assert TASK.trouble(*state(0)) == ''
    assert TASK.trouble(*state(3, brick=BRICK_IN)) == ''
    assert TASK.trouble(*state(7, **PACKED, angle=0.5)) == ''
    assert TASK.trouble(*state(1)) == 'the brick was lost'
    assert TASK.trouble(*state(4, brick=BRICK_IN)) == 'the ball was lost'
    assert TASK.trouble(*state(3)) == 'the brick left the parcel'
    assert TASK.trouble(*state(3, brick=BRICK_IN, angle=1.0)) == 'the lid closes too early'
    assert TASK.trouble(*state(0, ball=(0.5, 0.35, ROUND))) == 'the ball was pushed away'
    assert TASK.trouble(*state(0, tool=(0.48, 0.0, 0.45))) == 'the arm has gone astray'
    assert TASK.lost(state(0, ball=(0.5, 0.40, ROUND))[0])
    assert not TASK.lost(state(0)[0])


@pytest.mark.parametrize('split', ['in', 'held_out'])
@pytest.mark.parametrize('seed', range(40))
def test_layouts(seed, split):
    layout = TASK.layout(np.random.default_rng(seed), split)
    spots = np.stack([layout[name][:2] for name in ITEMS])
    familiar = all(low <= x <= high for spot in spots for x, (low, high) in zip(spot, AREA, strict=True))
    assert familiar == (split == 'in')
    assert np.linalg.norm(spots[0] - spots[1]) >= APART
    assert not any(over(layout[name], layout['parcel'], (0.04, 0.06)) for name in ITEMS)
    assert layout['lid'] == pytest.approx([AJAR])


def test_scrambles_show_every_stage():
    seen = set()
    for seed in range(300):
        places = TASK.scramble(np.random.default_rng(seed))
        inside = sum(packed(places[name], places['parcel']) for name in ITEMS)
        angle = float(places['lid'][0])
        seen.add((inside, 'shut' if angle < SHUT else 'open' if angle > AJAR - SHUT else 'between'))
    assert seen == {(inside, where) for inside in range(3) for where in ('shut', 'between', 'open')}


@pytest.mark.parametrize(('angle', 'rests'), [(AJAR, AJAR), (1.65, AJAR), (1.4, 0.0), (0.6, 0.0)])
def test_the_lid_is_a_hinge_in_gravity_that_does_not_bounce(env, angle, rests):
    env.reset(0)
    env.cell.data.joint('lid').qpos = angle
    now = [env.act([0, 0, 0, 0, 0, 0, 1]) for _ in range(40)]
    angles = np.array([lid_angle(state.pose('lid'), state.pose('parcel')) for state in now])
    assert angles[-1] == pytest.approx(rests, abs=0.02)
    assert (np.diff(angles) * np.sign(rests - angle) > -0.02).all()


def test_both_items_fit_below_the_lid_even_on_one_another(env):
    env.reset(0)
    cell, box = env.cell, env.cell.object_pose('parcel')
    for name, height in (('brick', THICK + FLAT), ('ball', THICK + 2 * FLAT + ROUND)):
        cell.data.joint(name).qpos = upright_pose(*out_of(box, 0, 0, height), 0.0)
    cell.data.joint('lid').qpos = 0.8
    for _ in range(20):
        state = env.act([0, 0, 0, 0, 0, 0, 0])
    assert TASK.predicates()['close_lid'](cell._scene())
    assert state.success


@pytest.mark.parametrize(('split', 'seeds'), [('in', range(3)), ('held_out', range(100, 103))])
def test_expert_succeeds_in_a_short_time(env, split, seeds):
    runs = [run_expert(env, seed, split) for seed in seeds]
    assert all(run.success and all(run.subtasks) for run in runs)
    assert max(run.steps for run in runs) < 105


@pytest.mark.parametrize('split', ['in', 'held_out'])
def test_a_good_episode_is_no_trouble(env, split):
    env.reset(7, split)
    cell = env.cell
    operator = Operator(cell.task, Kind.DEMONSTRATION, 7)
    counts = [0]
    while not env.succeeded and len(counts) < 120:
        state = cell.task_state()
        assert TASK.trouble(state, cell.tools, cell.openings) == ''
        assert not TASK.lost(state)
        env.act(operator.tick(state, cell.tools, cell.openings).action)
        counts.append(sum(cell.task_state().subtasks))
    assert env.succeeded
    assert set(counts) == set(range(9)), 'one subtask after another'


def finish(env, limit=200):
    """Let a new expert drive to the end; whether it gets there."""
    cell = env.cell
    expert = cell.task.expert(np.random.default_rng(1))
    for _ in range(limit):
        if env.succeeded:
            return True
        env.act(expert.act(cell.task_state(), cell.tools, cell.openings))
    return False


@pytest.mark.parametrize('steps', [15, 22, 44])
def test_expert_recovers_from_a_dropped_item(env, steps):
    env.reset(3)
    cell = env.cell
    expert = cell.task.expert(np.random.default_rng(0))
    for _ in range(steps):
        env.act(expert.act(cell.task_state(), cell.tools, cell.openings))
    for _ in range(4):
        env.act([0, 0, 0.1, 0, 0, 0, 1])
    assert finish(env)


@pytest.mark.parametrize(
    'places',
    [
        {},
        {'ball': (0.0, 0.0, THICK + ROUND)},
        {'ball': (0.02, 0.0, RIM + THICK + ROUND)},
        {'brick': (0.02, 0.02, RIM + THICK + FLAT)},
    ],
    ids=['both outside', 'the ball inside', 'the ball on it', 'the brick on it'],
)
def test_expert_opens_a_lid_that_was_shut_too_early(env, places):
    env.reset(0)
    cell, box = env.cell, env.cell.object_pose('parcel')
    cell.data.joint('lid').qpos = 0.0
    for name, place in places.items():
        cell.data.joint(name).qpos = upright_pose(*out_of(box, *place), 0.0)
    state = env.act([0, 0, 0, 0, 0, 0, 1])
    assert lid_angle(state.pose('lid'), state.pose('parcel')) < SHUT
    assert TASK.trouble(state, cell.tools, cell.openings) == 'the lid closes too early'
    assert finish(env)


@pytest.mark.parametrize(
    'place', [('brick', 0.02, 0.09), ('brick', 0.06, -0.12), ('ball', 0.02, -0.09), ('brick', 0.085, 0.02)]
)
def test_expert_fetches_an_item_that_lies_at_a_wall(env, place):
    env.reset(0)
    name, x, y = place
    spot = out_of(env.cell.object_pose('parcel'), x, y, ITEMS[name].size[2] / 2)
    env.cell.data.joint(name).qpos = upright_pose(*spot, 0.0)
    env.act([0, 0, 0, 0, 0, 0, 1])
    assert finish(env)


def test_expert_comes_back_from_behind_the_open_lid(env):
    env.reset(2)
    for goal in ((0.33, 0.0, 0.25), (0.33, 0.0, 0.15)):
        for _ in range(25):
            way = np.clip(4 * (goal - env.cell.tools[0, :3]), -0.3, 0.3)
            env.act([*way, 0, 0, 0, 0])
    assert into(env.cell.object_pose('parcel'), env.cell.tools[0])[0] < HINGE[0]
    assert finish(env)


def test_the_tab_juts_out_far_enough_to_be_gripped():
    room = TAB[0] - (INSIDE[0] + THICK - HINGE[0])
    assert room >= 0.02 + 0.004, 'the fingers are 2 cm wide'
