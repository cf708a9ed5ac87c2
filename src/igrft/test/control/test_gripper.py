# SPDX-License-Identifier: Apache-2.0
"""Few goals, the newest first, none before a command, none lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igrft.control.gripper import AGAIN, DEADBAND, PERIOD, GripperGoals
from igrft.hardware import GripperConfig

CONFIG = GripperConfig(action='/gripper/cmd', joint='knuckle', open=0.0, closed=0.8, effort=50.0)


def test_nothing_is_sent_before_a_command() -> None:
    assert GripperGoals(CONFIG).due(100.0) is None


def test_a_change_is_sent_once_and_the_newest_wins() -> None:
    goals = GripperGoals(CONFIG)
    goals.command(0.0)
    assert goals.due(0.0) == pytest.approx(0.8)
    goals.accepted()
    assert goals.due(1.0) is None
    goals.command(0.5)
    goals.command(0.25)
    assert goals.due(1.0) == pytest.approx(0.6)


def test_noise_is_no_goal_but_the_ends_are_reached() -> None:
    goals = GripperGoals(CONFIG)
    goals.command(0.99)
    assert goals.due(0.0) is not None
    goals.accepted()
    goals.command(0.98)
    assert goals.due(1.0) is None
    goals.command(1.0)
    assert goals.due(1.0) == 0.0


def test_a_gripper_that_holds_something_is_well() -> None:
    goals = GripperGoals(CONFIG)
    goals.command(0.0)
    goals.due(0.0)
    goals.accepted()
    goals.finished(reached=False, stalled=True)
    assert goals.state.level == 'ok' and 'holds something' in goals.state.text
    assert goals.due(5.0) is None


def test_a_refused_goal_is_told_and_sent_again() -> None:
    goals = GripperGoals(CONFIG)
    goals.command(0.0)
    goals.due(0.0)
    goals.failed('refused', 0.0)
    assert goals.state.level == 'error' and '/gripper/cmd' in goals.state.text
    assert goals.due(AGAIN / 2) is None
    assert goals.due(AGAIN) is not None


def test_a_goal_that_is_never_answered_or_lost_with_its_server_is_sent_again() -> None:
    goals = GripperGoals(CONFIG)
    goals.command(0.0)
    assert goals.due(0.0) is not None
    assert goals.due(AGAIN / 2) is None
    assert goals.due(AGAIN) is not None
    goals.accepted()
    goals.absent()
    assert 'no action server' in goals.state.text
    assert goals.due(AGAIN + PERIOD) is not None


def test_what_is_not_finite_is_refused() -> None:
    goals = GripperGoals(CONFIG)
    assert goals.command(float('nan')) and goals.due(0.0) is None


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=60))
def test_in_the_end_the_gripper_is_told_where_to_be(openings: list[float]) -> None:
    goals, now, last = GripperGoals(CONFIG), 0.0, None
    for opening in (*openings, *[openings[-1]] * 20):
        now += 0.02
        goals.command(opening)
        position = goals.due(now)
        if position is not None:
            goals.accepted()
            last = position
    assert last is not None and abs(CONFIG.opening(last) - openings[-1]) <= DEADBAND
