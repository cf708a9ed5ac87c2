# SPDX-License-Identifier: Apache-2.0
"""Robots that only talk, one a namespace, each with its own fault; prints a line when all publish."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, JointState

from igrft.config import RobotConfig, load
from igrft.ros import messages, qos
from igrft_msgs.msg import Command

FAULTS = (
    'healthy',
    'no_camera',
    'wrong_encoding',
    'incompatible_qos',
    'stale_stamps',
    'skewed_cameras',
    'not_calibrated',
)


class FakeRobot:
    """Publishes every stream that an episode needs, at 10 Hz."""

    def __init__(self, node: Node, robot: RobotConfig, fault: str) -> None:
        self.node, self.robot, self.fault = node, robot, fault
        self.publishers: dict[str, Any] = {}
        for camera in robot.cameras:
            if fault == 'no_camera' and camera.name == 'wrist':
                continue
            self.add(Image, f'camera/{camera.name}/image_raw')
            self.add(CameraInfo, f'camera/{camera.name}/camera_info')
            if camera.robot_mask:
                self.add(Image, f'camera/{camera.name}/robot_mask')
        self.add(JointState, 'joint_states')
        self.add(PoseStamped, 'ee_pose')
        offered = qos.EVENT.publisher
        if fault == 'incompatible_qos':
            offered = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.publishers['executed_action'] = node.create_publisher(Command, f'{fault}/executed_action', offered)
        node.create_timer(0.1, self.publish)

    def add(self, kind: type, topic: str) -> None:
        self.publishers[topic] = qos.create_publisher(self.node, kind, f'{self.fault}/{topic}', qos.SENSOR)

    def publish(self) -> None:
        now = self.node.get_clock().now()
        if self.fault == 'stale_stamps':
            now -= Duration(seconds=3.0)
        stamp = now.to_msg()
        for camera in self.robot.cameras:
            late = self.fault == 'skewed_cameras' and camera.name == 'wrist'
            taken = (now - Duration(seconds=30.0)).to_msg() if late else stamp
            self.camera(camera, taken)
        joints = messages.joint_state_msg(self.robot.joints, [0.0] * len(self.robot.joints), [1.0], stamp, 'base_link')
        self.publishers['joint_states'].publish(joints)
        self.publishers['ee_pose'].publish(messages.pose_msg([0, 0, 1], [1, 0, 0, 0], stamp, 'base_link'))

    def camera(self, camera: Any, stamp: Any) -> None:
        topic, frame = f'camera/{camera.name}', f'{camera.name}_optical'
        if f'{topic}/image_raw' not in self.publishers:
            return
        image = messages.image_msg(np.zeros((camera.height, camera.width, 3), np.uint8), stamp, frame)
        if self.fault == 'wrong_encoding' and camera.name == 'front':
            image.encoding = 'mono16'
        self.publishers[f'{topic}/image_raw'].publish(image)
        info = CameraInfo(width=camera.width, height=camera.height)
        info.header = image.header
        if self.fault != 'not_calibrated':
            info.k = [100.0, 0.0, 8.0, 0.0, 100.0, 8.0, 0.0, 0.0, 1.0]
        self.publishers[f'{topic}/camera_info'].publish(info)
        if camera.robot_mask:
            mask = messages.image_msg(np.zeros((camera.height, camera.width), np.uint8), stamp, frame)
            self.publishers[f'{topic}/robot_mask'].publish(mask)


def main() -> None:
    rclpy.init()
    robot = load(sys.argv[1], RobotConfig)
    node = rclpy.create_node('fake_robots')
    robots = [FakeRobot(node, robot, fault) for fault in FAULTS]
    print(f'{len(robots)} robots', flush=True)
    rclpy.spin(node)


if __name__ == '__main__':
    main()
