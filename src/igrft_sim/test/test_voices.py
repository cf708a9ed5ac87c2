# SPDX-License-Identifier: Apache-2.0
"""The simulated hand on the device: what it presses and when. A whole episode by it: test/test_hid_round.py."""

from __future__ import annotations

import numpy as np
import pytest
from builtin_interfaces.msg import Time

from igrft.config import named
from igrft.devices.device import RawInput
from igrft.devices.mapping import TeleopConfig, TeleopMapper
from igrft.types import Outcome
from igrft_msgs.msg import GripperCommand
from igrft_sim.nodes import voices
from igrft_sim.nodes.voices import PRESS, SETTLE, HidVoice
from igrft_sim.operator import Decision

CONFIG = named('teleop', 'fake_spacemouse', TeleopConfig)
NOW = Time()


class Hid:
    """Keeps what the hand does, one entry a control tick."""

    def __init__(self) -> None:
        self.ticks: list[tuple[dict[str, float], set[str]]] = []

    def hold(self, axes, pressed) -> None:
        self.ticks.append((dict(axes), set(pressed)))


@pytest.fixture
def voice(monkeypatch) -> HidVoice:
    monkeypatch.setattr(voices, 'create_subscription', lambda *_: None)
    return HidVoice(None, CONFIG, Hid())


def speak(voice: HidVoice, ticks: int) -> list[tuple[dict[str, float], set[str]]]:
    before = len(voice._hid.ticks)
    for _ in range(ticks):
        voice.speak(NOW, np.ones(1))
    return voice._hid.ticks[before:]


def decision(engaged: bool = True, opening: float = 1.0, x: float = 0.1) -> Decision:
    return Decision(engaged, np.float32([x, 0, 0, 0, 0, 0.3, opening]))


def test_a_hand_that_drives_deflects_and_holds_on_one_that_watches_does_not(voice) -> None:
    voice.say(decision(), NOW)
    ((axes, pressed),) = speak(voice, 1)
    assert pressed == {'CTRL'}
    twist = TeleopMapper(CONFIG).update(RawInput(axes, frozenset(pressed)), 0.0, 0.0)[0].action
    assert twist[:6] == pytest.approx([0.1, 0, 0, 0, 0, 0.3], abs=1e-3)
    voice.say(decision(engaged=False), NOW)
    assert speak(voice, 1) == [({}, set())]


def test_the_gripper_is_pressed_once_until_it_shows(voice) -> None:
    voice.say(decision(opening=0.0), NOW)
    down = ['BTN_1' in pressed for _, pressed in speak(voice, SETTLE)]
    assert sum(down) == PRESS
    voice._on_gripper(GripperCommand(opening=[0.0]))
    assert not any('BTN_1' in pressed for _, pressed in speak(voice, 4 * SETTLE))


def test_marks_and_the_label_are_presses_one_after_the_other(voice) -> None:
    voice.mark('a', 0, NOW)
    voice.mark('b', 1, NOW)
    voice.end(Outcome.SUCCESS, NOW)
    voice.end(Outcome.SUCCESS, NOW)
    pressed = [''.join(sorted(p)) for _, p in speak(voice, 8 * PRESS)]
    edges = [now for before, now in zip(['', *pressed], pressed, strict=False) if now and now != before]
    assert edges == ['BTN_2', 'BTN_2', 'FIT']


def test_a_mapping_without_the_buttons_is_refused() -> None:
    with pytest.raises(ValueError, match='no button means dismiss_help, failure'):
        HidVoice(None, TeleopConfig(device='t', axes={}, buttons={'a': 'success'}), Hid())
