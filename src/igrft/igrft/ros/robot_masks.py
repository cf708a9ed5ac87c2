# SPDX-License-Identifier: Apache-2.0
"""Robot masks drawn from the URDF as the frames of a camera come in, and published for the recorder."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, JointState

from igrft.config import ConfigError, RobotConfig, locate
from igrft.episodes.topics import JOINT_STATES, info_topic, mask_topic
from igrft.perception.calibration import Calibration, CalibrationError, read_extrinsics
from igrft.perception.robot_mask import RobotMask, gripper_positions
from igrft.perception.urdf import Urdf, UrdfError
from igrft.ros import qos
from igrft.ros.messages import MessageError, image_msg, joints_from, nanoseconds_of
from igrft.ros.parameters import Common, parameter
from igrft.types import Float32, UInt8

HISTORY = 512
"""Joint states that are kept, some seconds at any usual rate."""
WAITING = 8
"""Frames that wait for joint states of their time."""


@dataclass(frozen=True)
class MaskParameters(Common):
    """Where the robot mask is from."""

    mask: str = parameter(
        'segmentation',
        'where the robot mask is from: segmentation (camera/<name>/robot_mask, as the cell publishes it), urdf (drawn '
        'from the robot description at the measured joints) or topic (mask_topic); the last two are published as '
        'robot_mask',
        choices=('segmentation', 'urdf', 'topic'),
    )
    mask_topic: str = parameter('', 'mono8 masks, non-zero where the robot is, with the stamps of the images')
    urdf: str = parameter('', 'robot description for mask urdf: a file, or package://<package>/<path>')
    extrinsics: str = parameter('', "name or path of a config/extrinsics file, the global camera's, for mask urdf")
    mask_geometry: str = parameter('collision', 'shapes of the URDF that are drawn', choices=('collision', 'visual'))
    mask_dilation: float = parameter(
        1.0,
        "growth of the drawn mask at the image's own size: lag and calibration errors",
        unit='px',
        minimum=0.0,
        maximum=50.0,
    )

    def __post_init__(self) -> None:
        if (self.mask == 'topic') != bool(self.mask_topic):
            raise ValueError("mask 'topic' and mask_topic belong together")
        if self.mask == 'urdf' and not (self.urdf and self.extrinsics):
            raise ValueError("mask 'urdf' needs the parameters urdf and extrinsics (igrft calibrate extrinsics)")


class JointHistory:
    """Joint positions by stamp [ns], and between the stamps."""

    def __init__(self, length: int = HISTORY) -> None:
        self._stamps: deque[int] = deque(maxlen=length)
        self._values: deque[Float32] = deque(maxlen=length)

    def add(self, stamp: int, values: Float32) -> None:
        """One state; one of an older stamp (a repeated tick, a restarted clock) begins anew or is ignored."""
        if self._stamps and stamp == self._stamps[-1]:
            return
        if self._stamps and stamp < self._stamps[-1]:
            self._stamps.clear()
            self._values.clear()
        self._stamps.append(stamp)
        self._values.append(values)

    def begins_after(self, stamp: int) -> bool:
        """Whether nothing that may still come can tell of a stamp."""
        return bool(self._stamps) and stamp < self._stamps[0]

    def at(self, stamp: int) -> Float32 | None:
        """The positions at a stamp, between two measured ones; None where it is not between any."""
        index = bisect_left(self._stamps, stamp)
        if index == len(self._stamps):
            return None
        if self._stamps[index] == stamp:
            return self._values[index]
        if index == 0:
            return None
        before, after = self._stamps[index - 1], self._stamps[index]
        share = (stamp - before) / (after - before)
        return np.asarray((1 - share) * self._values[index - 1] + share * self._values[index], np.float32)


class UrdfMasks:
    """Draws the mask of each frame at the joint positions of its stamp, publishes it, and hands both on.

    Args:
        node: owns subscriptions and publisher.
        robot: names of its joints.
        camera: name of the camera.
        parameters: with mask ``urdf``.
        on_mask: called with a frame and its mask.
        on_problem: called with what keeps masks from being drawn, '' when nothing does.

    Raises:
        ConfigError: the files do not fit each other or the robot.
    """

    def __init__(
        self,
        node: Node,
        robot: RobotConfig,
        camera: str,
        parameters: MaskParameters,
        on_mask: Callable[[Image, UInt8], None],
        on_problem: Callable[[str], None],
    ) -> None:
        self._robot, self._p = robot, parameters
        urdf, extrinsics = parameters.urdf, parameters.extrinsics
        self._urdf = Urdf.read(urdf)
        mounted = read_extrinsics(locate('extrinsics', extrinsics))
        if mounted.parent != robot.base_frame:
            raise ConfigError(
                f"{extrinsics}: the camera is mounted to '{mounted.parent}', it must be the robot's base_frame "
                f"'{robot.base_frame}'"
            )
        missing = [name for name in robot.joints if name not in self._urdf.joints]
        if missing:
            raise ConfigError(f"{urdf}: no joint '{missing[0]}', which robot '{robot.name}' has")
        self._root_from_camera = self._urdf.fixed_frame(robot.base_frame) @ mounted.parent_from_child
        self._on_mask, self._on_problem = on_mask, on_problem
        self._mask: RobotMask | None = None
        self._size, self._k = (0, 0), [0.0]
        self._history = JointHistory()
        self._waiting: deque[Image] = deque(maxlen=WAITING)
        self._publisher = qos.create_publisher(node, Image, mask_topic(camera), qos.IMAGE)
        self._info_topic = info_topic(camera)
        qos.create_subscription(node, CameraInfo, self._info_topic, self._on_info, qos.SENSOR)
        qos.create_subscription(node, JointState, JOINT_STATES, self._on_joints, qos.SENSOR)

    def take(self, frame: Image) -> None:
        """The next frame."""
        newest = nanoseconds_of(self._waiting[-1].header.stamp) if self._waiting else -1
        stamp = nanoseconds_of(frame.header.stamp)
        if stamp == newest:
            return  # a tick that was published again
        if stamp < newest:
            self._waiting.clear()  # time went back: another recording, another run
        self._waiting.append(frame)
        self._advance()

    def forget(self) -> None:
        """A new episode begins."""
        self._waiting.clear()

    def _on_info(self, info: CameraInfo) -> None:
        if self._mask is not None and (info.width, info.height) == self._size and list(info.k) == self._k:
            return
        try:
            found = Calibration(info.width, info.height, tuple(map(float, info.k)), tuple(map(float, info.d)),
                                info.distortion_model or 'plumb_bob')  # fmt: skip
            self._mask = RobotMask(
                self._urdf,
                found,
                self._root_from_camera,
                geometry=self._p.mask_geometry,
                dilation=self._p.mask_dilation,
            )
        except (CalibrationError, UrdfError) as error:
            self._mask = None
            self._on_problem(f'{self._info_topic}: {error}; calibrate the camera (igrft calibrate intrinsics)')
            return
        self._size, self._k = (info.width, info.height), list(info.k)
        self._advance()

    def _on_joints(self, message: JointState) -> None:
        try:
            found = joints_from(message, self._robot.joints, len(self._robot.arms), JOINT_STATES)
        except MessageError as error:
            self._on_problem(str(error))
            return
        self._history.add(nanoseconds_of(message.header.stamp), np.concatenate(found))
        self._advance()

    def _advance(self) -> None:
        while self._waiting and self._mask is not None:
            frame = self._waiting[0]
            stamp = nanoseconds_of(frame.header.stamp)
            values = self._history.at(stamp)
            if values is None and not self._history.begins_after(stamp):
                return
            self._waiting.popleft()
            if values is None:
                continue
            if (frame.width, frame.height) != self._size:
                self._on_problem(
                    f'{self._info_topic} is of {self._size[0]}x{self._size[1]}, the image {frame.width}x{frame.height}'
                )
                continue
            joints = self._robot.joints
            arm, openings = values[: len(joints)].tolist(), values[len(joints) :].tolist()
            fingers = gripper_positions(self._urdf, joints, openings)
            mask = self._mask.draw({**fingers, **dict(zip(joints, arm, strict=True))})
            self._publisher.publish(image_msg(mask, frame.header.stamp, frame.header.frame_id))
            self._on_problem('')
            self._on_mask(frame, mask)
