# SPDX-License-Identifier: Apache-2.0
"""The simulated cell in place of robot and cameras, its servo, and the simulated operator."""

from launch import LaunchDescription
from launch.actions import GroupAction
from launch.conditions import IfCondition

from igrft.ros.launch_arguments import fake_device, is_operator, lockstep, real_time_factor
from igrft.ros.launching import node, servo_nodes


def generate_launch_description():
    return LaunchDescription(
        [
            node('sim_node', 'robot', 'task', package='igrft_sim', lockstep=lockstep(), rtf=real_time_factor()),
            servo_nodes(),
            GroupAction(
                [
                    node(
                        'operator_node',
                        'robot',
                        'task',
                        'protocol',
                        package='igrft_sim',
                        lockstep=lockstep(),
                        hid=fake_device(),
                    )
                ],
                condition=IfCondition(is_operator()),
            ),
        ]
    )
