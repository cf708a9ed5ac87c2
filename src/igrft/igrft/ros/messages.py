# SPDX-License-Identifier: Apache-2.0
"""Messages to core types and back. What cannot be used is refused with the topic, the field and the remedy."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped, TwistStamped
from sensor_msgs.msg import Image, JointState

from igrft.control.inputs import Command
from igrft.types import ActionChunk, Float32, Source, TeleopInput, UInt8
from igrft_msgs.msg import ActionChunk as ActionChunkMsg
from igrft_msgs.msg import Command as CommandMsg
from igrft_msgs.msg import GripperCommand
from igrft_msgs.msg import Teleop as TeleopMsg

CHANNELS = {'rgb8': 3, 'bgr8': 3, 'mono8': 1}


class MessageError(ValueError):
    """A message that cannot be used; the text names the topic, the field and the remedy."""


def time_msg(seconds: float) -> Time:
    """Seconds to a stamp, to the nanosecond."""
    whole = math.floor(seconds)
    nanoseconds = round((seconds - whole) * 1e9)
    return Time(sec=whole + nanoseconds // 10**9, nanosec=nanoseconds % 10**9)


def seconds_of(stamp: Time) -> float:
    """A stamp in seconds."""
    return float(stamp.sec) + stamp.nanosec * 1e-9


def nanoseconds_of(stamp: Time) -> int:
    """A stamp in nanoseconds: exact, for comparing."""
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def image_msg(image: UInt8, stamp: Time, frame_id: str) -> Image:
    """An [H, W, 3] uint8 RGB image as rgb8, an [H, W] one as mono8."""
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise MessageError(f'an image is [H, W, 3] or [H, W] uint8, got {image.shape} {image.dtype}')
    message = Image()
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    message.height, message.width = image.shape[:2]
    message.encoding = 'rgb8' if image.ndim == 3 else 'mono8'
    message.step = image.nbytes // image.shape[0]
    # An array.array is assigned without looking at each byte; a list would cost a thousand times as much.
    message.data = array('B', image.tobytes())
    return message


def image_array(
    message: Image, topic: str, encoding: str = 'rgb8', size: tuple[int, int] | None = None
) -> UInt8:
    """The pixels of an image message, a read-only view of its data where its layout allows.

    Args:
        message: the message; bgr8 is accepted, and turned, where rgb8 is asked for.
        topic: where it came from, for the error.
        encoding: rgb8 or mono8.
        size: expected (height, width); None takes any.

    Returns:
        [H, W, 3] for rgb8, [H, W] for mono8, uint8.

    Raises:
        MessageError: another encoding or size, or data that does not fit its own step.
    """
    swap = encoding == 'rgb8' and message.encoding == 'bgr8'
    if message.encoding != encoding and not swap:
        raise MessageError(
            f"{topic}: encoding is '{message.encoding}', expected '{encoding}'; set the driver to {encoding}"
        )
    height, width, channels = message.height, message.width, CHANNELS[encoding]
    if size is not None and (height, width) != size:
        raise MessageError(
            f'{topic}: image is {width}x{height}, expected {size[1]}x{size[0]}; '
            "change the camera's size or the robot's configuration"
        )
    if message.step < width * channels or len(message.data) != message.step * height or not height * width:
        raise MessageError(
            f'{topic}: {len(message.data)} bytes with step {message.step} do not make '
            f'a {width}x{height} {encoding} image; the driver is faulty'
        )
    rows = np.frombuffer(message.data, np.uint8).reshape(height, message.step)
    pixels = rows[:, : width * channels].reshape((height, width, channels) if channels > 1 else (height, width))
    return np.ascontiguousarray(pixels[:, :, ::-1]) if swap else pixels


def chunk_msg(chunk: ActionChunk, policy: str, frame_id: str) -> ActionChunkMsg:
    """A chunk for the wire."""
    horizon, dim = chunk.actions.shape
    message = ActionChunkMsg(
        policy=policy,
        checkpoint=chunk.checkpoint,
        horizon=horizon,
        dim=dim,
        step_dt=float(chunk.dt),
        actions=array('f', np.ascontiguousarray(chunk.actions, np.float32).tobytes()),
        temperature=float(chunk.temperature),
        interaction_probability=float(chunk.interaction_probability),
        value=float(chunk.value),
        inference_time=float(chunk.inference_time),
        disagreement=float(chunk.disagreement),
    )
    message.header.stamp = time_msg(chunk.stamp)
    message.header.frame_id = frame_id
    return message


def chunk_from(message: ActionChunkMsg, topic: str) -> ActionChunk:
    """A chunk from the wire; its values are judged by whoever executes it.

    Raises:
        MessageError: the number of floats is not horizon x dim.
    """
    actions = np.frombuffer(message.actions, np.float32)
    if actions.size != message.horizon * message.dim or not actions.size:
        raise MessageError(
            f'{topic}: {actions.size} floats are not horizon {message.horizon} x dim {message.dim}; '
            'the policy node is faulty'
        )
    return ActionChunk(
        stamp=seconds_of(message.header.stamp),
        actions=actions.reshape(message.horizon, message.dim),
        # step_dt travels as float32; 0.1 must come back as 0.1 or step boundaries drift.
        dt=round(float(message.step_dt), 6),
        checkpoint=message.checkpoint,
        temperature=message.temperature,
        interaction_probability=message.interaction_probability,
        value=message.value,
        inference_time=message.inference_time,
        disagreement=message.disagreement,
    )


def floats(values: Any) -> array[float]:
    """Numbers as the array that a float32[] field takes without checking each."""
    return array('f', np.ascontiguousarray(values, np.float32).tobytes())


def command_msg(command: Command, stamp: Time, frame_id: str) -> CommandMsg:
    """A command for the wire, with the stamp as it came (a float could not carry it to the nanosecond)."""
    message = CommandMsg(
        source=int(command.source),
        chunk_step=command.chunk_step,
        checkpoint=command.checkpoint,
        action=floats(command.action),
    )
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    return message


def command_from(message: CommandMsg) -> Command:
    """A command from the wire; a source that is not known counts as HOLD."""
    known = message.source in (Source.POLICY, Source.HUMAN)
    return Command(
        stamp=seconds_of(message.header.stamp),
        action=np.frombuffer(message.action, np.float32),
        source=Source(message.source) if known else Source.HOLD,
        chunk_step=message.chunk_step,
        checkpoint=message.checkpoint,
    )


def teleop_msg(teleop: TeleopInput, stamp: Time, frame_id: str) -> TeleopMsg:
    """The operator's word for the wire."""
    message = TeleopMsg(
        device=teleop.device,
        connected=teleop.connected,
        engaged=teleop.engaged,
        action=floats(teleop.action),
    )
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    return message


def teleop_from(message: TeleopMsg, frame_id: str, topic: str) -> TeleopInput:
    """The operator's word from the wire.

    Raises:
        MessageError: its twists are meant in another frame than ``frame_id`` (none at all is taken for it).
    """
    if message.header.frame_id not in ('', frame_id):
        raise MessageError(
            f"{topic}: twists in '{message.header.frame_id}', expected '{frame_id}'; turn them before publishing"
        )
    return TeleopInput(
        stamp=seconds_of(message.header.stamp),
        action=np.frombuffer(message.action, np.float32),
        engaged=message.engaged,
        connected=message.connected,
        device=message.device,
    )


def twist_msg(twist: Float32, stamp: Time, frame_id: str) -> TwistStamped:
    """A twist [6]: m/s and rad/s in ``frame_id``."""
    message = TwistStamped()
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    linear, angular = message.twist.linear, message.twist.angular
    linear.x, linear.y, linear.z, angular.x, angular.y, angular.z = (float(v) for v in twist)
    return message


def gripper_msg(openings: Float32, stamp: Time) -> GripperCommand:
    """Openings [n_arms] in [0, 1]."""
    message = GripperCommand(opening=floats(openings))
    message.header.stamp = stamp
    return message


def joint_state_msg(
    names: Sequence[str], positions: Sequence[float], openings: Sequence[float], stamp: Time, frame_id: str
) -> JointState:
    """Arm joints [rad], then ``gripper`` (two arms: ``gripper0``, ``gripper1``) as opening in [0, 1]."""
    many = len(openings) > 1
    grippers = [f'gripper{i}' if many else 'gripper' for i in range(len(openings))]
    message = JointState(
        name=[*names, *grippers],
        position=array('d', [*map(float, positions), *map(float, openings)]),
    )
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    return message


def joints_from(
    message: JointState, joints: Sequence[str], n_arms: int, topic: str
) -> tuple[Float32, Float32]:
    """Joint positions [len(joints)] in the asked order and gripper openings [n_arms].

    Raises:
        MessageError: a joint or gripper is missing, or a value is not finite.
    """
    grippers = ['gripper'] if n_arms == 1 else [f'gripper{i}' for i in range(n_arms)]
    wanted = [*joints, *grippers]
    if len(message.position) != len(message.name):
        raise MessageError(f'{topic}: {len(message.name)} names but {len(message.position)} positions')
    if list(message.name) == wanted:
        values = np.asarray(message.position, np.float32)
    else:
        at = {name: index for index, name in enumerate(message.name)}
        missing = [name for name in wanted if name not in at]
        if missing:
            raise MessageError(
                f"{topic}: no joint '{missing[0]}' among {', '.join(message.name)}; "
                "name the robot's joints in its configuration as the driver does"
            )
        values = np.asarray([message.position[at[name]] for name in wanted], np.float32)
    if not np.isfinite(values).all():
        bad = wanted[int(np.argmin(np.isfinite(values)))]
        raise MessageError(f"{topic}: the position of '{bad}' is not finite")
    return values[: len(joints)], values[len(joints) :]


def pose_msg(position: Sequence[float], quaternion: Sequence[float], stamp: Time, frame_id: str) -> PoseStamped:
    """Position [3] m and quaternion (w, x, y, z) in ``frame_id``."""
    message = PoseStamped()
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    point, q = message.pose.position, message.pose.orientation
    point.x, point.y, point.z = (float(v) for v in position)
    q.w, q.x, q.y, q.z = (float(v) for v in quaternion)
    return message


def pose_from(message: PoseStamped, topic: str) -> tuple[Float32, Float32]:
    """Position [3] m and unit quaternion [4] (w, x, y, z).

    Raises:
        MessageError: not finite, or a quaternion of no length.
    """
    point, q = message.pose.position, message.pose.orientation
    position = np.array([point.x, point.y, point.z], np.float64)
    quaternion = np.array([q.w, q.x, q.y, q.z], np.float64)
    norm = float(np.linalg.norm(quaternion))
    if not (np.isfinite(position).all() and np.isfinite(norm) and norm > 1e-6):
        raise MessageError(f'{topic}: position {position} with orientation {quaternion} (w x y z) is not a pose')
    return position.astype(np.float32), (quaternion / norm).astype(np.float32)
