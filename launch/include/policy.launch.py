# SPDX-License-Identifier: Apache-2.0
"""Inference."""

from launch import LaunchDescription

from igrft.ros.launching import lockstep, node


def generate_launch_description():
    return LaunchDescription(
        [
            node('policy_node', 'robot', 'task', 'policy', lockstep=lockstep()),
        ]
    )
