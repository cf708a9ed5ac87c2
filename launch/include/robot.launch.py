# SPDX-License-Identifier: Apache-2.0
"""A real arm: its cameras. MoveIt Servo and the drivers are started by the robot's own bring-up."""

from launch import LaunchDescription

from igrft.ros.launching import camera_nodes


def generate_launch_description():
    return LaunchDescription(
        [
            camera_nodes(),
        ]
    )
