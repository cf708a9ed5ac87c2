# SPDX-License-Identifier: Apache-2.0
"""The life of an episode without ROS: every transition, every refusal, every way to end."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_graph import Graph

from igrft.config import ConfigError, RobotConfig, TaskConfig
from igrft.episodes.definitions import writing_typestore
from igrft.episodes.reader import read_episode
from igrft.episodes.schema import NANO, read_meta
from igrft.episodes.states import RefusedError, State
from igrft.episodes.synthetic import Item, Script, SyntheticCell
from igrft.types import Outcome


def test_a_whole_episode(graph: Graph, robot: RobotConfig) -> None:
    graph.record()
    end = graph.cell.stamp(8)
    graph.send(graph.tick(8, states=True))
    graph.manager.stop(end, 'success', 'operator', graph.clock, graph.node_time)
    result = graph.end()
    assert (result.saved, result.outcome, result.steps, result.interventions) == (True, 'success', 8, 1)
    assert (result.progress, result.duration) == (1.0, pytest.approx(0.8))
    assert [s.state.name for s in graph.statuses] == [
        'RESETTING',
        'RESETTING',
        'RECORDING',
        'FINALISING',
        'IDLE',
    ]
    assert graph.resets[0].seed == 3
    meta = read_meta(Path(result.path))
    assert (meta.instruction, meta.outcome, meta.labelled_by) == ('stack them', Outcome.SUCCESS, 'operator')
    assert (meta.start, meta.end) == (graph.cell.stamp(0), end)
    assert len(read_episode(Path(result.path), robot).stamps) == 8
    assert graph.statuses[-1].path == result.path


def test_two_episodes_in_a_row(graph: Graph) -> None:
    for _ in range(2):
        graph.woken.clear()
        graph.record()
        graph.manager.stop(graph.cell.stamp(8), '', '', graph.clock, graph.node_time)
        graph.pass_time(1.0)  # nothing more arrives: the drain gives up waiting
        assert graph.end().saved
        graph.items = [i for i in graph.items]
    assert len({result.episode_id for result in graph.results}) == 2
    assert read_meta(Path(graph.results[0].path)).outcome is Outcome.UNLABELLED


def test_the_tick_before_the_recording_is_in_the_bag_and_its_command_is_not(graph: Graph, robot: RobotConfig) -> None:
    graph.start()
    graph.reset_done()
    graph.send(graph.tick(0))  # also a stale command of an arbiter that held
    for step in range(3):
        graph.send([i for i in graph.tick(step) if step or not graph.cell.topics[i.index].state])
    graph.manager.stop(graph.cell.stamp(3), 'failure', 'operator', graph.clock, graph.node_time)
    graph.pass_time(1.0)
    result = graph.end()
    assert result.steps == 3
    assert len(read_episode(Path(result.path), robot).stamps) == 3


def test_late_messages_of_the_last_step_are_waited_for(graph: Graph, robot: RobotConfig) -> None:
    graph.record(steps=4)
    late = [i for i in graph.tick(4) if graph.cell.topics[i.index].name == 'executed_action']
    graph.send([i for i in graph.tick(4) if i not in late])
    graph.manager.stop(graph.cell.stamp(5), 'success', 'operator', graph.clock, graph.node_time)
    assert graph.state is State.FINALISING
    graph.send(late)
    graph.send(graph.tick(5, states=True))
    result = graph.end()
    assert result.steps == 5
    assert read_episode(Path(result.path), robot).source[-1] == graph.cell.script.driver(4)


def test_a_timeout_ends_it_after_the_same_steps_whatever_comes_later(graph: Graph) -> None:
    graph.start(max_duration=0.5)
    graph.reset_done()
    for step in range(8):
        graph.send(graph.tick(step))
    graph.pass_time(0.1)
    result = graph.end()
    assert (result.outcome, result.steps) == ('timeout', 5)
    assert read_meta(Path(result.path)).labelled_by == 'timeout'


@pytest.mark.parametrize('duration', [float('inf'), float('nan'), -1.0])
def test_a_duration_that_is_none_is_refused_at_once(graph: Graph, duration: float) -> None:
    with pytest.raises(RefusedError, match='max_duration'):
        graph.start(max_duration=duration)
    assert graph.state is State.IDLE and graph.resets == []


def test_a_signal_after_the_label_keeps_the_label(graph: Graph) -> None:
    graph.record(steps=4)
    graph.manager.stop(graph.cell.stamp(5), 'success', 'operator', graph.clock, graph.node_time)
    assert graph.state is State.FINALISING, 'the last messages have not come'
    graph.manager.interrupt('a goal was cancelled', graph.clock, graph.node_time)
    assert graph.state is State.FINALISING and not graph.woken.is_set(), 'its last messages are waited for'
    graph.manager.interrupt('the node was stopped', graph.clock, graph.node_time, at_once=True)
    assert graph.manager.wait(20)
    result = graph.end()
    assert (result.outcome, result.saved) == ('success', True)
    assert read_meta(Path(result.path)).labelled_by == 'operator'


@pytest.mark.parametrize('event', ['success', 'failure', 'discard'])
def test_the_operators_buttons_end_it(graph: Graph, event: str) -> None:
    graph.record(steps=4)
    store = writing_typestore()
    types = store.types
    seconds, rest = divmod(graph.cell.stamp(4), NANO)
    stamp = types['builtin_interfaces/msg/Time'](sec=seconds, nanosec=rest)
    header = types['std_msgs/msg/Header'](stamp=stamp, frame_id='')
    name = 'igrft_msgs/msg/TeleopEvent'
    message = types[name](header=header, device='spacemouse', event=event)
    index = next(i for i, t in enumerate(graph.cell.topics) if t.name == 'teleop/event')
    graph.send(graph.tick(4, states=True))
    graph.send([Item(index, graph.cell.stamp(4), bytes(store.serialize_cdr(message, name)))])
    result = graph.end()
    if event == 'discard':
        assert not result.saved and 'spacemouse' in result.message
    else:
        assert (result.outcome, result.steps) == (event, 4)


def test_refusals_say_why(graph: Graph) -> None:
    with pytest.raises(RefusedError, match="did you mean 'rollout'"):
        graph.start(kind='rolout')
    with pytest.raises(RefusedError, match='block_stacking'):
        graph.start(task='block_staking')
    with pytest.raises(RefusedError, match='no episode is being recorded'):
        graph.manager.stop(0, 'success', '', 0.0, 0)
    with pytest.raises(RefusedError, match='no episode is in progress'):
        graph.manager.discard()
    graph.record(steps=2)
    with pytest.raises(RefusedError, match='is in progress'):
        graph.start()
    with pytest.raises(RefusedError, match="did you mean 'success'"):
        graph.manager.stop(0, 'sucess', '', 0.0, 0)
    with pytest.raises(RefusedError, match='belongs to another episode'):
        graph.manager.stop(1, 'success', '', 0.0, 0)
    assert graph.state is State.RECORDING


def test_a_failed_or_missing_reset_is_the_end(graph: Graph) -> None:
    graph.start()
    graph.reset_done(False, 'the scene is upside down')
    assert 'upside down' in graph.results[0].message
    graph.start()
    graph.pass_time(61.0)
    assert "no answer of 'reset'" in graph.results[1].message
    graph.reset_done()  # too late, nobody waits
    assert graph.state is State.IDLE
    assert not (graph.manager.config.root / 'block_stacking').exists()


@pytest.mark.parametrize('keep', [True, False])
def test_an_interrupt_saves_or_deletes_as_configured(
    tmp_path: Path, robot: RobotConfig, task: TaskConfig, keep: bool
) -> None:
    graph = Graph(tmp_path, robot, task, keep_interrupted=keep)
    graph.record(steps=5)
    graph.manager.interrupt('Ctrl-C', graph.clock, graph.node_time)
    assert graph.manager.wait(20)
    result = graph.end()
    assert result.saved is keep
    assert 'Ctrl-C' in result.message
    left = [path.name for path in (tmp_path / task.name).iterdir()]
    assert (len(left) == 1 and left[0][0] != '.') if keep else left == []


def test_an_interrupt_before_the_recording_leaves_nothing(graph: Graph) -> None:
    graph.start()
    graph.manager.interrupt('Ctrl-C', graph.clock, graph.node_time)
    assert not graph.results[0].saved
    assert graph.state is State.IDLE


def test_in_real_time_the_clock_rules(tmp_path: Path, robot: RobotConfig, task: TaskConfig) -> None:
    graph = Graph(tmp_path, robot, task, lockstep=False)
    graph.cell = SyntheticCell(robot, task, Script(steps=8, lockstep=False))
    graph.items = list(graph.cell.messages())
    graph.start(max_duration=0.45)
    graph.reset_done()
    graph.send(graph.tick(0, states=True))
    assert graph.manager.elapsed(graph.node_time + NANO // 2) == pytest.approx(0.5)
    graph.send([item for item in graph.items if item.stamp < graph.cell.stamp(5)])
    graph.pass_time(0.1)
    graph.send([item for item in graph.items if item.stamp >= graph.cell.stamp(5)])
    result = graph.end()
    assert (result.outcome, result.steps) == ('timeout', 5)


def test_a_task_that_cannot_be_loaded_is_a_refusal(graph: Graph) -> None:
    def broken(name: str) -> TaskConfig:
        raise ConfigError(f'{name}.yaml: the weights sum to 2')

    graph.manager.load_task = broken
    with pytest.raises(RefusedError, match='sum to 2'):
        graph.start()
