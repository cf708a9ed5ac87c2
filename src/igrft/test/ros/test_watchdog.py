# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from igrft.ros.clocks import Silence
from igrft.ros.diagnostics import Rate
from igrft.ros.watchdog import Watchdog


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_missing_late_and_wrong_are_named(clock: Clock) -> None:
    counts = {'a': 0, 'b': 1, 'c': 1, 'd': 1}
    dog = Watchdog(clock, counts.__getitem__)
    for topic in counts:
        dog.expect(topic, 0.5)
    assert dog.problems() == []
    assert not dog.alive(), 'nothing has come yet'
    clock.now += 1.0
    dog.beat('c')
    dog.beat('d')
    dog.refuse('d', 'encoding bgr8, expected rgb8')
    problems = dog.problems()
    assert problems[0].startswith('a: nobody publishes it')
    assert problems[1].startswith('b: nothing received for 1.0 s')
    assert problems[2] == 'd: encoding bgr8, expected rgb8'
    clock.now += 1.0
    assert any(p.startswith('c: silent for 1.0 s') for p in dog.problems())
    assert dog.waiting() == ['a', 'b']


def test_alive_again(clock: Clock) -> None:
    dog = Watchdog(clock)
    dog.expect('a', 0.5)
    dog.beat('a')
    dog.refuse('a', 'wrong')
    assert not dog.alive()
    dog.beat('a')
    assert dog.alive()
    assert dog.age('a') == 0.0
    dog.restart()
    assert dog.waiting() == ['a']
    dog.beat('unknown')
    dog.forget('a')
    assert dog.alive()


def test_rate_reports_each_window(clock: Clock) -> None:
    rate = Rate(clock)
    for _ in range(10):
        clock.now += 0.1
        rate.tick()
    report = rate.report('x')
    assert report['x rate [Hz]'] == '10.0'
    assert report['x period max [ms]'] == '100.0'
    clock.now += 1.0
    assert rate.report('x')['x rate [Hz]'] == '0.0'
    assert rate.age() == pytest.approx(1.0)


def test_silence_must_pass_on_both_clocks() -> None:
    wall, simulated = Clock(), Clock()
    silence = Silence(wall, simulated)
    assert silence.seconds() == float('inf')
    silence.beat()
    simulated.now += 4.0  # a fast simulation
    wall.now += 1.0
    assert silence.seconds() == 1.0
    wall.now += 9.0  # it stalls
    assert silence.seconds() == 4.0
