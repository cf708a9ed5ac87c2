# SPDX-License-Identifier: Apache-2.0
"""The command chain: takeover, safety, the operator's device, named poses."""

from launch import LaunchDescription
from launch.actions import GroupAction
from launch.conditions import IfCondition

from igrft.ros.launch_arguments import device, fake_device, is_device, listens_to_teleop, lockstep
from igrft.ros.launching import node
from igrft.ros.launching_hardware import arm_node


def generate_launch_description():
    return LaunchDescription(
        [
            node(
                'arbiter_node', 'robot', 'help_reaction', lockstep=lockstep(), lockstep_teleop=listens_to_teleop()
            ),
            node('safety_node', 'robot', lockstep=lockstep()),
            arm_node(),
            GroupAction(
                [node('teleop_node', 'robot', device=device(), path=fake_device(), lockstep=lockstep())],
                condition=IfCondition(is_device()),
            ),
        ]
    )
