# SPDX-License-Identifier: Apache-2.0
"""Record episodes: demonstrations, rollouts or corrected rollouts.

ros2 launch igrft collect.launch.py kind:=demonstration episodes:=20
"""

from launch import LaunchDescription

from igrft.ros.launch_arguments import GRAPH, declare
from igrft.ros.launching import loop_node, whole_graph


def generate_launch_description():
    return LaunchDescription(
        [
            *declare(__file__, (*GRAPH, 'episodes', 'kind', 'checkpoint')),
            whole_graph(loop_node('collect', 'episodes', 'kind', 'checkpoint')),
        ]
    )
