# SPDX-License-Identifier: Apache-2.0
"""The operator's web page."""

from launch import LaunchDescription

from igrft.ros.launch_arguments import console_pad, console_port
from igrft.ros.launching import node


def generate_launch_description():
    return LaunchDescription(
        [
            node(
                'console_node', 'robot', 'task', 'episodes_dir', critical=False, port=console_port(), **console_pad()
            ),
        ]
    )
