# SPDX-License-Identifier: Apache-2.0
"""The cell's own messages, from and to its types."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion, TwistStamped
from sensor_msgs.msg import CameraInfo, JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from igrft.ros.messages import MessageError
from igrft_msgs.msg import TaskState as TaskStateMsg
from igrft_sim.tasks.base import Float64, TaskState


def pose(values: Float64) -> Pose:
    """[7] x y z qw qx qy qz."""
    x, y, z, qw, qx, qy, qz = map(float, values)
    return Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))


def pose_values(message: Pose) -> Float64:
    """[7] x y z qw qx qy qz, in the precision in which it was sent."""
    point, q = message.position, message.orientation
    return np.array([point.x, point.y, point.z, q.w, q.x, q.y, q.z])


def tool_pose(message: PoseStamped) -> Float64:
    """[7] pose of the tool."""
    return pose_values(message.pose)


def task_state_msg(state: TaskState, task: str, seed: int, split: str, stamp: Time, frame_id: str) -> TaskStateMsg:
    """Ground truth for the wire."""
    message = TaskStateMsg(
        task=task,
        seed=seed,
        split=split,
        objects=list(state.objects),
        poses=[pose(values) for values in state.poses],
        subtasks=list(state.subtasks),
        contact=state.contact,
        success=state.success,
    )
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    return message


def task_state_from(message: TaskStateMsg) -> TaskState:
    """Ground truth from the wire."""
    return TaskState(
        objects=tuple(message.objects),
        poses=np.array([pose_values(item) for item in message.poses]).reshape(-1, 7),
        subtasks=tuple(message.subtasks),
        contact=message.contact,
        success=message.success,
    )


def camera_info_msg(width: int, height: int, fovy: float, stamp: Time, frame_id: str) -> CameraInfo:
    """A pinhole camera without distortion; ``fovy`` [deg] is its vertical field of view."""
    focal = height / 2 / math.tan(math.radians(fovy) / 2)
    cx, cy = width / 2, height / 2
    message = CameraInfo(
        width=width,
        height=height,
        distortion_model='plumb_bob',
        d=array('d', [0.0] * 5),
        k=np.array([focal, 0, cx, 0, focal, cy, 0, 0, 1], np.float64),
        r=np.eye(3).ravel(),
        p=np.array([focal, 0, cx, 0, 0, focal, cy, 0, 0, 0, 1, 0], np.float64),
    )
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    return message


def trajectory_msg(joints: Sequence[str], target: Float64, dt: float, stamp: Time, frame_id: str) -> JointTrajectory:
    """One point: be at ``target`` [rad] ``dt`` seconds from the stamp."""
    whole = int(dt)
    ahead = Duration(sec=whole, nanosec=round((dt - whole) * 1e9))
    point = JointTrajectoryPoint(positions=array('d', target), time_from_start=ahead)
    message = JointTrajectory(joint_names=list(joints), points=[point])
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    return message


def twist_values(message: TwistStamped) -> Float64:
    """[6] m/s and rad/s; not finite where the message is not."""
    linear, angular = message.twist.linear, message.twist.angular
    return np.array([linear.x, linear.y, linear.z, angular.x, angular.y, angular.z])


def joint_values(names: Sequence[str], values: Sequence[float], wanted: Sequence[str], topic: str) -> Float64:
    """Values in the order of ``wanted``, in full precision.

    Raises:
        MessageError: a joint is missing, a value is not finite, or there are more names than values.
    """
    if len(names) != len(values):
        raise MessageError(f'{topic}: {len(names)} names but {len(values)} positions')
    found = dict(zip(names, values, strict=True))
    missing = [name for name in wanted if name not in found]
    if missing:
        raise MessageError(f"{topic}: no joint '{missing[0]}' among {', '.join(names) or 'none'}")
    result = np.array([found[name] for name in wanted], np.float64)
    if not np.isfinite(result).all():
        raise MessageError(f'{topic}: a position is not finite')
    return result


def joint_state_values(message: JointState, names: Sequence[str]) -> Float64:
    """Positions of those joints and grippers."""
    return joint_values(message.name, message.position, names, 'joint_states')
