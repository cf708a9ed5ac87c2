# SPDX-License-Identifier: Apache-2.0
"""What the launch files start for a real arm: drivers, MoveIt Servo, and the nodes between them and the graph."""

from __future__ import annotations

from launch import LaunchContext
from launch.actions import GroupAction, IncludeLaunchDescription, LogInfo, OpaqueFunction
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node

from igrft.config import ConfigError, RobotConfig, named
from igrft.hardware import DriverConfig, HardwareConfig, filled
from igrft.ros import moveit_parameters
from igrft.ros.launch_arguments import value
from igrft.ros.launching import node
from igrft.ros.moveit_parameters import MissingPackage, share


class _Shares:
    """``{share[package]}`` in a driver's arguments."""

    def __getitem__(self, package: str) -> str:
        return str(share(package))


def _robot(context: LaunchContext) -> RobotConfig:
    return named('robots', value('robot').perform(context), RobotConfig)


def hardware_nodes() -> OpaqueFunction:
    """State, gripper and servo link of a real arm; with ``drivers:=true`` also its drivers and MoveIt Servo.

    Raises, before anything starts:
        ConfigError: no address of the robot, or software that is missing, all of it named at once.
    """

    def actions(context: LaunchContext) -> list[LaunchDescriptionEntity]:
        robot = _robot(context)
        if robot.hardware is None:
            raise ConfigError(
                f"robot '{robot.name}' has no hardware section, and its name does not begin with sim: what drives it?"
            )
        if value('teleop').perform(context) == 'operator':
            raise ConfigError(
                'teleop:=operator is the simulated human; with a real arm: teleop:=spacemouse, joy, keyboard or none'
            )
        own = [node(name, 'robot') for name in ('robot_state_node', 'servo_link_node', 'gripper_node')]
        if value('drivers').perform(context) == 'false':
            return list(own)
        _check_software(robot.name, robot.hardware)
        return [*_drivers(robot.hardware, context), *own, servo_node(robot)]

    return OpaqueFunction(function=actions)


def _check_software(name: str, hardware: HardwareConfig) -> None:
    missing = []
    moveit = hardware.moveit
    sources = (moveit.semantic, moveit.kinematics, moveit.joint_limits, moveit.controllers, moveit.planning)
    wanted = {source.package: moveit_parameters.install_of(hardware) for source in sources}
    wanted |= {driver.package: driver.install for driver in hardware.drivers} | {'moveit_servo': ''}
    if hardware.controllers:
        wanted['controller_manager'] = ''
    for package, install in wanted.items():
        try:
            share(package, install)
        except MissingPackage as error:
            missing.append(f'  {error}')
    if missing:
        raise ConfigError(
            f"robot '{name}' needs software that is not here:\n"
            + '\n'.join(missing)
            + '\nInstall it, or set drivers:=false where drivers and MoveIt Servo run elsewhere. See docs/bring_up.md.'
        )


def _drivers(hardware: HardwareConfig, context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The drivers, in a scope that knows nothing of ours: their arguments have the same names and other meanings."""
    fake, address = value('use_fake_hardware').perform(context), value('robot_ip').perform(context)
    if not address and fake == 'false':
        raise ConfigError(
            'a real arm needs its address: robot_ip:=192.168.1.10; without an arm: use_fake_hardware:=true'
        )
    values = {'robot_ip': address or '0.0.0.0', 'use_fake_hardware': fake, 'share': _Shares()}
    included: list[LaunchDescriptionEntity] = [_include(driver, values) for driver in hardware.drivers]
    included += [
        Node(package='controller_manager', executable='spawner', arguments=[name], output='screen')
        for name in hardware.controllers
    ]
    return [GroupAction([action], forwarding=False) for action in included]


def _include(driver: DriverConfig, values: dict[str, object]) -> IncludeLaunchDescription:
    path = share(driver.package, driver.install) / 'launch' / driver.launch
    if not path.is_file():
        raise ConfigError(f"package '{driver.package}' has no launch file '{driver.launch}'; {driver.install}")
    arguments = filled(driver.arguments, values)
    return IncludeLaunchDescription(PythonLaunchDescriptionSource(str(path)), launch_arguments=arguments.items())


def servo_node(robot: RobotConfig) -> Node:
    """MoveIt Servo in the graph's namespace, with the limits of the robot's file."""
    assert robot.hardware is not None
    return Node(
        package='moveit_servo',
        executable='servo_node',
        name='servo_node',
        output='screen',
        parameters=[moveit_parameters.servo_parameters(robot)],
        remappings=[('robot_description', robot.hardware.description)],
        ros_arguments=['--log-level', value('log_level')],
    )


def arm_node() -> OpaqueFunction:
    """Named poses: with MoveItPy and the service `reset` on a real arm, by itself in the simulated cell."""

    def actions(context: LaunchContext) -> list[LaunchDescriptionEntity]:
        robot = _robot(context)
        if robot.hardware is None:
            return [node('arm_node', 'robot', critical=False)]
        try:
            file = moveit_parameters.write(moveit_parameters.planning_parameters(robot), 'moveit')
        except ConfigError as error:
            # The drivers run elsewhere and MoveIt is not here: demonstrations work, named poses and reset do not.
            return [LogInfo(msg=f'no planned motions, no reset: {error}')]
        return [node('arm_node', 'robot', critical=False, backend='moveit', moveit_parameters=file, serve_reset=True)]

    return OpaqueFunction(function=actions)
