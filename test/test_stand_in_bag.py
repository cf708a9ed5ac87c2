# SPDX-License-Identifier: Apache-2.0
"""ros2 bag of the stand-in: record, info, play."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

pytest.importorskip('pip_ros_cli')

from pip_ros_cli.bag_info import format_size, read_info
from pip_ros_cli.bag_record import full_definition
from pip_ros_cli.testing import ros2
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bag recorded from two real publishers."""
    path = tmp_path_factory.mktemp('bags') / 'bag'
    values = '{header: {frame_id: base_link}, twist: {linear: {x: 0.5}}}'
    with ros2('topic', 'pub', '-r', '50', '-p', '1', '/twist', 'geometry_msgs/msg/TwistStamped', values) as moving, \
            ros2('topic', 'pub', '-r', '5', '-p', '1', '--qos-durability', 'transient_local', '--qos-reliability',
                 'reliable', '/status', 'std_msgs/msg/String', 'data: latched') as status:
        moving.wait_for('publishing #1:')
        status.wait_for('publishing #1:')
        with ros2('bag', 'record', '-o', path, '--topics', '/twist', '/status') as recorder:
            recorder.wait_for("Subscribed to topic")
            recorder.wait_for("Subscribed to topic")
            moving.skip()
            number = int(moving.wait_for('publishing #').split('#')[1].split(':')[0])
            moving.wait_for(f'publishing #{number + 60}:')
            status.skip()
            status.wait_for('publishing #')
            assert recorder.end(signal.SIGINT) == 0
    return path


def test_what_was_recorded(bag: Path) -> None:
    store = get_typestore(Stores.ROS2_JAZZY)
    with Reader(bag) as reader:
        found = {each.topic: each for each in reader.connections}
        assert set(found) == {'/twist', '/status'}
        twist = found['/twist']
        # The hash that the publisher announced is the one that the definition has.
        assert twist.digest == store.hash_rihs01('geometry_msgs/msg/TwistStamped')
        assert 'MSG: builtin_interfaces/Time' in twist.msgdef.data
        qos = found['/status'].ext.offered_qos_profiles[0]
        assert (qos.reliability.name, qos.durability.name) == ('RELIABLE', 'TRANSIENT_LOCAL')
        for connection, _, data in reader.messages([twist]):
            message = store.deserialize_cdr(data, connection.msgtype)
            assert (message.header.frame_id, message.twist.linear.x) == ('base_link', 0.5)
        assert twist.msgcount >= 50


def test_info(bag: Path) -> None:
    info = read_info(bag)
    with ros2('bag', 'info', bag) as command:
        assert command.end() == 0
    lines = command.text.splitlines()
    assert lines[0] == '' and lines[1] == f'Files:             {info.files[0]}'
    keys = [line[:19].rstrip() for line in lines[1:9]]
    assert keys == ['Files:', 'Bag size:', 'Storage id:', 'ROS Distro:', 'Duration:', 'Start:', 'End:', 'Messages:']
    counts = {topic.name: topic.count for topic in info.topics}
    assert lines[8] == f'Messages:          {sum(counts.values())}'
    assert lines[9] == (f'Topic information: Topic: /status | Type: std_msgs/msg/String | Count: {counts["/status"]} | '
                        'Serialization Format: cdr')
    assert lines[10].startswith(' ' * 19 + 'Topic: /twist | ')
    with ros2('bag', 'info', bag, '-t', '--sort', 'count') as command:
        assert command.end() == 0 and command.text == '/status\n/twist'


def test_play(bag: Path, tmp_path: Path) -> None:
    again = tmp_path / 'again'
    with ros2('bag', 'record', '-o', again, '-e', '^/(again|status|clock)$') as recorder:
        recorder.wait_for('Recording to')
        with ros2('bag', 'play', bag, '--loop', '-r', '3', '--clock', '50', '--remap', '/twist:=/again') as player:
            for _ in range(3):
                recorder.wait_for('Subscribed to topic')
            with ros2('topic', 'echo', '/again', '--once', '--field', 'twist.linear.x') as echo:
                assert echo.end() == 0 and echo.lines[0] == '0.5'
            with ros2('topic', 'echo', '/clock', '--once', '--field', 'clock.sec') as echo:
                assert echo.end() == 0
                # The clock shows the time of the recording.
                assert 0 <= int(echo.lines[0]) - read_info(bag).start // 10**9 <= 30
            assert player.end(signal.SIGINT) == 0
        assert recorder.end(signal.SIGTERM) == 0
    with Reader(bag) as before, Reader(again) as after:
        original = {data for connection, _, data in before.messages() if connection.topic == '/twist'}
        played = {data for connection, _, data in after.messages() if connection.topic == '/again'}
        assert played and played <= original
        status = next(each for each in after.connections if each.topic == '/status')
        assert status.ext.offered_qos_profiles[0].durability.name == 'TRANSIENT_LOCAL'


def test_play_part_of_it(bag: Path, tmp_path: Path) -> None:
    with ros2('bag', 'play', bag, '--topics', '/nothing') as command:
        assert command.end() == 1 and 'no topic to play' in command.text
    with ros2('bag', 'play', bag, '--start-offset', '0.4', '--playback-duration', '0.3', '-r', '2') as command:
        assert command.end() == 0


def test_bags_that_are_none(bag: Path, tmp_path: Path) -> None:
    cut = tmp_path / 'cut'
    cut.mkdir()
    (cut / 'metadata.yaml').write_text((bag / 'metadata.yaml').read_text())
    with ros2('bag', 'info', cut) as command:
        assert command.end() == 1 and 'is missing' in command.text
    name = read_info(bag).files[0]
    (cut / name).write_bytes((bag / name).read_bytes()[:-50])
    with ros2('bag', 'play', cut) as command:
        assert command.end() == 1 and f"'{cut}' cannot be played" in command.text
    (cut / 'metadata.yaml').write_text('rosbag2_bagfile_information: {version: 9}')
    with ros2('bag', 'info', cut) as command:
        assert command.end() == 1 and 'is damaged' in command.text
    with ros2('bag', 'record', '-a', '-o', bag) as command:
        assert command.end() == 1 and 'already exists' in command.text


def test_definitions_and_sizes() -> None:
    text = full_definition('geometry_msgs/msg/TwistStamped')
    titles = [line for line in text.splitlines() if line.startswith('MSG: ')]
    assert titles == ['MSG: std_msgs/Header', 'MSG: geometry_msgs/Twist', 'MSG: builtin_interfaces/Time',
                      'MSG: geometry_msgs/Vector3']
    assert [format_size(size) for size in (0, 1023, 1024, 5 * 1024**3)] == ['0 B', '1023 B', '1.0 KiB', '5.0 GiB']
