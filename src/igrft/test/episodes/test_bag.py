# SPDX-License-Identifier: Apache-2.0
"""The bag is a rosbag2 bag to everybody who reads rosbag2 bags."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.rosbag2 import Reader

from igrft.config import RobotConfig, TaskConfig
from igrft.episodes.bag import EpisodeBag
from igrft.episodes.cdr import MalformedError, header_stamp, image_header
from igrft.episodes.definitions import describe, writing_typestore
from igrft.episodes.schema import read_meta
from igrft.episodes.synthetic import Script, SyntheticCell
from igrft.episodes.topics import Qos, TopicSpec, episode_topics
from igrft.episodes.writer import BagWriter

Record = pytest.FixtureRequest


def test_rosbags_reads_it_with_its_types(record) -> None:
    path = record()
    with Reader(path) as reader:
        connections = {c.topic: c for c in reader.connections}
        image = connections['/camera/front/image_raw']
        assert image.msgtype == 'sensor_msgs/msg/Image'
        assert image.msgcount == 13
        assert '/executed_action' in connections
        status = connections['/safety/status'].ext.offered_qos_profiles[0]
        assert status.durability.name == 'TRANSIENT_LOCAL'
        assert reader.message_count == sum(c.msgcount for c in reader.connections)
        assert reader.ros_distro == 'jazzy'


def test_mcap_ros2_decodes_every_message_from_the_bag_alone(record) -> None:
    path = record()
    file = next(path.glob('*.mcap'))
    with file.open('rb') as stream:
        reader = make_reader(stream, validate_crcs=True, decoder_factories=[DecoderFactory()])
        summary = reader.get_summary()
        assert summary is not None
        assert all(chunk.compression == 'zstd' for chunk in summary.chunk_indexes)
        assert all(chunk.message_index_length for chunk in summary.chunk_indexes)
        assert {channel.metadata['topic_type_hash'][:7] for channel in summary.channels.values()} == {'RIHS01_'}
        seen = {}
        for _, channel, message, content in reader.iter_decoded_messages():
            assert message.log_time == content.header.stamp.sec * 10**9 + content.header.stamp.nanosec
            seen.setdefault(channel.topic, []).append(content)
    assert len(seen['/executed_action'][0].action) == 7
    assert [mark.index for mark in seen['/subtask_mark']] == list(range(6))
    assert seen['/task_state'][0].objects == ['square']


def test_the_file_says_what_metadata_yaml_says(record) -> None:
    path = record()
    document = yaml.safe_load((path / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    file = path / document['relative_file_paths'][0]
    with file.open('rb') as stream:
        reader = make_reader(stream)
        inside = [m.metadata for m in reader.iter_metadata() if m.name == 'rosbag2']
        statistics = reader.get_summary().statistics  # type: ignore[union-attr]
    assert yaml.safe_load(inside[0]['serialized_metadata']) == document
    assert statistics.message_count == document['message_count']
    assert statistics.message_start_time == document['starting_time']['nanoseconds_since_epoch']
    assert document['duration']['nanoseconds'] == statistics.message_end_time - statistics.message_start_time


def test_topics_carry_the_namespace_of_the_graph(tmp_path: Path) -> None:
    topics = (TopicSpec('joint_states', 'sensor_msgs/msg/JointState', Qos.SENSOR),)
    bag = BagWriter(tmp_path, 'bag', topics, namespace='/cell_a')
    bag.close()
    names = yaml.safe_load((tmp_path / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    assert names['topics_with_message_count'][0]['topic_metadata']['name'] == '/cell_a/joint_states'


def test_known_type_hash() -> None:
    # From the type_description of an installed ROS 2 Jazzy.
    definition, rihs = describe('std_msgs/msg/Header')
    assert rihs == 'RIHS01_f49fb3ae2cf070f793645ff749683ac6b06203e41c891e17701b1cb597ce6a01'
    assert 'string frame_id' in definition


def test_every_topic_of_the_robot_has_a_known_type(robot: RobotConfig) -> None:
    topics = episode_topics(robot)
    assert len({topic.name for topic in topics}) == len(topics)
    assert {topic.name for topic in topics if topic.required} == {
        'camera/front/image_raw',
        'camera/front/robot_mask',
        'camera/wrist/image_raw',
        'joint_states',
        'ee_pose',
    }
    for topic in topics:
        assert topic.type in writing_typestore().fielddefs


def test_first_fields_are_read_without_deserialising(robot: RobotConfig, task: TaskConfig) -> None:
    cell = SyntheticCell(robot, task, Script(steps=2, start=7_000_000_123))
    item = next(item for item in cell.messages() if cell.topics[item.index].encoding == 'rgb8')
    head = image_header(item.data)
    message = writing_typestore().deserialize_cdr(item.data, 'sensor_msgs/msg/Image')
    assert (head.stamp, head.encoding, head.height, head.width) == (7_000_000_123, 'rgb8', 48, 48)
    assert header_stamp(item.data) == 7_000_000_123
    assert np.array_equal(np.frombuffer(item.data, np.uint8, head.size, head.offset), message.data)
    for cut in (0, 3, 11, 20, 40, len(item.data) // 2):
        with pytest.raises(MalformedError):
            image_header(item.data[:cut])


def test_decoded_messages_come_by_relative_name(record) -> None:
    path = record()
    bag = EpisodeBag(path)
    found = list(bag.decoded({'executed_action', 'ee_pose'}))
    assert {item.topic for item in found} == {'executed_action', 'ee_pose'}
    assert len(found) == 26
    assert read_meta(path) == bag.meta
