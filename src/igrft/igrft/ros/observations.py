# SPDX-License-Identifier: Apache-2.0
"""A robot's streams as observations: subscribes images, joints and tool poses, and hands them to the assembler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState

from igrft.config import RobotConfig
from igrft.control.assembler import AssemblerConfig, ObservationAssembler
from igrft.ros import qos
from igrft.ros.messages import MessageError, image_array, joints_from, pose_from, seconds_of
from igrft.types import Observation


class ObservationStreams:
    """Subscriptions of everything an observation consists of.

    Args:
        node: that subscribes.
        robot: its cameras, joints and arms.
        instruction: of every observation.
        max_skew: [s] that the streams of one observation may differ by.
        on_message: called after every message.
        on_problem: called with the text where a message was refused.
    """

    def __init__(
        self,
        node: Node,
        robot: RobotConfig,
        instruction: str,
        max_skew: float,
        on_message: Callable[[], None],
        on_problem: Callable[[str], None],
    ) -> None:
        self._node = node
        self._robot = robot
        self._on_message = on_message
        self._on_problem = on_problem
        streams = AssemblerConfig(
            cameras={camera.name: (camera.height, camera.width) for camera in robot.cameras},
            n_joints=len(robot.joints),
            arms=robot.arms,
            max_skew=max_skew,
        )
        self._assembler = ObservationAssembler(streams, instruction)
        self._subscriptions = [self._subscribe(JointState, 'joint_states', self._joints, qos.SENSOR)]
        for camera in robot.cameras:
            topic = f'camera/{camera.name}/image_raw'
            self._subscriptions.append(self._subscribe(Image, topic, self._image(camera.name, topic), qos.IMAGE))
        for arm in robot.arms:
            topic = 'ee_pose' if len(robot.arms) == 1 else f'{arm}/ee_pose'
            self._subscriptions.append(self._subscribe(PoseStamped, topic, self._pose(arm, topic), qos.SENSOR))

    def observation(self, not_before: float) -> Observation | None:
        """The newest complete observation at or after a stamp [s], if there is one."""
        return self._assembler.observation(not_before)

    def missing(self) -> str:
        """What keeps an observation from being made, '' if nothing does."""
        return '; '.join(self._assembler.missing(self._node.get_clock().now().nanoseconds * 1e-9))

    def destroy(self) -> None:
        """Give the subscriptions back."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _subscribe(self, message: type[Any], topic: str, take: Callable[[Any], str], profile: qos.Profile) -> Any:
        def received(content: Any) -> None:
            try:
                problem = take(content)
            except MessageError as error:
                problem = str(error)
            if problem:
                self._on_problem(problem)
            self._on_message()

        return qos.create_subscription(self._node, message, topic, received, profile)

    def _joints(self, message: Any) -> str:
        found = joints_from(message, self._robot.joints, len(self._robot.arms), 'joint_states')
        return self._assembler.add_joints(seconds_of(message.header.stamp), *found)

    def _image(self, camera: str, topic: str) -> Callable[[Any], str]:
        def take(message: Any) -> str:
            return self._assembler.add_image(camera, seconds_of(message.header.stamp), image_array(message, topic))

        return take

    def _pose(self, arm: str, topic: str) -> Callable[[Any], str]:
        def take(message: Any) -> str:
            return self._assembler.add_pose(seconds_of(message.header.stamp), *pose_from(message, topic), arm)

        return take
