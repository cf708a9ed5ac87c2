# SPDX-License-Identifier: Apache-2.0
"""Every launch file describes its arguments, and refuses what it does not know before anything starts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ament_index_python.packages import PackageNotFoundError, get_package_prefix

FILES = sorted(path.name for path in (Path(__file__).resolve().parents[1] / 'launch').glob('*.launch.py'))


def launch(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(['ros2', 'launch', 'igrft', *arguments], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize('file', FILES)
def test_show_args_describes_every_argument(file: str) -> None:
    shown = launch(file, '--show-args')
    assert shown.returncode == 0, shown.stderr
    assert "'namespace':" in shown.stdout and "'log_level':" in shown.stdout
    assert 'no description given' not in shown.stdout.lower()


@pytest.mark.parametrize('file', FILES)
def test_an_unknown_argument_names_the_nearest(file: str) -> None:
    refused = launch(file, 'namspace:=a')
    assert refused.returncode == 1
    assert "did you mean 'namespace'" in refused.stdout + refused.stderr
    assert 'process started' not in refused.stdout + refused.stderr


@pytest.mark.parametrize(
    ('argument', 'hint'),
    [
        ('task:=block_staking', "did you mean 'block_stacking'"),
        ('policy:=compact_flo', "did you mean 'compact_flow'"),
        ('robot:=sin', "did you mean 'sim'"),
        ('curriculum:=quik', "did you mean 'quick'"),
        ('teleop:=spacemose', 'spacemouse'),
    ],
)
def test_a_name_of_no_file_names_the_nearest(argument: str, hint: str) -> None:
    refused = launch('rl_loop.launch.py', argument)
    assert refused.returncode == 1
    assert hint in refused.stdout + refused.stderr


def missing(*packages: str) -> list[str]:
    found = []
    for package in packages:
        try:
            get_package_prefix(package)
        except PackageNotFoundError:
            found.append(package)
    return found


@pytest.mark.parametrize(
    ('arguments', 'hint'),
    [
        (('robot:=ur5e',), 'teleop:=spacemouse'),
        (('robot:=ur5e', 'robot_ip:=10.0.0.2', 'drivers:=no'), 'drivers'),
        (('robot:=fr3', 'use_fake_hardware:=perhaps'), 'use_fake_hardware'),
    ],
)
def test_a_real_arm_is_not_started_with_what_it_cannot_use(arguments: tuple[str, ...], hint: str) -> None:
    refused = launch('collect.launch.py', *arguments)
    assert refused.returncode == 1
    assert hint in refused.stdout + refused.stderr
    assert 'process started' not in refused.stdout + refused.stderr


@pytest.mark.parametrize(('robot', 'driver'), [('ur5e', 'ur_robot_driver'), ('fr3', 'franka_bringup')])
def test_missing_software_of_a_real_arm_is_named_all_at_once(robot: str, driver: str) -> None:
    if not missing(driver, 'moveit_servo'):
        pytest.skip(f'{driver} and moveit_servo are installed here')
    refused = launch('collect.launch.py', f'robot:={robot}', 'robot_ip:=10.0.0.2', 'teleop:=spacemouse')
    said = refused.stdout + refused.stderr
    assert refused.returncode == 1 and 'process started' not in said
    for package in missing(driver, 'moveit_servo'):
        assert f"'{package}' is not installed" in said
    assert 'drivers:=false' in said


def test_a_real_arms_address_is_asked_for() -> None:
    if missing('ur_robot_driver', 'ur_moveit_config', 'moveit_servo'):
        pytest.skip('ur_robot_driver, ur_moveit_config and moveit_servo are not installed here')
    refused = launch('collect.launch.py', 'robot:=ur5e', 'teleop:=spacemouse')
    assert refused.returncode == 1 and 'robot_ip:=' in refused.stdout + refused.stderr
