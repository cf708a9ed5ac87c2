# SPDX-License-Identifier: Apache-2.0
"""A real arm: its cameras, drivers, MoveIt Servo, and the nodes between them and the graph."""

from launch import LaunchDescription

from igrft.ros.launching import camera_nodes
from igrft.ros.launching_hardware import hardware_nodes


def generate_launch_description():
    return LaunchDescription(
        [
            hardware_nodes(),
            camera_nodes(),
        ]
    )
