# SPDX-License-Identifier: Apache-2.0
"""The servo's core: it goes where the twist says, within limits, and stops where it must."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igrft.control.servo_status import ServoCode
from igrft_sim.cell import Cell
from igrft_sim.expert import multiply, rotation_to
from igrft_sim.servo import COMFORTABLE, Servo, ServoLimits
from igrft_sim.tasks import make_task

HOME = np.array(COMFORTABLE)
SERVO = Servo()


def test_forward_kinematics_agree_with_the_cell(blind):
    for seed in range(4):
        blind.cell.reset(seed)
        np.testing.assert_allclose(SERVO.forward(blind.cell.joint_positions), blind.cell.tools[0], atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    twist=st.lists(st.floats(-0.4, 0.4), min_size=6, max_size=6),
    offset=st.lists(st.floats(-0.2, 0.2), min_size=7, max_size=7),
)
def test_the_tool_moves_as_the_twist_says(twist, offset):
    joints = HOME + offset
    SERVO.reset()
    target = SERVO.step(twist, joints, 0.1)
    before, after = SERVO.forward(joints), SERVO.forward(target)
    np.testing.assert_allclose(after[:3] - before[:3], np.array(twist[:3]) * 0.1, atol=2e-3)
    np.testing.assert_allclose(rotation_to(before[3:], after[3:]), np.array(twist[3:]) * 0.1, atol=6e-3)


def test_zero_twist_is_no_motion():
    SERVO.reset()
    np.testing.assert_array_equal(SERVO.step(np.zeros(6), HOME, 0.1), HOME)
    assert SERVO.code == ServoCode.NO_WARNING


@pytest.mark.parametrize('twist', [[np.nan] * 6, [0, 0, np.inf, 0, 0, 0], [0, 0, 0]])
def test_what_is_no_twist_moves_nothing(twist):
    SERVO.reset()
    target = SERVO.step([0.1, 0, 0, 0, 0, 0], HOME, 0.1)
    np.testing.assert_array_equal(SERVO.step(twist, target, 0.1), target)
    assert SERVO.code == ServoCode.INVALID
    SERVO.step(np.zeros(6), target, 0.1)
    assert SERVO.code == ServoCode.NO_WARNING


def test_target_does_not_drift_while_the_arm_lags():
    """Integrated from the last target, not from an arm that trails it."""
    SERVO.reset()
    target = HOME
    for _ in range(10):
        target = SERVO.step([0.1, 0, 0, 0, 0, 0], 0.9 * target + 0.1 * HOME, 0.02)
    moved = SERVO.forward(target)[0] - SERVO.forward(HOME)[0]
    assert moved == pytest.approx(0.02, rel=0.05)


def test_target_waits_for_an_arm_that_is_blocked():
    SERVO.reset()
    for _ in range(60):
        target = SERVO.step([0, 0, -0.4, 0, 0, 0], HOME, 0.1)
    assert np.abs(target - HOME).max() < 0.5


def test_joint_limits_are_kept_and_named():
    limits = ServoLimits()
    servo = Servo(limits)
    joints, codes = HOME.copy(), set()
    for _ in range(120):
        joints = servo.step([0, 0, 0, 0, 0, 2.0], joints, 0.1)
        codes.add(servo.code)
    low = servo._model.jnt_range[:, 0] + limits.joint_margin
    high = servo._model.jnt_range[:, 1] - limits.joint_margin
    assert (joints >= low - 1e-6).all() and (joints <= high + 1e-6).all()
    assert ServoCode.JOINT_BOUND in codes


def test_joint_velocities_are_bounded():
    servo = Servo()
    target = servo.step([3.0, -3.0, 3.0, 6.0, 6.0, -6.0], HOME, 0.1)
    assert (np.abs(target - HOME) <= np.array(ServoLimits().joint_velocity) * 0.1 + 1e-6).all()


def test_singularity_slows_then_halts_then_lets_go():
    servo = Servo(ServoLimits(singularity=15.0, hard_singularity=25.0))
    joints, codes = HOME.copy(), []
    outward = np.array([0.2, 0, 0.2, 0, 0, 0])
    for _ in range(80):
        joints = servo.step(outward, joints, 0.1)
        codes.append(servo.code)
    slowing = codes.index(ServoCode.DECELERATE_FOR_APPROACHING_SINGULARITY)
    assert ServoCode.HALT_FOR_SINGULARITY in codes[slowing:]
    halted = servo.forward(joints)[:3]
    joints = servo.step(-outward, joints, 0.1)
    assert servo.code == ServoCode.DECELERATE_FOR_LEAVING_SINGULARITY
    assert np.linalg.norm(servo.forward(joints)[:3] - halted) > 0.01


def test_quaternions():
    half = np.sqrt(0.5)
    quarter = np.array([half, 0, 0, half])
    np.testing.assert_allclose(multiply(quarter, quarter), [0, 0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(rotation_to(np.array([1.0, 0, 0, 0]), quarter), [0, 0, np.pi / 2])
    np.testing.assert_allclose(rotation_to(quarter, -quarter), np.zeros(3), atol=1e-12)


def test_the_arm_prefers_the_robots_home():
    cell = Cell(make_task('block_stacking'), cameras=())
    np.testing.assert_allclose(cell.robot.poses['home'], COMFORTABLE)
