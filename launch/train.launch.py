# SPDX-License-Identifier: Apache-2.0
"""Train one stage on the episodes that are there; no robot, no cameras.

ros2 launch igrft train.launch.py stage:=sft
"""

from launch import LaunchDescription
from launch.actions import GroupAction
from launch_ros.actions import PushROSNamespace, SetParameter

from igrft.ros.launch_arguments import declare, value
from igrft.ros.launching import include, loop_node


def generate_launch_description():
    arguments = ('namespace', 'robot', 'task', 'policy', 'episodes_dir', 'stage', 'curriculum', 'checkpoint',
                 'overrides', 'log_level', 'params_file')  # fmt: skip
    return LaunchDescription(
        [
            *declare(__file__, arguments, stage='sft'),
            GroupAction(
                [
                    PushROSNamespace(value('namespace')),
                    SetParameter('use_sim_time', False),
                    include('trainer'),
                    loop_node('train', 'stage', 'curriculum', 'checkpoint', 'overrides'),
                ]
            ),
        ]
    )
