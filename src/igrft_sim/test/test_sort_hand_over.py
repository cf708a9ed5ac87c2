# SPDX-License-Identifier: Apache-2.0
"""Sorting with two arms: predicates, layouts, the expert, what the operator sees going wrong."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest

import igrft_sim  # noqa: F401  chooses the renderer
from igrft.types import Kind
from igrft_sim.cell import Cell
from igrft_sim.check_expert import run_expert
from igrft_sim.env import CellEnv
from igrft_sim.operator import Habits, Operator
from igrft_sim.servo import Servo
from igrft_sim.tasks import TaskState, make_task
from igrft_sim.tasks.base import Scene, SubtaskLatch, upright_pose
from igrft_sim.tasks.sort_hand_over_geometry import (
    FLOOR,
    GRIP,
    HALF,
    TOOL_ABOVE,
    bar_footprint,
    held_by,
    in_tray,
    overlap,
    place_of,
)

TASK = make_task('sort_hand_over')
ACROSS = np.pi / 2
LYING = HALF[2]
IN_TRAY = FLOOR + HALF[2]
TRAYS = {'red_tray': upright_pose(0.34, -0.24, 0.0, 0.0), 'blue_tray': upright_pose(0.34, 0.24, 0.0, 0.0)}
HOME = ((0.36, 0.25, 0.2), (0.36, -0.25, 0.2))


@pytest.fixture(scope='module')
def env():
    return CellEnv(Cell(make_task('sort_hand_over'), cameras=()))


def scene(red=(0.5, 0.2, LYING), blue=(0.4, 0.2, LYING), tools=HOME, openings=(1.0, 1.0), touching=(), speed=0.0):
    bars = {'red_bar': upright_pose(*red, ACROSS), 'blue_bar': upright_pose(*blue, ACROSS)}
    return Scene(
        poses=bars | TRAYS,
        velocities=dict.fromkeys((*bars, *TRAYS), speed),
        tools=np.array([[*tool, 0.0, 1.0, 0.0, 0.0] for tool in tools]),
        openings=np.array(openings),
        touching=frozenset([*touching, *((b, a) for a, b in touching)]),
        arms=('left_', 'right_'),
    )


def held(bar, *arms):
    return tuple((f'{arm}_{finger}', bar) for arm in arms for finger in ('left', 'right'))


LEFT_HOLDS, RIGHT_HOLDS, BOTH_HOLD = (held('red_bar', *arms) for arms in (('left',), ('right',), ('left', 'right')))
RED_PLACED, BLUE_PLACED = (('red_bar', 'red_tray'),), (('blue_bar', 'blue_tray'),)
MIDDLE, ABOVE, IN_RED, IN_BLUE = (0.46, 0.01, 0.13), (0.33, -0.23, 0.06), (0.34, -0.24, IN_TRAY), (0.34, 0.24, IN_TRAY)


@pytest.mark.parametrize(
    ('name', 'now', 'expected'),
    [
        ('grasp_red', scene(red=(0.5, 0.2, 0.05), touching=LEFT_HOLDS), True),
        ('grasp_red', scene(red=(0.5, 0.2, 0.05), touching=LEFT_HOLDS[:1]), False),
        ('grasp_red', scene(red=(0.5, 0.2, 0.05), touching=RIGHT_HOLDS), False),
        ('grasp_red', scene(red=(0.5, 0.2, 0.05), touching=held('blue_bar', 'left')), False),
        ('grasp_red', scene(touching=(*LEFT_HOLDS, ('red_bar', 'table'))), False),
        ('bring_red', scene(red=MIDDLE, touching=LEFT_HOLDS), True),
        ('bring_red', scene(red=(0.5, 0.15, 0.13), touching=LEFT_HOLDS), False),
        ('bring_red', scene(red=(0.5, 0.0, 0.03), touching=LEFT_HOLDS), False),
        ('share_red', scene(red=MIDDLE, touching=BOTH_HOLD), True),
        ('share_red', scene(red=MIDDLE, touching=LEFT_HOLDS), False),
        ('share_red', scene(red=MIDDLE, touching=(*LEFT_HOLDS, *RIGHT_HOLDS[:1])), False),
        ('hand_red', scene(red=MIDDLE, touching=RIGHT_HOLDS), True),
        ('hand_red', scene(red=MIDDLE, touching=BOTH_HOLD), False),
        ('hand_red', scene(red=MIDDLE, touching=(*RIGHT_HOLDS, ('left_right', 'red_bar'))), False),
        ('carry_red', scene(red=ABOVE, touching=RIGHT_HOLDS), True),
        ('carry_red', scene(red=(0.33, -0.10, 0.06), touching=RIGHT_HOLDS), False),
        ('carry_red', scene(red=ABOVE), False),
        ('place_red', scene(red=IN_RED, touching=RED_PLACED), True),
        ('place_red', scene(red=IN_RED, touching=(*RED_PLACED, *RIGHT_HOLDS)), False),
        ('place_red', scene(red=IN_RED, touching=RED_PLACED, speed=0.1), False),
        ('place_red', scene(red=IN_BLUE, touching=(('red_bar', 'blue_tray'),)), False),
        ('grasp_blue', scene(blue=(0.5, 0.2, 0.05), touching=held('blue_bar', 'left')), True),
        ('grasp_blue', scene(blue=(0.5, 0.2, 0.05), touching=held('blue_bar', 'right')), False),
        ('grasp_blue', scene(blue=IN_BLUE, touching=BLUE_PLACED), True),
        ('place_blue', scene(blue=IN_BLUE, touching=BLUE_PLACED), True),
        ('place_blue', scene(blue=IN_RED, touching=(('blue_bar', 'red_tray'),)), False),
    ],
)
def test_predicates(name, now, expected):
    assert TASK.predicates()[name](now) is expected


def test_success_needs_both_bars_sorted_and_both_arms_away():
    done = scene(red=IN_RED, blue=IN_BLUE, touching=(*RED_PLACED, *BLUE_PLACED))
    assert TASK.success(done)
    near = np.array([HOME[0], [0.34, -0.25, 0.03]])
    assert not TASK.success(replace(done, tools=near))
    assert not TASK.success(replace(done, openings=np.array([1.0, 0.3])))
    assert not TASK.success(replace(done, touching=frozenset(RED_PLACED)))


def test_subtasks_come_in_order():
    latch = SubtaskLatch(TASK)
    assert not any(latch.update(scene(red=IN_RED, touching=RED_PLACED)))
    assert sum(latch.update(scene(red=MIDDLE, touching=LEFT_HOLDS))) == 2
    assert sum(latch.update(scene(red=MIDDLE, touching=BOTH_HOLD))) == 3
    assert sum(latch.update(scene(red=ABOVE, touching=RIGHT_HOLDS))) == 5
    assert sum(latch.update(scene(red=IN_RED, blue=IN_BLUE, touching=(*RED_PLACED, *BLUE_PLACED)))) == 8


def test_a_bar_lies_in_a_tray_only_with_all_corners():
    tray = TRAYS['red_tray']
    assert in_tray(upright_pose(0.34, -0.24, IN_TRAY, ACROSS), tray)
    assert in_tray(upright_pose(0.36, -0.23, IN_TRAY, ACROSS + np.pi + 0.2), tray)
    assert not in_tray(upright_pose(0.34, -0.24, IN_TRAY, 0.0), tray), 'along the robot it is too long'
    assert not in_tray(upright_pose(0.34, -0.20, IN_TRAY, ACROSS), tray)
    assert not in_tray(upright_pose(0.34, -0.24, IN_TRAY + 0.01, ACROSS), tray)


@pytest.mark.parametrize('way', [1.0, -1.0])
def test_a_tool_is_seen_from_the_bar_whichever_end_is_its_first(way):
    bar = upright_pose(0.5, 0.1, 0.1, way * ACROSS)
    place = place_of(np.array([0.51, 0.14, 0.106]), bar)
    assert (place.along, place.beside, place.above) == pytest.approx((0.04, 0.01, 0.006))
    assert held_by(np.array([0.5, 0.14, 0.106]), 0.44, bar) and not held_by(np.array([0.5, 0.14, 0.106]), 0.9, bar)


def test_rectangles_overlap():
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
    turned = square @ np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
    assert overlap(square, square + 0.9) and not overlap(square, square + [1.1, 0.0])
    assert overlap(square, turned) and not overlap(square, turned + [1.8, 0.8])


@pytest.mark.parametrize('split', ['in', 'held_out'])
def test_layouts_leave_room_and_the_splits_do_not_overlap(env, split):
    cell, sides = env.cell, []
    for seed in range(40):
        cell.reset(seed, split)
        state = cell.task_state()
        red, blue = state.pose('red_bar'), state.pose('blue_bar')
        sides.append(red[0] > blue[0])
        assert not any(state.subtasks) and not state.contact
        assert min(red[1], blue[1]) > 0.1, 'both lie on the left'
        assert max(red[2], blue[2]) < LYING + 1e-3 and not overlap(bar_footprint(red), bar_footprint(blue))
        inside = all(0.45 <= x <= 0.58 and 0.15 <= y <= 0.24 for x, y in (red[:2], blue[:2]))
        turned = max(abs(place_of(bar[:3] + [0, 0.05, 0], bar).beside) for bar in (red, blue))
        assert (inside and turned < 0.05 * np.sin(np.pi / 10) + 1e-6) == (split == 'in')
    assert len(set(sides)) == 2, 'which of them is nearer says nothing'


def test_the_left_arm_does_not_reach_the_red_tray(env):
    """Else there would be no need to hand anything over."""
    env.reset(0)
    servo, base = Servo(), np.array(env.cell.robot.bases[0])
    joints = np.array(env.cell.robot.poses['home'][:7])
    for _ in range(60):
        tool = servo.forward(joints)[:3] + base
        way = TRAYS['red_tray'][:3] + [0.0, GRIP, IN_TRAY + TOOL_ABOVE] - tool
        joints = servo.step([*np.clip(5 * way, -0.3, 0.3), 0, 0, 0], joints, 0.1)
    assert np.linalg.norm(way) > 0.04


@pytest.mark.parametrize(('split', 'seeds'), [('in', range(4)), ('held_out', range(100, 104))])
def test_expert_succeeds_with_noise_in_a_short_time(env, split, seeds):
    runs = [run_expert(env, seed, split) for seed in seeds]
    assert all(run.success and all(run.subtasks) for run in runs)
    assert max(run.steps for run in runs) < 90


def test_a_good_episode_is_no_trouble(env):
    for seed in (11, 12):
        env.reset(seed)
        cell = env.cell
        operator = Operator(cell.task, Kind.DEMONSTRATION, seed, Habits())
        while not env.succeeded:
            state = cell.task_state()
            assert cell.task.trouble(state, cell.tools, cell.openings) == ''
            assert not cell.task.lost(state)
            env.step(operator.tick(state, cell.tools, cell.openings).action)


def finish(env, limit=180):
    """Let a new expert drive to the end; steps needed, or None."""
    cell = env.cell
    expert = cell.task.expert(np.random.default_rng(1))
    for step in range(limit):
        if env.succeeded:
            return step
        env.step(expert.act(cell.task_state(), cell.tools, cell.openings))
    return None


@pytest.mark.parametrize('steps', [12, 18, 27, 31, 37, 50])
def test_expert_recovers_from_dropped_bars(env, steps):
    """Both grippers are opened by force in the middle of the work."""
    env.reset(2)
    cell = env.cell
    expert = cell.task.expert(np.random.default_rng(0))
    for _ in range(steps):
        env.step(expert.act(cell.task_state(), cell.tools, cell.openings))
    for _ in range(4):
        env.step([0, 0, 0.1, 0, 0, 0, 1] * 2)
    assert finish(env) is not None


def test_the_right_arm_fetches_what_lies_on_its_side(env):
    env.reset(3)
    env.cell.data.joint('red_bar').qpos = upright_pose(0.5, -0.15, LYING, ACROSS)
    env.step([0, 0, 0, 0, 0, 0, 1] * 2)
    assert finish(env) is not None


def test_a_bar_on_the_wrong_side_is_handed_back(env):
    env.reset(3)
    env.cell.data.joint('blue_bar').qpos = upright_pose(0.5, -0.15, LYING, ACROSS)
    env.step([0, 0, 0, 0, 0, 0, 1] * 2)
    assert finish(env) is not None


def test_nothing_but_contact_joins_gripper_and_bar(env):
    """The fingers' own coupling is all that the model has of equality constraints."""
    model = env.cell.model
    assert {int(kind) for kind in model.eq_type} == {int(mujoco.mjtEq.mjEQ_JOINT)}
    joints = {model.joint(int(j)).name for j in (*model.eq_obj1id, *model.eq_obj2id)}
    assert joints == {f'{arm}_{side}_finger_joint' for arm in ('left', 'right') for side in ('left', 'right')}


def state_of(now, done=0):
    names = TASK.objects
    poses = np.stack([now.poses[name] for name in names])
    return TaskState(names, poses, tuple(i < done for i in range(8)), False, False)


@pytest.mark.parametrize(
    ('now', 'done', 'word'),
    [
        (scene(), 0, ''),
        (scene(tools=((0.36, 0.25, 0.5), HOME[1])), 0, 'left arm'),
        (scene(tools=(HOME[0], (0.36, -0.43, 0.2))), 0, 'right arm'),
        (scene(red=(0.5, 0.42, LYING)), 0, 'pushed away'),
        (scene(red=(0.46, 0.0, LYING)), 2, 'red bar was lost'),
        (scene(red=MIDDLE, tools=((0.46, 0.05, 0.136), HOME[1])), 2, ''),
        (scene(red=IN_BLUE), 1, 'wrong tray'),
        (scene(blue=IN_RED), 0, 'wrong tray'),
        (scene(red=IN_RED), 6, ''),
        (scene(red=(0.34, -0.17, IN_TRAY)), 6, 'left its tray'),
        (scene(red=IN_RED, blue=(0.4, 0.1, LYING)), 7, 'blue bar was lost'),
    ],
)
def test_an_operator_sees_trouble(now, done, word):
    found = TASK.trouble(state_of(now, done), now.tools, now.openings)
    assert word in found and bool(word) == bool(found)


def test_lost_is_what_no_arm_reaches():
    assert not TASK.lost(state_of(scene()))
    assert not TASK.lost(state_of(scene(red=(0.65, 0.0, 0.2)))), 'it is in the air'
    assert TASK.lost(state_of(scene(red=(0.65, 0.0, LYING))))
    assert TASK.lost(state_of(scene(red=(0.22, 0.3, LYING))))
    assert TASK.lost(state_of(scene(blue=(0.8, 0.0, -0.6))))


def test_scrambles_cover_every_stage():
    rng = np.random.default_rng(0)
    draws = [TASK.scramble(rng) for _ in range(300)]
    assert all(set(draw) == set(TASK.objects) for draw in draws)
    red = np.stack([draw['red_bar'] for draw in draws])
    placed = np.mean([in_tray(draw['red_bar'], draw['red_tray']) for draw in draws])
    assert 0.1 < placed < 0.5
    assert (red[:, 1] < -0.1).mean() > 0.2 and (red[:, 1] > 0.1).mean() > 0.2 and (red[:, 2] > 0.07).mean() > 0.04
    assert np.allclose(np.linalg.norm(red[:, 3:], axis=1), 1.0)


def test_grips_are_those_of_the_expert(env):
    """The pose of the bar in the tool's frame, as it is while either arm holds it, is one of the grips."""
    env.reset(4)
    cell = env.cell
    expert = cell.task.expert(np.random.default_rng(0), 0.0)
    seen = set()
    for _ in range(70):
        env.step(expert.act(cell.task_state(), cell.tools, cell.openings))
        bar = cell.task_state().pose('red_bar')
        for arm in range(2):
            if not cell._scene().held('red_bar', arm):
                continue
            inverse, local, turned = np.empty(4), np.empty(3), np.empty(4)
            mujoco.mju_negQuat(inverse, cell.tools[arm, 3:])
            mujoco.mju_rotVecQuat(local, bar[:3] - cell.tools[arm, :3], inverse)
            mujoco.mju_mulQuat(turned, inverse, bar[3:])
            grips = cell.task.grips()['red_bar']
            if any(np.abs(local - g.pose[:3]).max() < 0.012 and abs(turned @ g.pose[3:]) > 0.995 for g in grips):
                seen.add(arm)
    assert seen == {0, 1}
