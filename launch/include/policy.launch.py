# SPDX-License-Identifier: Apache-2.0
"""Inference, and the call for help that is judged from it."""

from launch import LaunchDescription

from igrft.ros.launch_arguments import lockstep, number, text
from igrft.ros.launching import help_node, node


def generate_launch_description():
    return LaunchDescription(
        [
            node(
                'policy_node',
                'robot',
                'task',
                'policy',
                lockstep=lockstep(),
                disagreement_draws=number('help_draws'),
                device=text('policy_device'),
                server=text('policy_server'),
                server_token_file=text('policy_server_token_file'),
            ),
            help_node(),
        ]
    )
