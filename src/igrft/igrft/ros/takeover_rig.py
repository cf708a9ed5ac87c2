# SPDX-License-Identifier: Apache-2.0
"""The processes that a takeover measurement needs beside the nodes: a robot that stands still, and an echo.

`python -m igrft.ros.takeover_rig robot|echo`. The robot publishes what drivers would: joints and tool pose at the
control rate, camera frames at theirs, all in wall time. The echo answers each message with the same message: what
two hops cost where nobody thinks in between.
"""

from __future__ import annotations

import sys

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState

from igrft.config import RobotConfig, named
from igrft.episodes.topics import image_topic
from igrft.ros import messages, qos
from igrft.ros.clocks import ControlClock
from igrft.ros.runtime import spin
from igrft_msgs.msg import Command

PING, PONG = 'takeover_rig/ping', 'takeover_rig/pong'
TOOL = (0.45, 0.0, 0.3)
"""[m] far from every wall of the workspace"""


class FakeRobot(Node):
    """An arm that keeps its pose whatever it is told, and its cameras."""

    def __init__(self) -> None:
        super().__init__('fake_robot')
        self._robot = named('robots', 'sim', RobotConfig)
        self._joints = qos.create_publisher(self, JointState, 'joint_states', qos.SENSOR)
        self._pose = qos.create_publisher(self, PoseStamped, 'ee_pose', qos.SENSOR)
        self._cameras = [
            (qos.create_publisher(self, Image, image_topic(camera.name), qos.IMAGE), camera)
            for camera in self._robot.cameras
        ]
        rng = np.random.default_rng(0)
        self._frames = [rng.integers(0, 255, (c.height, c.width, 3), np.uint8) for _, c in self._cameras]
        clock = ControlClock(self)
        clock.timer(1.0 / self._robot.control_rate, self._state)
        clock.timer(1.0 / self._robot.policy_rate, self._images)

    def _state(self) -> None:
        stamp, frame = self.get_clock().now().to_msg(), self._robot.base_frame
        home = self._robot.poses['home']
        self._joints.publish(messages.joint_state_msg(self._robot.joints, home, [1.0], stamp, frame))
        self._pose.publish(messages.pose_msg(TOOL, (0.0, 1.0, 0.0, 0.0), stamp, frame))

    def _images(self) -> None:
        stamp = self.get_clock().now().to_msg()
        for (publisher, camera), frame in zip(self._cameras, self._frames, strict=True):
            publisher.publish(messages.image_msg(frame, stamp, f'camera_{camera.name}_optical_frame'))


class Echo(Node):
    """Says again what it hears, as soon as it hears it."""

    def __init__(self) -> None:
        super().__init__('echo')
        publisher = qos.create_publisher(self, Command, PONG, qos.COMMAND)
        qos.create_subscription(self, Command, PING, publisher.publish, qos.COMMAND)


def main(arguments: list[str] | None = None) -> int:
    """See the module."""
    (what,) = sys.argv[1:] if arguments is None else arguments
    return spin({'robot': FakeRobot, 'echo': Echo}[what], [], urgent=True)


if __name__ == '__main__':
    raise SystemExit(main())
