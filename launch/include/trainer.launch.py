# SPDX-License-Identifier: Apache-2.0
"""The learner, in its own process."""

from launch import LaunchDescription

from igrft.ros.launching import node


def generate_launch_description():
    return LaunchDescription(
        [
            node('trainer_node', 'robot', 'task', 'policy', 'episodes_dir', 'curriculum'),
        ]
    )
