# SPDX-License-Identifier: Apache-2.0
"""Measures a console from outside: how old a camera's picture is in the browser, how soon the arm hears of the pad.

The cameras and the listener are a process of their own (`python -m igrft.ros.console_probe`), as they are on a robot.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

from igrft.config import RobotConfig, named
from igrft.ros import qos
from igrft.ros.messages import image_msg, seconds_of
from igrft_msgs.msg import GripperCommand, Teleop


class RobotSide(Node):
    """Cameras of a robot at their rate with pictures of noise, and what arrives of them and of the pad.

    One JSON line an event on standard output: ``{"picture": age}`` [s] of a picture at a plain subscriber, and
    ``{"teleop": {...}}`` of each `teleop/command`.
    """

    def __init__(self, width: int, height: int, rate: float) -> None:
        super().__init__('robot_side')
        robot = named('robots', 'sim', RobotConfig)
        random = np.random.default_rng(0)
        # Coarse noise: as hard to encode as a busy scene, not as hard as snow.
        coarse = random.integers(0, 256, (8, height // 8, width // 8, 3), np.uint8)
        self._pictures = [np.repeat(np.repeat(picture, 8, 0), 8, 1) for picture in coarse]
        self._count = 0
        self._cameras = [
            (qos.create_publisher(self, Image, f'camera/{c.name}/image_raw', qos.IMAGE), c.name) for c in robot.cameras
        ]
        self._gripper = qos.create_publisher(self, GripperCommand, 'gripper/command', qos.COMMAND)
        qos.create_subscription(self, Teleop, 'teleop/command', self._on_teleop, qos.COMMAND)
        self.create_timer(1.0 / rate, self._shoot)

    def _shoot(self) -> None:
        self._count += 1
        picture = self._pictures[self._count % len(self._pictures)]
        for publisher, name in self._cameras:
            publisher.publish(image_msg(picture, self.get_clock().now().to_msg(), name))
        self._gripper.publish(GripperCommand(opening=[1.0]))

    def _on_teleop(self, message: Teleop) -> None:
        heard = {'engaged': message.engaged, 'connected': message.connected, 'heard': time.time()}
        print(json.dumps({'teleop': heard}), flush=True)


class Plain(Node):
    """The baseline: a subscriber that does nothing but look at the stamp."""

    def __init__(self) -> None:
        super().__init__('plain_subscriber')
        qos.create_subscription(self, Image, 'camera/front/image_raw', self._on_image, qos.IMAGE)

    @staticmethod
    def _on_image(message: Image) -> None:
        print(json.dumps({'picture': time.time() - seconds_of(message.header.stamp)}), flush=True)


def started(role: str, *arguments: str, domain: int) -> subprocess.Popen[str]:
    """A process of this module, or a node of igrft's."""
    command = ['igrft.ros.console_probe', role] if role in ROLES else [f'igrft.nodes.{role}']
    return subprocess.Popen(
        [sys.executable, '-m', *command, *arguments],
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain)},
        stdout=subprocess.PIPE,
        text=True,
    )


ROLES: dict[str, Any] = {'robot': RobotSide, 'plain': Plain}


def main(arguments: list[str]) -> None:
    """``robot WIDTH HEIGHT RATE`` or ``plain``."""
    role, *numbers = arguments
    rclpy.init()
    node = ROLES[role](*(float(number) if '.' in number else int(number) for number in numbers))
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException, BrokenPipeError):
        pass


if __name__ == '__main__':
    main(sys.argv[1:])
