# SPDX-License-Identifier: Apache-2.0
"""Scores, calibration and the life of a call."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igrft.control.conformal import CalibrationError
from igrft.control.help import HelpConfig, HelpScore, Signals
from igrft.control.help_calibration import Calibration, calibrate, highest, load_calibration
from igrft.control.help_gate import HelpGate
from igrft.types import Mode

NAN = math.nan
STEP = 0.2


def episode(values, disagreements=None) -> list[Signals]:
    """Signals of chunks ``STEP`` apart."""
    spreads = disagreements or [0.1] * len(values)
    return [Signals(STEP * (k + 1), v, d) for k, (v, d) in enumerate(zip(values, spreads, strict=True))]


EPISODES = st.lists(st.tuples(st.floats(-2, 2), st.floats(0, 3)), min_size=1, max_size=20).map(
    lambda rows: episode([v for v, _ in rows], [d for _, d in rows])
)
USUAL = [episode([1.0 - 0.06 * k for k in range(12)], [0.1 + 0.001 * i] * 12) for i in range(15)]


def usual(**changes) -> Calibration:
    return replace(calibrate(USUAL, 0.1, 'c1', 'tower'), **changes)


def test_scores_tell_disagreement_stall_and_fall() -> None:
    score = HelpScore(HelpConfig(window=0.5, movement=0.05))
    rows = [score.update(each) for each in episode([0.5, 0.52, 0.54, 0.9, 0.6], [0.1, 0.3, 0.2, 0.4, 0.9])]
    assert [row['stall'] for row in rows] == pytest.approx([0, 0.2, 0.4, 0, 0.2]), 'of the averaged value'
    assert [row['fall'] for row in rows] == pytest.approx([0, 0, 0, 0, 0.3])
    assert [row['disagreement'] for row in rows] == pytest.approx([0.1, 0.2, 0.2, 0.3, 0.5])
    score.reset()
    assert score.update(Signals(9.0, 0.1, 0.7)) == pytest.approx({'stall': 0, 'fall': 0, 'disagreement': 0.7})


@given(EPISODES, st.floats(0.0, 2.0))
def test_more_disagreement_never_lowers_a_score(signals, more) -> None:
    calibration = usual()
    raised = [replace(each, disagreement=each.disagreement + more) for each in signals]
    assert highest(raised, calibration) >= highest(signals, calibration) - 1e-9


@given(st.lists(EPISODES, min_size=12, max_size=16), EPISODES)
def test_the_promise_holds_for_the_combined_score(episodes, new) -> None:
    """Scale episodes stay; of the others and the new one each is as likely to be the new one."""
    alpha = 0.2
    shown = calibrate(episodes, alpha, 'c', 't').scale_episodes
    others = [i for i in range(len(episodes)) if i not in range(0, 3 * shown, 3)]
    called = [_called(episodes, new, alpha)]
    for i in others:
        swapped = [*episodes[:i], new, *episodes[i + 1 :]]
        called.append(_called(swapped, episodes[i], alpha))
    assert sum(called) <= alpha * (len(others) + 1) + 1e-9


def _called(episodes, new, alpha) -> bool:
    found = calibrate(episodes, alpha, 'c', 't')
    return highest(new, found) > found.threshold


@given(EPISODES)
def test_the_gate_calls_in_an_episode_just_when_its_highest_score_exceeds_the_threshold(signals) -> None:
    calibration = usual()
    gate = HelpGate(calibration)
    gate.drives(Mode.AUTONOMOUS, 0.0)
    called = False
    for each in signals:
        assert gate.update(each) == ''
        called |= gate.state.requested
    assert called == (highest(signals, calibration) > calibration.threshold)


def test_a_usual_episode_is_left_alone_and_a_strange_one_calls_once() -> None:
    gate = HelpGate(usual())
    gate.drives(Mode.AUTONOMOUS, 0.0)
    for each in USUAL[3]:
        gate.update(each)
    assert not gate.state.requested and gate.state.score <= gate.state.threshold
    gate.drives(Mode.HOLD, 3.0)
    gate.drives(Mode.AUTONOMOUS, 10.0)
    spans, before, since = 0, False, set()
    for each in episode([1.0] * 30):
        gate.update(replace(each, stamp=each.stamp + 10.0))
        spans += gate.state.requested and not before
        before = gate.state.requested
        if before:
            since.add(gate.state.since)
    assert spans == 1 and len(since) == 1 and 'stands still' in gate.state.reason


def calling(**options) -> HelpGate:
    """A gate that has just begun to call, at 1.0 s."""
    gate = HelpGate(usual(), **options)
    gate.drives(Mode.AUTONOMOUS, 0.0)
    gate.update(Signals(0.8, 1.0, 0.1))
    gate.update(Signals(1.0, 1.0, 9.0))
    assert gate.state.requested and gate.state.since == 1.0
    return gate


def test_a_takeover_ends_a_call_and_the_next_begins_from_nothing() -> None:
    gate = calling(quiet=0.0)
    assert gate.drives(Mode.CORRECTING, 1.2)
    assert (gate.state.requested, gate.state.reason) == (False, 'taken over')
    gate.update(Signals(1.4, 1.0, 9.0))
    assert not gate.state.requested, 'what was asked for before a takeover may still arrive'
    gate.drives(Mode.AUTONOMOUS, 2.0)
    gate.update(Signals(2.2, 1.0, 0.1))
    assert gate.state.score < 1.5, 'the chunks from before are forgotten'


def test_waiting_keeps_the_call_and_going_on_leaves_some_quiet() -> None:
    gate = calling(quiet=3.0)
    assert not gate.drives(Mode.PAUSED, 1.0)
    assert gate.state.requested
    assert gate.drives(Mode.AUTONOMOUS, 20.0)
    for stamp, requested in ((20.2, False), (22.8, False), (23.2, True)):
        gate.update(Signals(stamp, 1.0, 9.0))
        assert gate.state.requested is requested, stamp


def test_a_dismissal_ends_a_call_once() -> None:
    gate = calling(quiet=1.0)
    assert gate.dismiss(1.4)
    assert gate.state.reason == 'dismissed'
    assert not gate.dismiss(1.5)
    gate.update(Signals(1.6, 1.0, 9.0))
    assert not gate.state.requested


def test_a_call_ends_by_itself_when_all_has_been_well_for_a_while() -> None:
    gate = calling(settled=0.5)
    stamps = [1.0 + STEP * k for k in range(1, 15)]
    states = []
    for k, stamp in enumerate(stamps):
        gate.update(Signals(stamp, 1.0 - 0.06 * k, 0.1))
        states.append(gate.state)
    ends = [k for k, state in enumerate(states) if not state.requested]
    assert ends and states[ends[0]].reason == 'well again'
    assert not any(state.requested for state in states[ends[0] :])


def test_a_chunk_said_twice_counts_once() -> None:
    gate = calling()
    before = gate.state
    gate.update(Signals(1.0, -5.0, 99.0))
    assert gate.state == before


@pytest.mark.parametrize('bad', [Signals(1.2, NAN, 0.1), Signals(1.2, 0.5, NAN), Signals(1.2, math.inf, 0.1)])
def test_what_is_not_finite_is_refused_and_calls_nobody(bad) -> None:
    gate = HelpGate(usual())
    gate.drives(Mode.AUTONOMOUS, 0.0)
    gate.update(Signals(1.0, 1.0, 0.1))
    assert 'is not known' in gate.update(bad)
    assert not gate.state.requested
    assert gate.update(Signals(1.4, 1.0, 0.1)) == ''
    assert math.isfinite(gate.state.score)


def test_without_a_calibration_nobody_is_called() -> None:
    gate = HelpGate(None, 'no such file')
    gate.drives(Mode.AUTONOMOUS, 0.0)
    assert gate.update(Signals(0.2, NAN, 99.0)) == ''
    assert (gate.state.requested, gate.state.reason) == (False, 'no such file')


def test_a_policy_without_a_critic_is_judged_by_its_draws_alone() -> None:
    found = calibrate([episode([NAN] * 5, [0.1 * (i + 1)] * 5) for i in range(12)], 0.2, 'c1', 't')
    assert set(found.scales) == {'disagreement'}
    mixed = [*USUAL[:6], *[episode([NAN] * 5) for _ in range(6)]]
    with pytest.raises(CalibrationError, match="'stall' is known in some episodes only"):
        calibrate(mixed, 0.2, 'c1', 't')
    with pytest.raises(CalibrationError, match='neither value nor disagreement'):
        calibrate([episode([NAN] * 5, [NAN] * 5) for _ in range(12)], 0.2, 'c1', 't')
    with pytest.raises(CalibrationError, match='not finite in 1 of 12 chunks'):
        calibrate([*USUAL[:11], episode([1.0] * 11 + [NAN])], 0.2, 'c1', 't')
    with pytest.raises(CalibrationError, match='no chunk'):
        calibrate([*USUAL, []], 0.2, 'c1', 't')


def test_too_few_episodes_are_told_with_the_number_that_it_takes() -> None:
    with pytest.raises(CalibrationError, match=r'at least 10 successful episodes .* there are 9'):
        calibrate(USUAL[:9], 0.1, 'c1', 't')
    assert calibrate(USUAL[:10], 0.1, 'c1', 't').episodes == 9


def test_a_calibration_on_disk_is_plain_and_checked(tmp_path: Path) -> None:
    found = usual()
    path = found.save(tmp_path)
    assert path == tmp_path / 'help-tower.json'
    assert load_calibration(tmp_path, 'tower') == load_calibration(path, 'tower') == found
    assert sorted(p.name for p in tmp_path.iterdir()) == ['help-tower.json'], 'no partial file is left'

    with pytest.raises(CalibrationError, match=r'help-drinks\.json: not there; `igrft calibrate-help`'):
        load_calibration(tmp_path, 'drinks')
    with pytest.raises(CalibrationError, match="task is 'tower', the policy works on 'drinks'"):
        load_calibration(path, 'drinks')
    content = json.loads(path.read_text())
    for change, hint in (
        ({'threshold': NAN}, 'threshold must be finite'),
        ({'format': 2}, 'format 2'),
        ({'scales': {'stal': 1.0}}, 'some of disagreement, stall, fall'),
        ({'scales': {'stall': 0.0}}, 'not a positive number'),
        ({'threshhold': 1.0}, "did you mean 'threshold'"),
    ):
        path.write_text(json.dumps(content | change))
        with pytest.raises(CalibrationError, match=hint):
            load_calibration(path, 'tower')
    path.write_text('{')
    with pytest.raises(CalibrationError, match='not readable'):
        load_calibration(path, 'tower')
