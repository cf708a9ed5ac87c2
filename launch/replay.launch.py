# SPDX-License-Identifier: Apache-2.0
"""Play an episode's bag on its topics, with the reward computed again and the console to watch it.

ros2 launch igrft replay.launch.py episode:=<folder of an episode>
"""

from launch import LaunchDescription
from launch.actions import ExecuteProcess, GroupAction, Shutdown
from launch.conditions import IfCondition
from launch_ros.actions import PushROSNamespace, SetParameter, SetRemap

from igrft.ros.launch_arguments import declare, value
from igrft.ros.launching import include


def generate_launch_description():
    arguments = ('namespace', 'episode', 'rate', 'robot', 'task', 'episodes_dir', 'console', 'console_port',
                 'log_level', 'params_file')  # fmt: skip
    return LaunchDescription(
        [
            *declare(__file__, arguments),
            GroupAction(
                [
                    PushROSNamespace(value('namespace')),
                    SetRemap('/clock', 'clock'),
                    SetParameter('use_sim_time', False),
                    include('reward'),
                    include('console', condition=IfCondition(value('console'))),
                    ExecuteProcess(
                        cmd=['ros2', 'bag', 'play', value('episode'), '--rate', value('rate')],
                        name='bag_play',
                        output='screen',
                        on_exit=Shutdown(reason='the episode is over'),
                    ),
                ]
            ),
        ]
    )
