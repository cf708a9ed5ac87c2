# SPDX-License-Identifier: Apache-2.0
"""The nodes of the graph as launch actions. Upstream launch API only."""

from __future__ import annotations

from launch import LaunchContext
from launch.actions import GroupAction, IncludeLaunchDescription, OpaqueFunction, Shutdown
from launch.condition import Condition
from launch.conditions import IfCondition
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import PathJoinSubstitution, PythonExpression
from launch_ros.actions import Node, PushROSNamespace, SetParameter, SetRemap
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from igrft.config import RobotConfig, named
from igrft.ros.launch_arguments import lockstep, sim_time, simulated, value


def include(name: str, condition: Condition | None = None) -> IncludeLaunchDescription:
    """Include ``launch/include/<name>.launch.py``; it sees this file's arguments."""
    path = PathJoinSubstitution([FindPackageShare('igrft'), 'launch', 'include', f'{name}.launch.py'])
    return IncludeLaunchDescription(PythonLaunchDescriptionSource(path), condition=condition)


def node_parameters() -> PathJoinSubstitution | PythonExpression:
    """The parameters file: the user's, or the shipped ``config/loop.yaml``."""
    shipped = PathJoinSubstitution([FindPackageShare('igrft'), 'config', 'loop.yaml'])
    return PythonExpression(["'", value('params_file'), "' or '", shipped, "'"])


class NodeFailed(RuntimeError):
    """A node without which the graph is of no use ended with an error; the launch ends with exit code 1."""


def _end_together(event: ProcessExited, context: LaunchContext) -> Shutdown | None:
    if context.is_shutdown:
        return None
    if event.returncode:
        raise NodeFailed(f'{event.process_name} ended with exit code {event.returncode}; its last lines say why')
    return Shutdown(reason=f'{event.process_name} is done')


def node(
    executable: str,
    *common: str,
    package: str = 'igrft',
    critical: bool = True,
    name: str = '',
    **parameters: object,
) -> Node:
    """One node of the graph.

    Args:
        executable: its name.
        common: arguments handed on as parameters of the same name.
        critical: the launch ends when it ends.
        name: of the node; the executable's where there is only one.
        parameters: further ones.
    """
    return Node(
        package=package,
        executable=executable,
        name=name or executable,
        output='screen',
        parameters=[
            node_parameters(),
            {**{key: ParameterValue(value(key), value_type=str) for key in common}, **parameters},
        ],
        ros_arguments=['--log-level', value('log_level')],
        sigterm_timeout='8',
        on_exit=_end_together if critical else None,
    )


def loop_node(plan: str, *common: str) -> Node:
    """The node that runs a plan; the launch ends with it."""
    typed = {name: ParameterValue(value(name), value_type=int) for name in ('rounds', 'episodes') if name in common}
    texts = [name for name in common if name not in typed]
    shared = ('robot', 'task', 'policy', 'episodes_dir', *(() if plan == 'train' else ('split',)))
    return node('loop_node', *shared, *texts, plan=plan, **typed)


def whole_graph(loop: Node, trainer: bool = False) -> GroupAction:
    """Robot or cell, control chain, policy, recorder, reward, console, and the node that drives them."""
    return GroupAction(
        [
            PushROSNamespace(value('namespace')),
            SetRemap('/clock', 'clock'),
            SetParameter('use_sim_time', sim_time()),
            include('cell', IfCondition(simulated())),
            include('robot', IfCondition(simulated(negate=True))),
            # Drivers publish on joint_states; what the graph reads is their messages with the gripper's opening.
            SetRemap('joint_states', 'robot/joint_states', condition=IfCondition(simulated(negate=True))),
            include('control'),
            include('policy'),
            include('episodes'),
            include('reward'),
            include('console', IfCondition(value('console'))),
            *([include('trainer')] if trainer else []),
            loop,
        ]
    )


def help_node() -> Node:
    """The node that calls the operator; the graph runs on without it."""
    calibration = ParameterValue(value('help_calibration'), value_type=str)
    return node('help_node', 'robot', 'task', 'episodes_dir', critical=False, calibration=calibration)


def servo_nodes() -> OpaqueFunction:
    """One ``sim_servo_node`` an arm of the simulated cell; the only one carries no arm's name."""

    def nodes(context: LaunchContext) -> list[Node]:
        arms = named('robots', value('robot').perform(context), RobotConfig).arms
        own = [('sim_servo_node', '')] if len(arms) == 1 else [(f'sim_servo_node_{arm}', arm) for arm in arms]
        return [
            node('sim_servo_node', 'robot', package='igrft_sim', name=name, arm=arm, lockstep=lockstep())
            for name, arm in own
        ]

    return OpaqueFunction(function=nodes)


def camera_nodes() -> OpaqueFunction:
    """One ``camera_node`` a camera of the robot's configuration."""

    def nodes(context: LaunchContext) -> list[Node]:
        robot = named('robots', value('robot').perform(context), RobotConfig)
        found = []
        for camera in robot.cameras:
            found.append(
                Node(
                    package='igrft',
                    executable='camera_node',
                    name=f'camera_node_{camera.name}',
                    output='screen',
                    parameters=[node_parameters(), {'robot': value('robot'), 'camera': camera.name}],
                    ros_arguments=['--log-level', value('log_level')],
                )
            )
        return found

    return OpaqueFunction(function=nodes)
