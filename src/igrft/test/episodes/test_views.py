# SPDX-License-Identifier: Apache-2.0
"""Views for a calibration out of a folder and out of a bag that rosbags wrote."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from igrft.episodes.schema import EpisodeError
from igrft.episodes.views import read_bag, read_folder, tool_from_joints
from igrft.perception.urdf import Urdf

STORE = get_typestore(Stores.ROS2_JAZZY)
IMAGE, POSE, JOINTS = (
    'sensor_msgs/msg/Image', 'geometry_msgs/msg/PoseStamped', 'sensor_msgs/msg/JointState',
)  # fmt: skip
ARM = Urdf(
    '<robot name="r"><link name="base_link"/><link name="tool0"/><joint name="j" type="prismatic">'
    '<parent link="base_link"/><child link="tool0"/><axis xyz="1 0 0"/></joint></robot>',
    'r.urdf',
)


def header(stamp: float):
    time = STORE.types['builtin_interfaces/msg/Time'](sec=int(stamp), nanosec=round(stamp % 1 * 1e9))
    return STORE.types['std_msgs/msg/Header'](stamp=time, frame_id='f')


def image(stamp: float, value: int):
    data = np.full(4 * 6 * 3, value, np.uint8)
    return STORE.types[IMAGE](header(stamp), height=4, width=6, encoding='bgr8', is_bigendian=0, step=18, data=data)


def pose(stamp: float, x: float):
    point = STORE.types['geometry_msgs/msg/Point'](x=x, y=0.0, z=0.0)
    turn = STORE.types['geometry_msgs/msg/Quaternion'](x=0.0, y=0.0, z=0.0, w=1.0)
    return STORE.types[POSE](header(stamp), STORE.types['geometry_msgs/msg/Pose'](point, turn))


def joints(stamp: float, x: float):
    empty = np.array([], np.float64)
    return STORE.types[JOINTS](
        header(stamp), name=['j', 'gripper'], position=np.array([x, 1.0]), velocity=empty, effort=empty
    )


def write(folder: Path, messages: list[tuple[str, str, float, object]]) -> Path:
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {}
        for topic, kind, stamp, message in messages:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
            writer.write(connections[topic], round(stamp * 1e9), STORE.serialize_cdr(message, kind))
    return folder


def motion(t: float) -> float:
    """Still for a second, a second of 0.2 m/s, still, and back."""
    return float(np.interp(t, [0, 1, 2, 3, 4, 5], [0, 0, 0.2, 0.2, 0.0, 0.0]))


@pytest.fixture(scope='module')
def bag(tmp_path_factory) -> Path:
    messages = []
    for step in range(100):
        t = step * 0.05
        messages.append(('/ee_pose', POSE, t, pose(t, motion(t))))
        messages.append(('/joint_states', JOINTS, t, joints(t, motion(t))))
        if step % 2 == 0:
            messages.append(('/camera/front/image_raw', IMAGE, t + 0.01, image(t + 0.01, step)))
    return write(tmp_path_factory.mktemp('bags') / 'b', messages)


@pytest.mark.parametrize('topic', ['/ee_pose', '/joint_states'])
def test_of_a_bag_the_moments_count_in_which_the_arm_stands_still(bag: Path, topic: str) -> None:
    views = list(read_bag(bag, '/camera/front/image_raw', topic, tool_from_joints(ARM, 'tool0')))
    assert [round(view.base_from_tool[0, 3], 3) for view in views] == [0.0, 0.2, 0.0], 'one view a pause'
    assert all(view.image.shape == (4, 6, 3) for view in views)
    times = [view.image[0, 0, 0] * 0.05 for view in views]
    assert [0 < times[0] < 1, 2 < times[1] < 3, 4 < times[2] < 5] == [True] * 3


def test_without_poses_views_are_spaced(bag: Path) -> None:
    views = list(read_bag(bag, '/camera/front/image_raw'))
    assert len(views) == 10
    assert all(view.base_from_tool is None for view in views)
    assert len(list(read_bag(bag, '/camera/front/image_raw', most=4))) <= 4


def test_a_topic_that_is_not_there_is_named(bag: Path) -> None:
    with pytest.raises(
        EpisodeError, match=r"no message on '/camera/frnt/image_raw'; it has /camera/front/image_raw, /ee_pose"
    ):
        list(read_bag(bag, '/camera/frnt/image_raw'))
    with pytest.raises(EpisodeError, match='give its URDF'):
        list(read_bag(bag, '/camera/front/image_raw', '/joint_states'))
    with pytest.raises(EpisodeError, match="no link 'tool'; it has base_link, tool0"):
        tool_from_joints(ARM, 'tool')


def test_a_folder_with_and_without_poses(tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match=r'neither views\.yaml nor an image'):
        list(read_folder(tmp_path))
    for name in ('b', 'a'):
        cv2.imwrite(str(tmp_path / f'{name}.png'), np.zeros((4, 6, 3), np.uint8))
    assert [view.name for view in read_folder(tmp_path)] == ['a.png', 'b.png']
    listed = tmp_path / 'views.yaml'
    listed.write_text('- {image: b.png, tool_pose: [1, 2, 3, 1, 0, 0, 0]}\n- {image: a.png, joints: {j: 0.5}}\n')
    first, second = read_folder(tmp_path, tool_from_joints(ARM, 'tool0'))
    assert first.base_from_tool[:3, 3].tolist() == [1, 2, 3]
    assert second.base_from_tool[:3, 3].tolist() == [0.5, 0, 0]
    for text, words in (
        ('- {tool_pose: [1]}\n', 'image'),
        ('- {image: a.png, tool_pose: [1, 2]}\n', '7 numbers'),
        ('- {image: a.png, joints: {j: 0.5}}\n', 'give its URDF'),
        ('- {image: a.png, tool_pose: [1, 2, 3, 0, 0, 0, 0]}\n', 'is not a pose'),
    ):
        listed.write_text(text)
        with pytest.raises(EpisodeError, match=rf'views\.yaml: .*{words}'):
            list(read_folder(tmp_path))
