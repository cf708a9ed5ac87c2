# SPDX-License-Identifier: Apache-2.0
"""The shipped robots load; a robot that cannot be used is refused with the file, the key and the reason."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from igrft.config import ConfigError, RobotConfig, config_dir, load, named
from igrft.hardware import GripperConfig, JointLimitsConfig, filled

ROBOTS = sorted(path.stem for path in (config_dir() / 'robots').glob('*.yaml'))
REAL = ['fr3', 'ur5e']


@pytest.mark.parametrize('name', ROBOTS)
def test_every_shipped_robot_loads(name: str) -> None:
    robot = named('robots', name, RobotConfig)
    assert robot.name == name and 'home' in robot.poses
    assert (robot.hardware is not None) == (name in REAL)


@pytest.mark.parametrize('name', REAL)
def test_a_real_arm_starts_slowly(name: str) -> None:
    """Below the 0.25 m/s of a collaborative robot's reduced speed, planned motions at a small share of the limits."""
    robot = named('robots', name, RobotConfig)
    assert robot.hardware is not None and robot.joint_limits is not None
    assert robot.limits.linear_velocity <= 0.25 and robot.joint_limits.margin >= 0.05
    assert robot.hardware.planning.velocity_scaling <= 0.2


def edited(tmp_path: Path, **changes: object) -> Path:
    """fr3 with keys replaced, `a__b` being b in a; None deletes."""
    data = yaml.safe_load((config_dir() / 'robots' / 'fr3.yaml').read_text())
    for key, value in changes.items():
        *parents, last = key.split('__')
        node = data
        for parent in parents:
            node = node[parent]
        node.update({last: value})
        if value is None:
            del node[last]
    path = tmp_path / 'robot.yaml'
    path.write_text(yaml.safe_dump(data))
    return path


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'limits__linear_velocity': 0.0}, 'linear_velocity must be positive'),
        ({'limits__angular_acceleration': float('inf')}, 'angular_acceleration must be positive and finite'),
        ({'limits__workspace_max': [0.1, 0.4, 0.7]}, 'workspace_min must lie below'),
        ({'limits__workspace_max': [0.7, 0.4, float('nan')]}, 'must be finite'),
        ({'joint_limits': None}, 'needs joint_limits'),
        ({'joint_limits__margin': -0.1}, 'margin must not be negative'),
        ({'joint_limits__margin': 1.6}, 'joint 4: nothing is left'),
        ({'joint_limits__lower': [0.0]}, '1 lower limits but 7 upper'),
        ({'poses__home': [0.0] * 7}, "pose 'home': joint 'fr3_joint4' at 0.000 rad is not within"),
        ({'poses__low': [0.0] * 6}, "pose 'low' has 6 positions for 7 joints"),
        ({'arms': ['left', 'right']}, 'hardware describes one arm'),
        ({'hardware__servo__command_timeout': 2.0}, 'command_timeout must be in'),
        ({'hardware__servo__singularity_slow': 40.0}, 'singularity_slow must lie in'),
        ({'hardware__servo__grup': 'fr3_arm'}, "did you mean 'group'?"),
        ({'hardware__gripper__type': 'suction'}, 'hardware.gripper.type'),
        ({'hardware__gripper__closed': 0.039}, 'open and closed are the same'),
        ({'hardware__planning__velocity_scaling': 1.5}, 'velocity_scaling'),
        ({'hardware__joint_states': []}, 'name at least one topic'),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    path = edited(tmp_path, **change)
    with pytest.raises(ConfigError) as refused:
        load(path, RobotConfig)
    assert str(path) in str(refused.value) and reason in str(refused.value)


@given(st.floats(-1.0, 1.0), st.floats(-1.0, 1.0), st.floats(0.0, 1.0))
def test_an_opening_survives_the_way_to_the_joint_and_back(opened: float, closed: float, opening: float) -> None:
    if abs(opened - closed) < 1e-3:
        return
    gripper = GripperConfig(action='a', joint='j', open=opened, closed=closed, effort=1.0)
    assert gripper.opening(gripper.position(opening)) == pytest.approx(opening, abs=1e-9)
    assert 0.0 <= gripper.opening(opened + 10 * (opened - closed)) <= 1.0


@given(st.lists(st.floats(allow_nan=True), min_size=2, max_size=2))
def test_only_what_is_within_the_margin_passes(positions: list[float]) -> None:
    limits = JointLimitsConfig(lower=(-1.0, 0.0), upper=(1.0, 2.0), margin=0.1)
    inside = -0.9 <= positions[0] <= 0.9 and 0.1 <= positions[1] <= 1.9
    assert (limits.violation(positions, ('a', 'b')) == '') == inside


def test_an_unknown_placeholder_is_named() -> None:
    with pytest.raises(ValueError, match=r'\{robot_ipp\}; known are: robot_ip'):
        filled({'ip': '{robot_ipp}'}, {'robot_ip': '1.2.3.4'})
