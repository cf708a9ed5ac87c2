# SPDX-License-Identifier: Apache-2.0
"""The interaction signal and the reward, online."""

from launch import LaunchDescription

from igrft.ros.launching import node


def generate_launch_description():
    return LaunchDescription(
        [
            node('reward_node', 'robot', 'task', critical=False),
        ]
    )
