# SPDX-License-Identifier: Apache-2.0
"""The life of an episode without ROS: every transition, every refusal, every way to end."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from igrft.config import ConfigError, RobotConfig, TaskConfig, named
from igrft.episodes.definitions import writing_typestore
from igrft.episodes.manager import EpisodeManager
from igrft.episodes.metadata import QosProfile
from igrft.episodes.reader import read_episode
from igrft.episodes.schema import NANO, read_meta
from igrft.episodes.states import ManagerConfig, RefusedError, Request, Result, Snapshot, State
from igrft.episodes.streams import Stream
from igrft.episodes.synthetic import Item, Script, SyntheticCell
from igrft.episodes.topics import episode_topics
from igrft.types import Kind, Outcome


class Graph:
    """A graph of one cell: it hands the manager a script's messages and keeps what the manager wanted."""

    def __init__(self, root: Path, robot: RobotConfig, task: TaskConfig, **options: object) -> None:
        self.resets: list[Request] = []
        self.statuses: list[Snapshot] = []
        self.results: list[Result] = []
        self.woken = threading.Event()
        self.clock = 0.0
        self.node_time = 0
        settings = {'root': root, 'lockstep': True} | options
        self.manager = EpisodeManager(ManagerConfig(**settings), robot, self.task, self)  # type: ignore[arg-type]
        self.cell = SyntheticCell(robot, task, Script(steps=8, kind=Kind.CORRECTION))
        self.items = list(self.cell.messages())

    def task(self, name: str) -> TaskConfig:
        return named('tasks', name, TaskConfig)

    # Ports
    def reset(self, request: Request) -> None:
        self.resets.append(request)

    def explain(self, topic: str) -> str:
        return f'nobody publishes {topic}'

    def offered(self, topic: str) -> Sequence[QosProfile]:
        return ()

    def publish(self, status: Snapshot) -> None:
        self.statuses.append(status)

    def finished(self, result: Result) -> None:
        self.results.append(result)

    def wake(self) -> None:
        self.woken.set()

    # The test's hands
    def start(self, **request: object) -> str:
        wanted = {'task': 'block_stacking', 'kind': 'correction', 'seed': 3} | request
        return self.manager.start(Request(**wanted), self.clock)  # type: ignore[arg-type]

    def reset_done(self, success: bool = True, message: str = '') -> None:
        self.manager.reset_done(success, message, 'stack them', 0, self.clock)

    def send(self, items: Sequence[Item]) -> None:
        for item in items:
            self.node_time = max(self.node_time, item.stamp)
            self.manager.message(item.index, item.data, 0, self.clock, self.node_time)

    def tick(self, step: int, states: bool = False) -> list[Item]:
        """The messages of one tick (only those that say how the world is)."""
        stamp = self.cell.stamp(step)
        return [i for i in self.items if i.stamp == stamp and (not states or self.cell.topics[i.index].state)]

    def record(self, steps: int = 8) -> None:
        """Up to the middle of an episode: ``steps`` ticks were played."""
        self.start()
        self.reset_done()
        self.send(self.tick(0, states=True))
        assert self.state is State.RECORDING
        for step in range(steps):
            self.send(self.tick(step))

    def pass_time(self, seconds: float) -> None:
        self.clock += seconds
        self.manager.tick(self.clock, self.node_time)

    def end(self) -> Result:
        """Wait for the writing thread and take the result."""
        assert self.woken.wait(20)
        self.manager.tick(self.clock, self.node_time)
        return self.results[-1]

    @property
    def state(self) -> State:
        return self.manager.status.state


@pytest.fixture
def graph(tmp_path: Path, robot: RobotConfig, task: TaskConfig) -> Iterator[Graph]:
    made = Graph(tmp_path, robot, task)
    yield made
    made.manager.interrupt('the test is over', 0.0, 0)
    assert made.manager.wait(20)


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


def test_every_required_stream_is_waited_for_and_named(graph: Graph) -> None:
    graph.start()
    graph.reset_done()
    wrist = next(i for i, t in enumerate(graph.cell.topics) if t.name == 'camera/wrist/image_raw')
    graph.send([i for i in graph.tick(0) if i.index != wrist])
    graph.pass_time(1.0)
    assert graph.manager.status.problem == ''
    graph.pass_time(0.6)
    assert graph.state is State.RESETTING
    assert "'camera/wrist/image_raw' is silent: nobody publishes" in graph.manager.status.problem
    graph.pass_time(5.0)
    assert graph.state is State.IDLE
    assert "'camera/wrist/image_raw' is silent: nobody publishes" in graph.results[0].message
    assert 'ee_pose' not in graph.results[0].message
    assert graph.statuses[-1].problem == graph.results[0].message


def test_a_stream_that_comes_late_but_comes_is_waited_for(graph: Graph) -> None:
    graph.start()
    graph.reset_done()
    graph.pass_time(3.0)
    assert graph.manager.status.problem != ''
    graph.send(graph.tick(0, states=True))
    assert (graph.state, graph.manager.status.problem) == (State.RECORDING, '')


def test_what_was_there_before_the_reset_is_no_sign_of_life(graph: Graph) -> None:
    graph.send(graph.tick(0))
    graph.start()
    graph.send(graph.tick(0, states=True))  # the old world, repeated while the cell resets
    graph.reset_done()
    assert graph.state is State.RESETTING
    graph.send(graph.tick(1, states=True))
    assert graph.state is State.RECORDING


def test_in_lockstep_the_new_tick_may_come_before_the_answer(graph: Graph) -> None:
    graph.send(graph.tick(0))
    graph.start()
    graph.send(graph.tick(1, states=True))
    graph.reset_done()
    assert graph.state is State.RECORDING


@pytest.mark.parametrize(
    ('topic', 'old', 'new', 'message'),
    [
        ('camera/front/image_raw', b'rgb8', b'bgr8', "encoding 'bgr8', an episode needs 'rgb8'"),
        ('camera/front/robot_mask', b'mono8', b'8UC1\0', "encoding '8UC1"),
        ('camera/wrist/image_raw', b'\x30\0\0\0\x30\0\0\0', b'\x30\0\0\0\x31\0\0\0', 'is 49x48'),
        ('joint_states', b'joint3', b'joint9', "has no joint 'joint3'"),
    ],
)
def test_a_malformed_stream_is_refused_at_once(graph: Graph, topic: str, old: bytes, new: bytes, message: str) -> None:
    graph.start()
    graph.reset_done()
    for item in graph.tick(0, states=True):
        if graph.cell.topics[item.index].name == topic:
            assert old in item.data
            item = Item(item.index, item.stamp, item.data.replace(old, new, 1))
        if graph.state is State.RESETTING:
            graph.send([item])
    assert graph.state is State.IDLE
    assert message in graph.results[0].message and topic in graph.results[0].message


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


def test_a_stream_that_dies_ends_the_episode_and_keeps_it(graph: Graph) -> None:
    graph.record(steps=4)
    graph.pass_time(6.0)
    result = graph.end()
    assert result.saved and 'fell silent for 5 s' in result.message
    assert read_meta(Path(result.path)).outcome is Outcome.UNLABELLED
    assert read_meta(Path(result.path)).problem == result.message


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


def test_latched_states_of_before_are_in_the_bag(graph: Graph) -> None:
    index = next(i for i, t in enumerate(graph.cell.topics) if t.name == 'intervention')
    latched = next(item for item in graph.items if item.index == index)
    graph.send([latched])
    graph.start()
    graph.reset_done()
    graph.send(graph.tick(0, states=True))
    for step in range(3):
        graph.send([i for i in graph.tick(step) if i.index != index])
    graph.manager.stop(graph.cell.stamp(3), 'success', '', graph.clock, graph.node_time)
    graph.pass_time(1.0)
    counts = {topic.name: topic.messages for topic in read_meta(Path(graph.end().path)).topics}
    assert counts['intervention'] == 1


def test_lost_messages_are_counted_by_sequence_number_or_by_stamp(graph: Graph) -> None:
    graph.record(steps=0)
    joints = next(i for i, t in enumerate(graph.cell.topics) if t.name == 'joint_states')
    front = next(i for i, t in enumerate(graph.cell.topics) if t.name == 'camera/front/image_raw')
    numbers = iter([10, 11, 14, 15, 20, 21, 22, 23])
    for step in range(8):
        for item in graph.tick(step):
            if item.index == front and step in (3, 4):
                continue
            sequence = next(numbers) if item.index == joints else 0
            graph.manager.message(item.index, item.data, sequence, 0.0, item.stamp)
    graph.manager.stop(graph.cell.stamp(7), '', '', graph.clock, graph.node_time)
    graph.pass_time(1.0)
    lost = {topic.name: topic.lost for topic in read_meta(Path(graph.end().path)).topics}
    assert (lost['joint_states'], lost['camera/front/image_raw'], lost['ee_pose']) == (6, 2, 0)


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


def test_a_late_frame_of_the_old_layout_is_no_sign_of_life() -> None:
    robot = named('robots', 'sim', RobotConfig)
    stream = Stream(next(topic for topic in episode_topics(robot) if topic.name == 'joint_states'))

    def at(seconds: int) -> bytes:
        return b'\x00\x01\x00\x00' + struct.pack('<iI', seconds, 0)

    stream.renew(frozen=True)
    stream.take(at(1), 0.0, 0, check=False)
    stream.require(2 * NANO)
    assert not stream.fresh
    stream.take(at(1), 0.1, 0, check=False)
    assert not stream.fresh
    stream.take(at(2), 0.2, 0, check=False)
    assert stream.fresh
