# SPDX-License-Identifier: Apache-2.0
"""Inference."""

from launch import LaunchDescription

from igrft.ros.launching import lockstep, node, text


def generate_launch_description():
    return LaunchDescription(
        [
            node(
                'policy_node',
                'robot',
                'task',
                'policy',
                lockstep=lockstep(),
                device=text('policy_device'),
                server=text('policy_server'),
                server_token_file=text('policy_server_token_file'),
            ),
        ]
    )
