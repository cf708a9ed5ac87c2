# SPDX-License-Identifier: Apache-2.0
"""The expert succeeds, also after something went wrong; the simulated operator behaves like one."""

from itertools import permutations

import numpy as np
import pytest

from igrft.control.servo_status import ServoCode
from igrft.types import Kind, Outcome
from igrft_sim.check_expert import main, run_expert
from igrft_sim.operator import Habits, Operator
from igrft_sim.tasks.pick_place import aside

LIMIT = 150

TOWERS = [order for order in permutations(('red', 'green', 'blue')) if order != ('blue', 'red', 'green')]
"""lowest first"""


def finish(env, expert):
    """Let the expert drive to the end; steps needed, or None."""
    for step in range(LIMIT):
        if env.succeeded:
            return step
        cell = env.cell
        env.step(expert.act(cell.task_state(), cell.tools, cell.openings))
    return None


@pytest.mark.parametrize(('split', 'seeds'), [('in', range(12)), ('held_out', range(100, 106))])
def test_expert_succeeds_with_noise_in_a_short_time(blind, split, seeds):
    runs = [run_expert(blind, seed, split) for seed in seeds]
    assert all(run.success for run in runs)
    assert all(all(run.subtasks) for run in runs)
    assert max(run.steps for run in runs) < 75


def test_expert_without_noise_is_repeatable(blind):
    first, again = (run_expert(blind, 3, noise=0.0) for _ in range(2))
    assert first == again and first.success


def test_demonstrations_differ_by_seed_only(blind):
    paths = []
    for seed in (1, 1, 2):
        blind.reset(5)
        operator = Operator(blind.cell.task, Kind.DEMONSTRATION, seed)
        for _ in range(5):
            cell = blind.cell
            blind.step(operator.tick(cell.task_state(), cell.tools, cell.openings).action)
        paths.append(blind.cell.tools.tobytes())
    assert paths[0] == paths[1] != paths[2]


@pytest.mark.parametrize('steps', [9, 13, 17])
def test_expert_recovers_from_a_dropped_block(blind, steps):
    """The gripper is opened by force in the middle of the work."""
    blind.reset(2)
    cell = blind.cell
    expert = cell.task.expert(np.random.default_rng(0))
    for _ in range(steps):
        blind.step(expert.act(cell.task_state(), cell.tools, cell.openings))
    for _ in range(4):
        blind.step([0, 0, 0.1, 0, 0, 0, 1])
    assert finish(blind, cell.task.expert(np.random.default_rng(1))) is not None


def test_expert_recovers_from_wandering_with_the_gripper_shut(blind):
    blind.reset(8)
    for step in range(25):
        blind.step([0.2 * np.sin(step / 4), 0.3 * np.cos(step / 5), -0.1 if step < 8 else 0.08, 0, 0, 0.8, 0])
    assert finish(blind, blind.cell.task.expert(np.random.default_rng(1))) is not None


def test_expert_separates_the_grasp_from_a_neighbour(blind):
    """The blocks lie side by side, so a finger has no room between them along one axis."""
    blind.reset(0)
    data = blind.cell.data
    data.joint('red_block').qpos = [0.48, 0.0, 0.0225, 1, 0, 0, 0]
    data.joint('blue_block').qpos = [0.48, 0.05, 0.0225, 1, 0, 0, 0]
    data.joint('green_block').qpos = [0.40, 0.10, 0.0225, 1, 0, 0, 0]
    blind.step([0, 0, 0, 0, 0, 0, 1])
    assert finish(blind, blind.cell.task.expert(np.random.default_rng(1))) is not None


@pytest.mark.parametrize('order', TOWERS)
def test_expert_takes_a_wrong_tower_apart(blind, order):
    blind.reset(0)
    for level, colour in enumerate(order):
        blind.cell.data.joint(f'{colour}_block').qpos = [0.48, 0.0, 0.0225 + 0.045 * level, 1, 0, 0, 0]
    blind.step([0, 0, 0, 0, 0, 0, 1])
    assert finish(blind, blind.cell.task.expert(np.random.default_rng(1))) is not None


def drive(env, kind, seed, still=True, habits=Habits()):
    """An episode in which nobody but the operator acts; its decisions."""
    env.reset(seed)
    cell = env.cell
    operator = Operator(cell.task, kind, seed, habits)
    decisions = []
    for _ in range(LIMIT):
        decision = operator.tick(cell.task_state(), cell.tools, cell.openings)
        decisions.append(decision)
        if decision.outcome is not None:
            break
        env.step(decision.action if decision.engaged else np.array([0, 0, 0, 0, 0, 0, 0 if not still else 1]))
    return decisions


@pytest.mark.parametrize('kind', [Kind.ROLLOUT, Kind.EVALUATION])
def test_operator_only_watches_rollouts_and_evaluations(blind, kind):
    decisions = drive(blind, kind, 1)
    assert len(decisions) == LIMIT
    assert not any(decision.engaged for decision in decisions)
    assert all(decision.outcome is None for decision in decisions)


def test_operator_demonstrates_marks_and_labels(blind):
    decisions = drive(blind, Kind.DEMONSTRATION, 1)
    assert all(decision.engaged for decision in decisions)
    assert [index for decision in decisions for index in decision.marks] == list(range(6))
    assert decisions[-1].outcome is Outcome.SUCCESS


@pytest.mark.parametrize(('split', 'seed'), [('in', 3), ('in', 4), ('held_out', 5)])
def test_a_good_demonstration_gives_the_operator_nothing_to_worry_about(blind, split, seed):
    """No trouble, and no subtask takes so long that a watching operator would lose patience."""
    blind.reset(seed, split)
    cell = blind.cell
    expert = cell.task.expert(np.random.default_rng(seed))
    ticks, gaps = 0, []
    while not blind.succeeded and len(gaps) < LIMIT:
        before = cell.task_state()
        assert cell.task.trouble(before, cell.tools, cell.openings) == ''
        state = blind.act(expert.act(before, cell.tools, cell.openings))
        ticks = 0 if state.subtasks != before.subtasks else ticks + 1
        gaps.append(ticks)
    assert blind.succeeded
    assert max(gaps) < 0.9 * Habits().patience


def test_expert_leaves_the_other_blocks_where_they_are(blind):
    """What is not in the hand moves only by what is put on it."""
    for seed in (11, 12):
        blind.reset(seed, 'held_out')
        cell = blind.cell
        expert = cell.task.expert(np.random.default_rng(seed))
        start = cell.task_state()
        for _ in range(LIMIT):
            state = blind.act(expert.act(cell.task_state(), cell.tools, cell.openings))
            assert aside(state.pose('blue_block'), start.pose('blue_block')) < 0.005
            if not state.subtasks[3]:
                assert aside(state.pose('green_block'), start.pose('green_block')) < 0.012, 'it lifts straight up'
            if blind.succeeded:
                break
        assert blind.succeeded


def test_operator_waits_takes_over_and_lets_go(blind):
    habits = Habits(patience=10, reaction=3)
    decisions = drive(blind, Kind.CORRECTION, 1, habits=habits)
    engaged = [decision.engaged for decision in decisions]
    first = engaged.index(True)
    assert first == 10 + 3
    assert 'grasp_red' in decisions[first].reason
    gone = engaged.index(False, first)
    assert decisions[gone].marks == (0,), 'lets go in the tick in which the subtask is done'


def test_operator_finishes_the_task_where_it_is_so_inclined(blind):
    habits = Habits(patience=10, finish_task=True)
    decisions = drive(blind, Kind.CORRECTION, 1, habits=habits)
    engaged = [decision.engaged for decision in decisions]
    assert all(engaged[engaged.index(True) :])
    assert decisions[-1].outcome is Outcome.SUCCESS


def test_operator_gives_up_where_the_arm_cannot_be_moved(blind):
    """Near a singularity the servo halts whatever leads towards the blocks."""
    blind.reset(1)
    cell = blind.cell
    cell.data.qpos[cell._q] = (-1.309, -0.031, 0.163, -2.870, -1.613, 3.333, 1.171)
    operator = Operator(cell.task, Kind.CORRECTION, 1, Habits(persistence=40))
    engaged, halted = [], 0
    for _ in range(LIMIT):
        decision = operator.tick(cell.task_state(), cell.tools, cell.openings)
        engaged.append(decision.engaged)
        if decision.outcome is not None:
            break
        blind.act(decision.action)
        halted += blind.servos[0].code is ServoCode.HALT_FOR_SINGULARITY
    assert halted > 30
    assert decision.outcome is Outcome.FAILURE and sum(engaged) == 40 + 2


def test_operator_lets_go_under_a_stop_and_does_not_give_up(blind):
    blind.reset(1)
    cell = blind.cell
    operator = Operator(cell.task, Kind.DEMONSTRATION, 1, Habits(persistence=10))
    seen = cell.task_state(), cell.tools, cell.openings
    under_stop = [operator.tick(*seen, stopped=True) for _ in range(30)]
    assert not any(decision.engaged or decision.action[:6].any() for decision in under_stop)
    assert all(decision.outcome is None for decision in under_stop)
    assert operator.tick(*seen).engaged


class Elsewhere:
    """An operator who comes when called, and a cell in which nobody else acts."""

    def __init__(self, env, seed=1, **habits):
        env.reset(seed)
        self.env = env
        self.operator = Operator(env.cell.task, Kind.CORRECTION, seed, Habits(protocol='called', **habits))

    def tick(self, call=None):
        cell = self.env.cell
        decision = self.operator.tick(cell.task_state(), cell.tools, cell.openings, call)
        self.env.step(decision.action if decision.engaged else [0, 0, 0, 0, 0, 0, 1])
        return decision


def test_nobody_comes_uncalled(blind):
    elsewhere = Elsewhere(blind, patience=3)
    decisions = [elsewhere.tick() for _ in range(40)]
    assert not any(decision.engaged or decision.attends or decision.dismisses for decision in decisions)


@pytest.mark.parametrize('heard', [0, 1, 4])
def test_operator_comes_some_time_after_the_call_whenever_it_is_heard(blind, heard):
    elsewhere = Elsewhere(blind, coming=5, patience=6, reaction=2)
    decisions = [elsewhere.tick(call=tick if tick >= heard else None) for tick in range(20)]
    assert [d.attends for d in decisions] == [tick >= heard for tick in range(20)]
    assert [tick for tick, d in enumerate(decisions) if d.dismisses] == [5], 'nothing looks wrong yet'
    assert [d.engaged for d in decisions].index(True) == 5 + 1 + 6 + 2
    assert 'grasp_red' in decisions[14].reason


def test_operator_who_is_on_the_way_comes_though_the_call_is_over(blind):
    elsewhere = Elsewhere(blind, coming=4)
    decisions = [elsewhere.tick(call=tick if tick < 2 else None) for tick in range(6)]
    assert [d.dismisses for d in decisions] == [False] * 4 + [True, False]


def test_operator_leaves_when_the_subtask_is_done_and_comes_again(blind):
    elsewhere = Elsewhere(blind, coming=2, patience=4, reaction=1)
    decisions = [elsewhere.tick(call=0)]
    while not decisions[-1].marks:
        decisions.append(elsewhere.tick())
        assert len(decisions) < 90
    assert decisions[-2].engaged and not decisions[-1].engaged
    assert decisions[-1].attends and not elsewhere.tick().attends
    assert [elsewhere.tick(call=tick).attends for tick in range(4)] == [True] * 4


def test_operator_takes_over_at_once_where_something_is_wrong(blind):
    elsewhere = Elsewhere(blind, coming=3, reaction=2)
    blind.cell.task.trouble = lambda *_: 'the tower fell'
    try:
        decisions = [elsewhere.tick(call=tick) for tick in range(8)]
    finally:
        del blind.cell.task.trouble
    assert not any(decision.dismisses for decision in decisions)
    assert [d.engaged for d in decisions].index(True) == 3 + 2


def test_a_habit_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match='known are: watching, called'):
        Habits(protocol='on_call')


def test_operator_gives_up_on_a_block_out_of_reach(blind):
    blind.reset(1)
    cell = blind.cell
    cell.data.joint('red_block').qpos[:3] = [1.5, 0, -0.5]
    operator = Operator(cell.task, Kind.ROLLOUT, 1)
    blind.step([0, 0, 0, 0, 0, 0, 1])
    outcomes = [operator.tick(cell.task_state(), cell.tools, cell.openings).outcome for _ in range(3)]
    assert outcomes == [None, None, Outcome.FAILURE]


def test_the_figure_is_printed(capsys):
    main(['--seeds', '2'])
    assert '2/2 = 1.000' in capsys.readouterr().out
