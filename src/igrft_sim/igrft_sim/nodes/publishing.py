# SPDX-License-Identifier: Apache-2.0
"""What the cell says on topics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState

from igrft.config import CameraConfig, RobotConfig
from igrft.episodes.topics import ee_pose_topics
from igrft.ros import messages
from igrft.ros.qos import EVENT, IMAGE, SENSOR, create_publisher
from igrft_msgs.msg import TaskState
from igrft_sim.cell import Cell
from igrft_sim.nodes.messages import camera_info_msg, task_state_msg


class CellPublisher:
    """Publishes a cell's state, and repeats a whole tick on request.

    Args:
        node: owns the publishers.
        robot: cameras, joint names and frames.
        clock: the cell's time is everybody's: publish `/clock`.
    """

    def __init__(self, node: Node, robot: RobotConfig, clock: bool = True) -> None:
        self._robot = robot
        self._clock = node.create_publisher(Clock, '/clock', QoSProfile(depth=10)) if clock else None
        self._joints = create_publisher(node, JointState, 'joint_states', SENSOR)
        self._tools = [create_publisher(node, PoseStamped, topic, SENSOR) for topic in ee_pose_topics(robot)]
        self._task = create_publisher(node, TaskState, 'task_state', EVENT)
        self._images: dict[str, Publisher] = {}
        self._infos: dict[str, Publisher] = {}
        self._masks: dict[str, Publisher] = {}
        for camera in robot.cameras:
            topic = f'camera/{camera.name}'
            self._images[camera.name] = create_publisher(node, Image, f'{topic}/image_raw', IMAGE)
            self._infos[camera.name] = create_publisher(node, CameraInfo, f'{topic}/camera_info', SENSOR)
            if camera.robot_mask:
                self._masks[camera.name] = create_publisher(node, Image, f'{topic}/robot_mask', IMAGE)
        self._sent: list[tuple[Publisher, Any]] = []

    def begin(self, stamp: Time) -> Time:
        """A new tick: publish the clock, where time is simulated, and forget the last tick. Returns the stamp."""
        self._sent.clear()
        if self._clock is not None:
            self._send(self._clock, Clock(clock=stamp))
        return stamp

    def state(self, cell: Cell, stamp: Time) -> None:
        """Joints and tools."""
        frame, joints = self._robot.base_frame, self._robot.joints
        message = messages.joint_state_msg(joints, cell.joint_positions, cell.openings, stamp, frame)
        message.velocity = [*map(float, cell.joint_velocities), *(0.0 for _ in cell.openings)]
        self._send(self._joints, message)
        for publisher, tool in zip(self._tools, cell.tools, strict=True):
            self._send(publisher, messages.pose_msg(tool[:3], tool[3:], stamp, frame))

    def task_state(self, cell: Cell, stamp: Time) -> None:
        """Ground truth."""
        state, frame = cell.task_state(), self._robot.base_frame
        message = task_state_msg(state, cell.task.name, cell.seed, cell.split, stamp, frame)
        self._send(self._task, message)

    def images(self, cell: Cell, stamp: Time, cameras: Iterable[CameraConfig]) -> None:
        """Images of some cameras, their calibration and the robot's mask."""
        for camera in cameras:
            name, width, height = camera.name, camera.width, camera.height
            frame = f'camera_{name}_optical_frame'
            image = cell.render(name, width, height)
            self._send(self._images[name], messages.image_msg(image, stamp, frame))
            fovy = float(cell.model.camera(name).fovy[0])
            self._send(self._infos[name], camera_info_msg(width, height, fovy, stamp, frame))
            if name in self._masks:
                mask = cell.robot_mask(name, width, height)
                self._send(self._masks[name], messages.image_msg(mask, stamp, frame))

    def repeat(self) -> None:
        """Publish the tick again, same stamp: somebody may have missed it."""
        for publisher, message in self._sent:
            publisher.publish(message)

    def _send(self, publisher: Publisher, message: Any) -> None:
        publisher.publish(message)
        self._sent.append((publisher, message))
