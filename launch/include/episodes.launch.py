# SPDX-License-Identifier: Apache-2.0
"""The episode manager and recorder."""

from launch import LaunchDescription

from igrft.ros.launch_arguments import lockstep
from igrft.ros.launching import node


def generate_launch_description():
    return LaunchDescription(
        [
            node('episode_node', 'robot', 'task', 'episodes_dir', lockstep=lockstep()),
        ]
    )
