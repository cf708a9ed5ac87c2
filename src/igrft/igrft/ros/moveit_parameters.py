# SPDX-License-Identifier: Apache-2.0
"""Parameters of MoveIt Servo and MoveItPy: the vendor's MoveIt configuration, and the limits of the robot's file."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

from igrft.config import ConfigError, RobotConfig
from igrft.hardware import HardwareConfig, PackageFile

PIPELINE = {
    'planning_plugins': ['ompl_interface/OMPLPlanner'],
    'request_adapters': [
        'default_planning_request_adapters/ResolveConstraintFrames',
        'default_planning_request_adapters/ValidateWorkspaceBounds',
        'default_planning_request_adapters/CheckStartStateBounds',
        'default_planning_request_adapters/CheckStartStateCollision',
    ],
    'response_adapters': [
        'default_planning_response_adapters/AddTimeOptimalParameterization',
        'default_planning_response_adapters/ValidateSolution',
    ],
}
"""OMPL as MoveIt's tutorials set it up in Jazzy, for configurations that leave it to their launch files."""
MANAGER = 'moveit_simple_controller_manager'


class MissingPackage(ConfigError):
    """A package that is not installed; the text says how to install it."""


def share(package: str, install: str = '') -> Path:
    """The share folder of a package.

    Raises:
        MissingPackage: it is not installed.
    """
    try:
        return Path(get_package_share_directory(package))
    except PackageNotFoundError as error:
        how = install or f'sudo apt install ros-$ROS_DISTRO-{package.replace("_", "-")}'
        raise MissingPackage(f"package '{package}' is not installed: {how}") from error


def text_of(source: PackageFile, install: str = '') -> str:
    """The file's text; xacro is expanded.

    Args:
        source: which file.
        install: what to say where its package is missing.

    Raises:
        ConfigError: no such package, file, or xacro.
    """
    path = share(source.package, install) / source.file
    if not path.is_file():
        raise ConfigError(f"package '{source.package}' has no file '{source.file}'; is it the version for this ROS 2?")
    if path.suffix != '.xacro':
        return path.read_text(encoding='utf-8')
    try:
        import xacro
    except ImportError as error:
        raise ConfigError(f'{path}: needs xacro: sudo apt install ros-$ROS_DISTRO-xacro') from error
    return str(xacro.process_file(str(path), mappings=dict(source.arguments)).toxml())


def data_of(source: PackageFile, install: str = '') -> dict[str, Any]:
    """The YAML file's content.

    Raises:
        ConfigError: as :func:`text_of`, or it is no mapping.
    """
    data = yaml.safe_load(text_of(source, install))
    if not isinstance(data, dict):
        raise ConfigError(f"package '{source.package}': '{source.file}' is not a mapping of keys")
    return data


def install_of(hardware: HardwareConfig) -> str:
    """How to install the arm's MoveIt configuration: the vendors ship it beside the driver."""
    return hardware.drivers[0].install if hardware.drivers else ''


def _model(hardware: HardwareConfig) -> dict[str, Any]:
    """What MoveIt must know of the arm besides its URDF, which comes from the topic robot_description."""
    moveit, install = hardware.moveit, install_of(hardware)
    return {
        'robot_description_semantic': text_of(moveit.semantic, install),
        'robot_description_kinematics': data_of(moveit.kinematics, install),
        'robot_description_planning': data_of(moveit.joint_limits, install),
    }


def servo_settings(robot: RobotConfig) -> dict[str, Any]:
    """MoveIt Servo's own parameters (its section `moveit_servo`), from the robot's file alone.

    The twists are metres and radians a second in ``base_frame``, already limited; Servo limits them once more.
    """
    hardware, limits = _hardware(robot), robot.joint_limits
    assert limits is not None, 'RobotConfig refuses hardware without joint_limits'
    servo = hardware.servo
    return {
        'move_group_name': servo.group,
        'command_in_type': 'speed_units',
        'scale': {'linear': robot.limits.linear_velocity, 'rotational': robot.limits.angular_velocity},
        'incoming_command_timeout': servo.command_timeout,
        'publish_period': servo.publish_period,
        'command_out_type': 'trajectory_msgs/JointTrajectory',
        'command_out_topic': servo.output,
        'publish_joint_positions': True,
        'publish_joint_velocities': True,
        'publish_joint_accelerations': False,
        'joint_topic': '/joint_states',
        'is_primary_planning_scene_monitor': True,
        'check_collisions': True,
        'self_collision_proximity_threshold': servo.self_collision_distance,
        'scene_collision_proximity_threshold': servo.scene_collision_distance,
        'lower_singularity_threshold': servo.singularity_slow,
        'hard_stop_singularity_threshold': servo.singularity_stop,
        'joint_limit_margins': [limits.margin],
        # One joint at its limit stops the whole arm: half a twist would lead where nobody meant to go.
        'halt_all_joints_in_cartesian_mode': True,
    }


def servo_parameters(robot: RobotConfig) -> dict[str, Any]:
    """Everything that `moveit_servo/servo_node` needs.

    Raises:
        ConfigError: a package or file of the MoveIt configuration is missing.
    """
    return {**_model(_hardware(robot)), 'moveit_servo': servo_settings(robot)}


def planning_parameters(robot: RobotConfig) -> dict[str, Any]:
    """Everything that MoveItPy needs to plan and execute.

    Raises:
        ConfigError: a package or file of the MoveIt configuration is missing.
    """
    hardware, install = _hardware(robot), install_of(_hardware(robot))
    controllers = data_of(hardware.moveit.controllers, install)
    if MANAGER not in controllers:  # some packages keep the manager's section only
        controllers = {MANAGER: controllers}
    return {
        **_model(hardware),
        **controllers,
        'moveit_controller_manager': f'{MANAGER}/MoveItSimpleControllerManager',
        'moveit_manage_controllers': False,
        'planning_scene_monitor_options': {
            'name': 'planning_scene_monitor',
            'robot_description': 'robot_description',
            'wait_for_initial_state_timeout': 10.0,
        },
        'planning_pipelines': {'pipeline_names': ['ompl']},
        'ompl': {**PIPELINE, **data_of(hardware.moveit.planning, install)},
        'plan_request_params': {
            'planning_pipeline': 'ompl',
            'planner_id': '',
            'planning_attempts': 3,
            'planning_time': 3.0,
            'max_velocity_scaling_factor': hardware.planning.velocity_scaling,
            'max_acceleration_scaling_factor': hardware.planning.acceleration_scaling,
        },
    }


def write(parameters: Mapping[str, Any], name: str) -> str:
    """A parameter file for any node; the path."""
    with tempfile.NamedTemporaryFile(
        'w', prefix=f'igrft_{name}_', suffix='.yaml', delete=False, encoding='utf-8'
    ) as file:
        yaml.safe_dump({'/**': {'ros__parameters': dict(parameters)}}, file)
    return file.name


def _hardware(robot: RobotConfig) -> HardwareConfig:
    if robot.hardware is None:
        raise ConfigError(f"robot '{robot.name}' has no hardware in its configuration")
    return robot.hardware
