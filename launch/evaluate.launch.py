# SPDX-License-Identifier: Apache-2.0
"""Success rate of a checkpoint, with its interval.

ros2 launch igrft evaluate.launch.py episodes:=100 split:=held_out
"""

from launch import LaunchDescription

from igrft.ros.launch_arguments import GRAPH, declare
from igrft.ros.launching import loop_node, whole_graph


def generate_launch_description():
    return LaunchDescription(
        [
            *declare(__file__, (*GRAPH, 'episodes', 'checkpoint')),
            whole_graph(loop_node('evaluate', 'episodes', 'checkpoint')),
        ]
    )
