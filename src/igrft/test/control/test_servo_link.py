# SPDX-License-Identifier: Apache-2.0
"""What is asked of MoveIt Servo and believed of it, over time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igrft.control.servo_link import AGAIN, PATIENCE, SILENCE, Ask, ServoLink
from igrft.control.servo_status import LEVELS, MESSAGES, ServoCode, known


def ready(now: float = 0.0) -> ServoLink:
    """Servo is there and takes twists."""
    link = ServoLink()
    link.there(True, now)
    assert link.wanted(now) == [Ask.TWIST]
    link.answered(Ask.TWIST, True)
    return link


def test_absent_is_an_error_from_the_start() -> None:
    link = ServoLink()
    assert link.wanted(0.0) == []
    assert link.health(0.0).code is ServoCode.UNAVAILABLE and link.health(0.0).level == 'error'
    assert 'not there' in link.health(0.0).text


def test_the_type_is_switched_at_once_and_again_while_somebody_drives() -> None:
    link = ready()
    assert link.wanted(5.0) == []
    link.driving(True, 5.0)
    assert link.wanted(5.0) == [Ask.TWIST]
    link.answered(Ask.TWIST, True)
    link.status(0, 'No warnings', 5.0)
    assert link.wanted(5.0 + AGAIN / 2) == []
    link.status(0, 'No warnings', 5.0 + AGAIN)
    assert link.wanted(5.0 + AGAIN) == [Ask.TWIST]


def test_a_servo_that_restarts_is_switched_again() -> None:
    link = ready()
    link.there(False, 1.0)
    assert link.health(1.0).code is ServoCode.UNAVAILABLE
    link.there(True, 1.1)
    assert link.wanted(1.1) == [Ask.TWIST]


def test_a_wrong_command_type_is_told_until_it_is_right() -> None:
    link = ServoLink()
    link.there(True, 0.0)
    link.driving(True, 0.0)
    link.status(0, 'No warnings', 0.0)
    assert 'not been switched' in link.health(0.1).text
    link.wanted(0.1)
    link.answered(Ask.TWIST, False)
    assert 'refuses twists' in link.health(0.2).text
    link.status(0, 'No warnings', 0.2 + AGAIN)
    assert link.wanted(0.2 + AGAIN) == [Ask.TWIST]
    link.answered(Ask.TWIST, True)
    link.status(0, 'No warnings', 0.3 + AGAIN)
    assert link.health(0.3 + AGAIN).code is ServoCode.NO_WARNING


def test_silence_while_driving_is_a_pause_and_is_lifted() -> None:
    link = ready()
    link.driving(True, 1.0)
    link.wanted(1.0)
    link.answered(Ask.TWIST, True)
    assert link.health(1.0 + SILENCE / 2).level == 'ok', 'an episode has only just begun'
    now = 1.1 + SILENCE
    assert 'paused' in link.health(now).text and link.health(now).code is ServoCode.UNAVAILABLE
    assert Ask.RESUME in link.wanted(now)
    link.answered(Ask.RESUME, True)
    link.status(0, 'No warnings', now + 0.05)
    assert link.health(now + 0.05).code is ServoCode.NO_WARNING


def test_silence_while_nobody_drives_is_in_order() -> None:
    link = ready()
    assert link.wanted(100.0) == []
    assert link.health(100.0).level == 'ok'


def test_a_service_that_does_not_answer_is_named_and_asked_again() -> None:
    link = ServoLink()
    link.there(True, 0.0)
    assert link.wanted(0.0) == [Ask.TWIST]
    assert link.wanted(PATIENCE / 2) == []
    assert 'switch_command_type does not answer' in link.health(PATIENCE).text
    assert link.wanted(PATIENCE) == [Ask.TWIST]


@pytest.mark.parametrize('code', [code for code in ServoCode if code is not ServoCode.UNAVAILABLE])
def test_every_code_has_its_words_and_level(code: ServoCode) -> None:
    link = ready()
    link.status(int(code), "Servo's words", 1.0)
    health = link.health(1.0)
    assert (health.code, health.level) == (code, LEVELS[code])
    assert MESSAGES[code] in health.text
    assert ("Servo's words" in health.text) == (code is not ServoCode.NO_WARNING)


@given(st.integers(-128, 127))
def test_a_code_nobody_knows_is_invalid_and_shown(code: int) -> None:
    link = ready()
    link.status(code, 'news', 0.0)
    if code in {int(c) for c in ServoCode}:
        assert link.health(0.0).code == code == known(code)
    else:
        assert link.health(0.0).code is ServoCode.INVALID and f'unknown code {code}: news' in link.health(0.0).text


@given(
    st.lists(st.tuples(st.floats(0.0, 1.0), st.sampled_from(['there', 'gone', 'drive', 'rest', 'yes', 'no', 'hum'])))
)
def test_no_request_is_repeated_within_a_second(events: list[tuple[float, str]]) -> None:
    link, now, asked = ServoLink(), 0.0, {}
    for wait, event in events:
        now += wait
        if event == 'gone':
            asked.clear()
        if event in ('there', 'gone'):
            link.there(event == 'there', now)
        if event in ('drive', 'rest'):
            link.driving(event == 'drive', now)
        if event == 'hum':
            link.status(0, '', now)
        for ask in link.wanted(now):
            assert now - asked.get(ask, float('-inf')) >= AGAIN - 1e-9
            asked[ask] = now
            if event in ('yes', 'no'):
                link.answered(ask, event == 'yes')
