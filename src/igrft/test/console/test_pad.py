# SPDX-License-Identifier: Apache-2.0
"""The on-screen pad: held it drives, let go it stops, silent it is gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import numpy as np
import pytest
from fake_bridge import FakeBridge, FakeRecords
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from igrft.config import named
from igrft.console.access import Access
from igrft.console.app import create_app
from igrft.console.pad import PERIOD, TIMEOUT, Pad, PadFeed, Touch
from igrft.devices.mapping import TeleopConfig, TeleopMapper

URL = 'ws://127.0.0.1:8080/api/pad'
FORWARD = Touch(held=True, axes={'x': 1.0})


def test_a_held_pad_is_heard_until_it_falls_silent():
    pad, browser = Pad(), object()
    assert pad.poll(0.0).connected and not pad.poll(0.0).pressed
    assert pad.take(browser, FORWARD, 1.0)
    assert pad.poll(0.999 + TIMEOUT).axes == {'x': 1.0} and 'hold' in pad.poll(1.0).pressed
    assert not pad.poll(1.001 + TIMEOUT).connected, 'silence is not letting go'
    assert pad.take(browser, Touch(held=False), 1.2)
    assert pad.poll(9.0).connected and not pad.held


def test_one_browser_holds_it_until_it_lets_go_or_is_gone():
    pad, first, second = Pad(), object(), object()
    assert pad.take(first, FORWARD, 1.0)
    assert not pad.take(second, Touch(held=True), 1.05)
    assert pad.poll(1.05).axes == {'x': 1.0}, 'the second one changed nothing'
    pad.drop(second)
    assert pad.poll(1.05).connected, 'nor does its leaving'
    pad.drop(first)
    assert not pad.poll(1.05).connected, 'a closed connection is gone at once'
    assert pad.take(second, FORWARD, 1.06)


@given(
    words=st.lists(st.tuples(st.floats(0.0, 0.2), st.booleans(), st.floats(-1, 1)), max_size=20),
    wait=st.floats(0.0, 0.3),
)
def test_whatever_was_said_nothing_moves_later_than_the_time_out(words, wait):
    pad, mapper, browser, now = Pad(), make_mapper(), object(), 0.0
    for pause, held, x in words:
        now += pause
        pad.take(browser, Touch(held=held, axes={'x': x}), now)
    teleop, _ = mapper.update(pad.poll(now + wait), 0.0, now + wait)
    assert np.isfinite(teleop.action).all()
    if wait > TIMEOUT + 1e-9 or not words or not words[-1][1]:
        assert not teleop.engaged and not teleop.action[:6].any()


def make_mapper() -> TeleopMapper:
    return TeleopMapper(named('teleop', 'console', TeleopConfig))


class Clock:
    """Time that passes only while the feed sleeps; ``then`` is called after each tick."""

    def __init__(self, then: Callable[[int], None]) -> None:
        self.now, self.ticks, self._then = 0.0, 0, then

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.ticks += 1
        self._then(self.ticks)
        await asyncio.sleep(0)


def feed_of(bridge: FakeBridge, then: Callable[[int], None] = lambda tick: None) -> tuple[PadFeed, Clock]:
    clock = Clock(then)
    return PadFeed(bridge, make_mapper(), lambda: clock.now, clock.sleep), clock


async def run_out(feed: PadFeed, *words: Touch) -> None:
    owner = object()
    for word in words:
        assert feed._hear(owner, word.model_dump_json()) == ''
    assert feed._task is not None
    await feed._task


def test_the_arm_is_told_of_a_silent_browser_within_100_ms(bridge):
    feed, clock = feed_of(bridge)
    asyncio.run(run_out(feed, FORWARD))
    moving = [t for t in bridge.driven if t.engaged]
    last = bridge.driven[-1]
    assert moving[0].device == 'console' and moving[0].action[0] == pytest.approx(0.15)
    assert moving[0].action[6] == pytest.approx(0.25), 'the gripper stays where it was commanded'
    assert not last.connected and not last.engaged and not last.action[:6].any()
    assert clock.now <= 0.1 and len(bridge.driven) == len(moving) + 1, 'once, and then nothing more'
    assert clock.now - PERIOD <= TIMEOUT


def test_letting_go_is_said_once_and_by_a_device_that_is_there(bridge):
    def let_go(tick: int) -> None:
        if tick == 1:
            feed.pad.take(feed.pad._owner, Touch(held=False), 0.02)

    feed, _ = feed_of(bridge, let_go)
    asyncio.run(run_out(feed, FORWARD))
    assert [(t.engaged, t.connected) for t in bridge.driven] == [(True, True), (False, True)]


def test_the_gripper_toggles_while_the_pad_is_held(bridge):
    words = [FORWARD, Touch(held=True, axes={'x': 1.0}, pressed=['gripper'])]
    feed, _ = feed_of(bridge)
    asyncio.run(run_out(feed, *words))
    assert {float(t.action[6]) for t in bridge.driven if t.engaged} == {1.0}, 'it was more closed than open'


@pytest.mark.parametrize(
    ('text', 'word'),
    [
        ('{', 'message'),
        ('{"held": true, "axes": {"x": 1.5}}', 'axes.x'),
        ('{"held": true, "axes": {"x": NaN}}', 'axes.x'),
        ('{"held": true, "axes": {"x": "far"}}', 'axes.x'),
        ('{"held": true, "speed": 9}', 'speed'),
        ('[]', 'message'),
    ],
)
def test_what_is_no_touch_is_refused_and_stops_who_said_it(client, bridge, text, word):
    with client.websocket_connect(URL) as socket:
        socket.send_text(text)
        assert socket.receive_json()['problem'].startswith(word)
    assert not any(t.engaged for t in bridge.driven)


def test_a_browser_drives_through_its_socket_and_is_gone_with_it(client, bridge):
    with client.websocket_connect(URL) as socket:
        socket.send_text(FORWARD.model_dump_json())
        assert socket.receive_json() == {'problem': ''}
    with client.websocket_connect(URL) as other:  # its words keep the server's loop turning until the end was told
        for _ in range(5000):
            other.send_text(json.dumps({'held': False}))
            other.receive_json()
            if not bridge.driven[-1].engaged:
                break
    assert bridge.driven[0].engaged
    assert not bridge.driven[-1].connected, 'gone, and not let go: nothing that another browser says changes that'


def test_without_a_known_gripper_nothing_is_driven(client, bridge):
    bridge.opening = None
    with client.websocket_connect(URL) as socket:
        socket.send_text(FORWARD.model_dump_json())
        assert 'gripper/command' in socket.receive_json()['problem']
    assert bridge.driven == []


def test_the_pad_is_off_unless_it_was_asked_for(bridge, recordings):
    app = create_app(bridge, Access.for_address('127.0.0.1', 8080), recordings, FakeRecords())
    with (
        TestClient(app, base_url='http://127.0.0.1:8080') as client,
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect(URL),
    ):
        pass


def test_a_foreign_page_cannot_reach_the_pad(client):
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(URL, headers={'origin': 'http://evil.example'}):
        pass
