# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igrft.bench.takeover import Step, largest_step
from igrft.config import LimitsConfig
from igrft.control.handover import HandOver
from igrft.control.inputs import twists_of

LIMITS = LimitsConfig(
    linear_velocity=0.6,
    angular_velocity=2.0,
    linear_acceleration=6.0,
    angular_acceleration=20.0,
    workspace_min=(-1, -1, -1),
    workspace_max=(1, 1, 1),
)
PERIOD = 0.02
TWISTS = st.lists(st.floats(-0.5, 0.5, width=32), min_size=6, max_size=6)


def action(x: float = 0.0, turn: float = 0.0, opening: float = 0.5) -> np.ndarray:
    return np.float32([x, 0, 0, 0, 0, turn, opening])


def seam() -> HandOver:
    return HandOver(LIMITS, 1, PERIOD, 0.2)


@given(TWISTS, st.lists(st.tuples(TWISTS, st.floats(0.0, 0.06), st.booleans()), max_size=20))
def test_no_step_of_a_seam_exceeds_what_the_safety_node_allows(first, ticks) -> None:
    hand_over, now = seam(), 10.0
    for _ in range(40):  # the driver before, long at what he wants
        sent = hand_over.follow(np.float32([*first, 1.0]), now)
        now += PERIOD
    assert sent[:6] == pytest.approx(np.float32(first))
    steps = [Step(now - PERIOD, twists_of(sent))]
    hand_over.begin(now)
    began = now
    for wanted, wait, gone in ticks:
        if now - began > 0.2:
            break
        wish = np.float32([*wanted, 0.0])
        sent = hand_over.run_out(np.float32([0.0]), now) if gone else hand_over.follow(wish, now)
        assert sent[6] == 0.0, 'grippers go at once'
        steps.append(Step(now, twists_of(sent)))
        now += wait
    assert largest_step(steps, LIMITS, PERIOD) <= 1.0


def test_it_arrives_and_then_follows_at_once() -> None:
    hand_over = seam()
    hand_over.begin(0.0)
    sent = [hand_over.follow(action(0.25), 0.02 * tick)[0] for tick in range(5)]
    assert sent == sorted(sent)
    assert sent[-1] == pytest.approx(0.25)
    assert hand_over.follow(action(-0.25), 0.3)[0] == pytest.approx(-0.25), 'the seam is over'


def test_what_nobody_continues_runs_out_within_the_window() -> None:
    hand_over = seam()
    for tick in range(20):
        hand_over.follow(action(0.25, 0.8), 0.02 * tick)
    hand_over.begin(0.4)
    run = [hand_over.run_out(np.float32([0.5]), 0.4 + 0.02 * tick) for tick in range(11)]
    speeds = [float(sent[0]) for sent in run]
    assert speeds == sorted(speeds, reverse=True)
    assert 0.0 < speeds[5] < 0.2
    assert speeds[-1] == pytest.approx(0.0, abs=1e-6)
    assert not hand_over.moving or speeds[-1] != 0.0


def test_a_clock_that_is_set_back_freezes_nothing() -> None:
    hand_over = seam()
    hand_over.begin(1000.0)
    hand_over.follow(action(0.25), 1000.0)
    sent = [hand_over.follow(action(0.0), 900.0 + 0.02 * tick)[0] for tick in range(5)]
    assert sent[-1] == 0.0


def test_after_a_standstill_motion_begins_from_rest() -> None:
    hand_over = seam()
    for tick in range(20):
        hand_over.follow(action(0.25), 0.02 * tick)
    hand_over.stood(0.4)
    assert hand_over.follow(action(0.25), 0.42)[0] < 0.12
