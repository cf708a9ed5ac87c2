# SPDX-License-Identifier: Apache-2.0
"""MoveIt's parameters: the vendor's files where they lie, the limits of the robot's file; what is missing is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from igrft.config import ConfigError, RobotConfig, named
from igrft.hardware import PackageFile
from igrft.ros import moveit_parameters
from igrft.ros.moveit_parameters import MissingPackage

FILES = {
    'arm.srdf': '<robot name="fr3"/>',
    'kinematics.yaml': 'fr3_arm: {kinematics_solver: kdl_kinematics_plugin/KDLKinematicsPlugin}',
    'joint_limits.yaml': 'joint_limits: {fr3_joint1: {has_acceleration_limits: true, max_acceleration: 3.75}}',
    'controllers.yaml': 'controller_names: [fr3_arm_controller]',
    'ompl.yaml': 'planner_configs: {}',
}


@pytest.fixture
def robot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RobotConfig:
    """fr3, its MoveIt configuration in a package that lies in a folder of its own."""
    share = tmp_path / 'share/vendor'
    share.mkdir(parents=True)
    (tmp_path / 'share/ament_index/resource_index/packages').mkdir(parents=True)
    (tmp_path / 'share/ament_index/resource_index/packages/vendor').touch()
    for name, text in FILES.items():
        (share / name).write_text(text)
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))
    robot = named('robots', 'fr3', RobotConfig)
    assert robot.hardware is not None
    sources = {
        'semantic': 'arm.srdf',
        'kinematics': 'kinematics.yaml',
        'joint_limits': 'joint_limits.yaml',
        'controllers': 'controllers.yaml',
        'planning': 'ompl.yaml',
    }
    files = {key: PackageFile(package='vendor', file=name) for key, name in sources.items()}
    return replace(robot, hardware=replace(robot.hardware, moveit=replace(robot.hardware.moveit, **files)))


def test_servo_has_the_robots_limits(robot: RobotConfig) -> None:
    parameters = moveit_parameters.servo_parameters(robot)
    servo = parameters['moveit_servo']
    assert robot.hardware is not None and robot.joint_limits is not None
    assert servo['scale'] == {'linear': robot.limits.linear_velocity, 'rotational': robot.limits.angular_velocity}
    assert servo['command_in_type'] == 'speed_units', 'unitless would scale a metre a second'
    assert servo['joint_limit_margins'] == [robot.joint_limits.margin]
    assert servo['command_out_topic'] == robot.hardware.servo.output
    assert servo['incoming_command_timeout'] == robot.hardware.servo.command_timeout
    assert parameters['robot_description_semantic'] == FILES['arm.srdf']
    assert 'robot_description' not in parameters, 'the URDF comes from the topic, with the calibration of this very arm'


def test_moveitpy_plans_as_slowly_as_the_robot_says(robot: RobotConfig) -> None:
    parameters = moveit_parameters.planning_parameters(robot)
    assert robot.hardware is not None
    assert parameters['plan_request_params']['max_velocity_scaling_factor'] == robot.hardware.planning.velocity_scaling
    assert parameters['planning_pipelines'] == {'pipeline_names': ['ompl']}
    assert parameters['ompl']['planning_plugins'] and parameters['ompl']['planner_configs'] == {}


@pytest.mark.parametrize('whole', [True, False])
def test_both_kinds_of_controller_files_are_understood(robot: RobotConfig, tmp_path: Path, whole: bool) -> None:
    inner = {'controller_names': ['fr3_arm_controller']}
    data = {'moveit_simple_controller_manager': inner, 'trajectory_execution': {}} if whole else inner
    (tmp_path / 'share/vendor/controllers.yaml').write_text(yaml.safe_dump(data))
    parameters = moveit_parameters.planning_parameters(robot)
    assert parameters['moveit_simple_controller_manager'] == inner
    assert ('trajectory_execution' in parameters) == whole


def test_the_written_file_is_for_any_node(robot: RobotConfig) -> None:
    path = Path(moveit_parameters.write(moveit_parameters.servo_parameters(robot), 'test'))
    try:
        assert (
            yaml.safe_load(path.read_text())['/**']['ros__parameters']['moveit_servo']['move_group_name'] == 'fr3_arm'
        )
    finally:
        path.unlink()


def test_what_is_missing_is_named(robot: RobotConfig, tmp_path: Path) -> None:
    (tmp_path / 'share/vendor/kinematics.yaml').unlink()
    with pytest.raises(ConfigError, match=r"package 'vendor' has no file 'kinematics.yaml'"):
        moveit_parameters.servo_parameters(robot)
    with pytest.raises(
        MissingPackage, match=r"'franka_x' is not installed: sudo apt install ros-\$ROS_DISTRO-franka-x"
    ):
        moveit_parameters.share('franka_x')
    with pytest.raises(ConfigError, match='has no hardware'):
        moveit_parameters.servo_parameters(named('robots', 'sim', RobotConfig))
