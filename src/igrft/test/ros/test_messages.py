# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from array import array

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image, JointState

from igrft.control.inputs import Command
from igrft.ros import messages
from igrft.ros.messages import MessageError
from igrft.types import ActionChunk, Source, TeleopInput
from igrft_msgs.msg import ActionChunk as ActionChunkMsg

STAMP = Time(sec=12, nanosec=300_000_000)


def over_the_wire(message):
    return deserialize_message(serialize_message(message), type(message))


@given(st.floats(0, 2e9))
def test_seconds_survive_the_stamp(seconds: float) -> None:
    stamp = messages.time_msg(seconds)
    assert messages.seconds_of(stamp) == pytest.approx(seconds, rel=0, abs=6e-10 if seconds < 1e6 else 3e-7)
    if seconds < 1e6:
        assert messages.time_msg(messages.seconds_of(stamp)) == stamp, 'nothing drifts on the second way'


@given(st.integers(0, 100_000))
def test_tick_stamps_survive_the_seconds(tick: int) -> None:
    stamp = Time(sec=tick // 10, nanosec=tick % 10 * 10**8)
    assert messages.time_msg(messages.seconds_of(stamp)) == stamp


@given(
    arrays(np.uint8, st.sampled_from([(3, 5, 3), (4, 4), (1, 1, 3)])), st.integers(0, 3)
)
def test_images_survive_with_and_without_padding(image, padding: int) -> None:
    message = messages.image_msg(image, STAMP, 'front_optical')
    if padding:
        rows = np.frombuffer(message.data, np.uint8).reshape(message.height, -1)
        message.data = array('B', np.pad(rows, ((0, 0), (0, padding))).tobytes())
        message.step += padding
    encoding = 'mono8' if image.ndim == 2 else 'rgb8'
    out = messages.image_array(over_the_wire(message), 't', encoding, image.shape[:2])
    np.testing.assert_array_equal(out, image)


def test_bgr_is_turned() -> None:
    message = messages.image_msg(np.full((2, 2, 3), (1, 2, 3), np.uint8), STAMP, '')
    message.encoding = 'bgr8'
    assert messages.image_array(message, 't')[0, 0].tolist() == [3, 2, 1]


@pytest.mark.parametrize(
    ('change', 'word'),
    [
        ({'encoding': 'mono16'}, "camera/x/image_raw: encoding is 'mono16', expected 'rgb8'"),
        ({'height': 3, 'width': 2}, '2x3, expected 2x2'),
        ({'step': 5}, 'step 5'),
        ({'data': array('B', [0] * 11)}, '11 bytes'),
    ],
)
def test_bad_images_name_the_topic(change, word: str) -> None:
    message = messages.image_msg(np.zeros((2, 2, 3), np.uint8), STAMP, '')
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(MessageError, match=word):
        messages.image_array(message, 'camera/x/image_raw', size=(2, 2))
    with pytest.raises(MessageError, match='uint8'):
        messages.image_msg(np.zeros((2, 2, 3), np.float32), STAMP, '')
    assert isinstance(message, Image)


def test_chunk_survives() -> None:
    actions = np.random.default_rng(0).normal(size=(8, 14)).astype(np.float32)
    chunk = ActionChunk(12.3, actions, 0.1, 'c1', 0.5, 0.25, float('nan'), 0.03)
    out = messages.chunk_from(over_the_wire(messages.chunk_msg(chunk, 'pi0', 'base_link')), 't')
    np.testing.assert_array_equal(out.actions, actions)
    assert (out.stamp, out.dt, out.checkpoint, out.temperature) == (12.3, 0.1, 'c1', 0.5)
    assert np.isnan(out.value)


@pytest.mark.parametrize('size', [0, 13, 15])
def test_a_chunk_of_another_size_is_refused(size: int) -> None:
    message = ActionChunkMsg(horizon=2, dim=7, actions=array('f', [0.0] * size))
    with pytest.raises(MessageError, match=f'policy/action_chunk: {size} floats'):
        messages.chunk_from(message, 'policy/action_chunk')


def test_commands_and_teleop_survive() -> None:
    action = np.arange(7, dtype=np.float32)
    command = Command(12.3, action, Source.HUMAN, -1, 'c')
    message = over_the_wire(messages.command_msg(command, STAMP, 'base_link'))
    out = messages.command_from(message)
    assert (out.stamp, out.source, out.chunk_step, out.checkpoint) == (12.3, Source.HUMAN, -1, 'c')
    np.testing.assert_array_equal(out.action, action)
    message.source = 77
    assert messages.command_from(message).source is Source.HOLD
    teleop = TeleopInput(12.3, action, True, False, 'joy')
    back = messages.teleop_from(over_the_wire(messages.teleop_msg(teleop, STAMP, 'base_link')), 'base_link', 't')
    assert (back.stamp, back.engaged, back.connected, back.device) == (12.3, True, False, 'joy')


def test_joints_in_any_order() -> None:
    message = messages.joint_state_msg(['a', 'b'], [1, 2], [0.5], STAMP, '')
    shuffled = JointState(name=['gripper', 'x', 'b', 'a'], position=[0.5, 9.0, 2.0, 1.0])
    for state in (message, shuffled):
        positions, openings = messages.joints_from(state, ['a', 'b'], 1, 'joint_states')
        assert (positions.tolist(), openings.tolist()) == ([1, 2], [0.5])
    with pytest.raises(MessageError, match="joint_states: no joint 'c' among"):
        messages.joints_from(message, ['a', 'c'], 1, 'joint_states')
    message.position[1] = float('nan')
    with pytest.raises(MessageError, match="position of 'b' is not finite"):
        messages.joints_from(message, ['a', 'b'], 1, 'joint_states')


def test_poses() -> None:
    message = over_the_wire(messages.pose_msg([1, 2, 3], [0, 2, 0, 0], STAMP, 'base_link'))
    position, quaternion = messages.pose_from(message, 'ee_pose')
    assert (position.tolist(), quaternion.tolist()) == ([1, 2, 3], [0, 1, 0, 0])
    message.pose.orientation.x = 0.0
    with pytest.raises(MessageError, match='ee_pose'):
        messages.pose_from(message, 'ee_pose')
