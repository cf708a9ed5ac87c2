# SPDX-License-Identifier: Apache-2.0
"""The end of the graph towards a real arm, without cameras, policy and recorder."""

from launch import LaunchDescription
from launch.actions import GroupAction
from launch_ros.actions import SetRemap

from igrft.ros.launch_arguments import declare
from igrft.ros.launching import node
from igrft.ros.launching_hardware import arm_node, hardware_nodes


def generate_launch_description():
    names = ('robot', 'robot_ip', 'drivers', 'use_fake_hardware', 'teleop', 'params_file', 'log_level')
    return LaunchDescription(
        [
            *declare(__file__, names, robot='ur5e'),
            GroupAction(
                [
                    hardware_nodes(),
                    SetRemap('joint_states', 'robot/joint_states'),
                    node('safety_node', 'robot'),
                    arm_node(),
                ]
            ),
        ]
    )
