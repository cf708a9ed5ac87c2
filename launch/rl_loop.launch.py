# SPDX-License-Identifier: Apache-2.0
"""The whole loop: demonstrations, SFT, offline RL, human-in-the-loop rounds, evaluations.

ros2 launch igrft rl_loop.launch.py
ros2 launch igrft rl_loop.launch.py --show-args
"""

from launch import LaunchDescription

from igrft.ros.launch_arguments import GRAPH, declare
from igrft.ros.launching import loop_node, whole_graph


def generate_launch_description():
    arguments = (*GRAPH, 'curriculum', 'stage', 'rounds', 'overrides')
    return LaunchDescription(
        [
            *declare(__file__, arguments),
            whole_graph(
                loop_node('curriculum', 'curriculum', 'stage', 'rounds', 'overrides'),
                trainer=True,
            ),
        ]
    )
