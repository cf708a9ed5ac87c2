# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from igrft.config import LimitsConfig
from igrft.control.safety import SafetyFilter, State

LIMITS = LimitsConfig(
    linear_velocity=0.6,
    angular_velocity=2.0,
    linear_acceleration=6.0,
    angular_acceleration=20.0,
    workspace_min=(0.2, -0.4, 0.0),
    workspace_max=(0.7, 0.4, 0.6),
)
LOW, HIGH = np.array(LIMITS.workspace_min), np.array(LIMITS.workspace_max)
CENTRE = (LOW + HIGH) / 2
ACTION = arrays(np.float32, 7, elements=st.floats(-50, 50, width=32))
STEPS = st.lists(ACTION, min_size=1, max_size=30)


def action(*twist: float, opening: float = 0.5) -> np.ndarray:
    return np.float32([*twist, *[0.0] * (6 - len(twist)), opening])


@pytest.mark.parametrize('dt', [0.02, 0.1])
@settings(max_examples=60)
@given(steps=STEPS, start=arrays(np.float64, 3, elements=st.floats(0, 1)))
def test_no_sequence_exceeds_a_limit_or_leaves_the_box(dt: float, steps, start) -> None:
    safety = SafetyFilter(LIMITS)
    position = LOW + start * (HIGH - LOW)
    last = np.zeros(6)
    for wanted in steps:
        out = safety(wanted, position, dt)
        twist = out[:6].astype(np.float64)
        assert np.isfinite(out).all()
        assert np.linalg.norm(twist[:3]) <= LIMITS.linear_velocity + 1e-5
        assert np.linalg.norm(twist[3:]) <= LIMITS.angular_velocity + 1e-5
        assert 0.0 <= out[6] <= 1.0
        moved = position + twist[:3] * dt
        assert (moved >= LOW - 1e-6).all()
        assert (moved <= HIGH + 1e-6).all()
        # The box wins over the acceleration, only by taking speed away.
        change = twist[:3] - last[:3]
        braking = np.abs(twist[:3]) < np.abs(last[:3]) - 1e-6
        assert np.linalg.norm(change[~braking]) <= LIMITS.linear_acceleration * dt + 1e-4
        assert np.linalg.norm(twist[3:] - last[3:]) <= LIMITS.angular_acceleration * dt + 1e-4
        position, last = moved, twist


@given(twist=arrays(np.float32, 6, elements=st.floats(-0.125, 0.125, width=32)), opening=st.floats(0, 1, width=32))
def test_what_is_within_the_limits_passes_unchanged(twist, opening) -> None:
    wanted = np.float32([*twist, opening])
    verdict = SafetyFilter(LIMITS).filter(wanted, CENTRE, 0.1)
    assert verdict.state is State.OK
    np.testing.assert_allclose(verdict.action, wanted, atol=1e-6)


def test_braking_before_the_wall_needs_no_more_than_the_acceleration() -> None:
    safety, position, dt, last = SafetyFilter(LIMITS), CENTRE.copy(), 0.02, 0.0
    for _ in range(200):
        out = safety(action(1.0), position, dt)
        assert last - out[0] <= LIMITS.linear_acceleration * dt * 1.3
        position, last = position + out[:3] * dt, out[0]
    assert position[0] == pytest.approx(HIGH[0], abs=1e-3)
    assert safety.filter(action(1.0), position, dt).state is State.LIMITED


def test_outside_the_box_only_the_way_back_is_open() -> None:
    outside = np.array([0.9, 0.0, 0.3])
    safety = SafetyFilter(LIMITS)
    assert safety(action(0.1, 0.05), outside, 0.1)[:2] == pytest.approx([0.0, 0.05])
    assert safety(action(-0.1), outside, 0.1)[0] == pytest.approx(-0.1)


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('place', range(7))
def test_what_is_not_finite_is_zero_and_counted(bad: float, place: int) -> None:
    safety = SafetyFilter(LIMITS)
    safety(action(0.1, opening=0.2), CENTRE, 0.1)
    wanted = action(0.1)
    wanted[place] = bad
    verdict = safety.filter(wanted, CENTRE, 0.1)
    assert verdict.state is State.INVALID
    assert verdict.action == pytest.approx(action(opening=0.2)), 'the gripper keeps what it was told last'
    assert safety.rejected == 1


@pytest.mark.parametrize('size', [0, 6, 8, 14])
def test_a_wrong_size_is_refused(size: int) -> None:
    verdict = SafetyFilter(LIMITS).filter(np.zeros(size, np.float32), CENTRE, 0.1)
    assert (verdict.state, verdict.action.shape) == (State.INVALID, (7,))


@pytest.mark.parametrize('position', [None, [np.nan] * 3, [[0, 0, 0], [0, 0, 0]]])
def test_without_a_tool_position_there_is_no_motion(position) -> None:
    verdict = SafetyFilter(LIMITS).filter(action(0.1), position, 0.1)
    assert verdict.state is State.INVALID
    assert not verdict.action[:6].any()


def test_emergency_stop_is_latched_and_reset_only_at_rest() -> None:
    safety = SafetyFilter(LIMITS)
    safety.e_stop('button', True)
    moving = safety.filter(action(0.1), CENTRE, 0.1)
    assert moving.state is State.E_STOP
    assert not moving.action[:6].any()
    assert 'button' in safety.reset(), 'still pressed'
    safety.e_stop('button', False)
    assert safety.filter(action(0.0), CENTRE, 0.1).state is State.E_STOP, 'letting go does not release'
    safety.filter(action(0.1), CENTRE, 0.1)
    assert 'motion' in safety.reset(), 'somebody pushes'
    safety.filter(action(0.0), CENTRE, 0.1)
    assert safety.reset() == ''
    assert safety.filter(action(0.1), CENTRE, 0.1).state is State.OK


def test_nonsense_does_not_hide_a_stop() -> None:
    safety = SafetyFilter(LIMITS)
    safety.e_stop('button', True)
    assert safety.filter(np.full(7, np.nan, np.float32), CENTRE, 0.1).state is State.E_STOP
    assert safety.filter(action(0.1), None, 0.1).state is State.E_STOP


def test_two_stops_need_two_releases() -> None:
    safety = SafetyFilter(LIMITS)
    safety.e_stop('a', True)
    safety.e_stop('b', True)
    safety.e_stop('a', False)
    assert "'b'" in safety.reset()


def test_after_a_halt_motion_begins_from_standstill() -> None:
    safety = SafetyFilter(LIMITS)
    for _ in range(20):
        safety(action(0.5), CENTRE, 0.02)
    assert not safety.halt().action[:6].any()
    assert safety(action(0.5), CENTRE, 0.02)[0] == pytest.approx(LIMITS.linear_acceleration * 0.02)


def test_two_arms_are_judged_each_for_itself() -> None:
    safety = SafetyFilter(LIMITS, n_arms=2)
    wanted = np.concatenate([action(9.0), action(0.1)])
    out = safety(wanted, np.stack([CENTRE, CENTRE]), 0.1)
    assert out[0] == pytest.approx(0.6)
    assert out[7] == pytest.approx(0.1)
