# SPDX-License-Identifier: Apache-2.0
"""The streams of an episode without ROS: waited for, refused, fallen silent, counted."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from fake_graph import Graph

from igrft.config import RobotConfig, named
from igrft.episodes.schema import NANO, read_meta
from igrft.episodes.states import State
from igrft.episodes.streams import Stream
from igrft.episodes.synthetic import Item
from igrft.episodes.topics import episode_topics
from igrft.types import Outcome


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


def test_a_stream_that_dies_ends_the_episode_and_keeps_it(graph: Graph) -> None:
    graph.record(steps=4)
    graph.pass_time(6.0)
    result = graph.end()
    assert result.saved and 'fell silent for 5 s' in result.message
    assert read_meta(Path(result.path)).outcome is Outcome.UNLABELLED
    assert read_meta(Path(result.path)).problem == result.message


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
