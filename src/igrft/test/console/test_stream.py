# SPDX-License-Identifier: Apache-2.0
"""The WebSocket: state, plots, pictures; many browsers; none."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from fake_bridge import RECORDING, FakeBridge, episode_samples, gradient
from starlette.websockets import WebSocketDisconnect, WebSocketState

from igrft.console import hub
from igrft.console.state import DriverState

URL = 'ws://127.0.0.1:8080/api/stream'


class Reader:
    """Sorts what a browser receives."""

    def __init__(self, socket) -> None:
        self._socket = socket

    def until(self, kind: str, holds=lambda value: True):
        """The next message of a kind for which a condition holds."""
        for _ in range(500):
            message = self._socket.receive()
            if message['type'] == 'websocket.close':
                raise WebSocketDisconnect(message['code'], message.get('reason'))
            if message.get('bytes') is not None:
                found, value = 'frame', message['bytes']
            else:
                decoded = json.loads(message['text'])
                found, value = decoded['type'], decoded[decoded['type']]
            if found == kind and holds(value):
                return value
        raise AssertionError(f'no {kind} in 500 messages')


def pixels(message: bytes) -> tuple[int, float, np.ndarray]:
    kind, index, stamp = hub.HEADER.unpack_from(message)
    assert kind == 1
    picture = cv2.imdecode(np.frombuffer(message[hub.HEADER.size :], np.uint8), cv2.IMREAD_COLOR)
    return index, stamp, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def test_a_browser_gets_state_history_and_pictures(client, bridge: FakeBridge):
    bridge.now, bridge.history = RECORDING, episode_samples(40)
    with client.websocket_connect(URL) as socket:
        reader = Reader(socket)
        assert reader.until('state')['instruction'] == RECORDING.instruction
        assert len(reader.until('samples')) == 40
        seen = {}
        while len(seen) < 2:
            index, stamp, picture = pixels(reader.until('frame'))
            seen[index] = picture
            assert stamp == pytest.approx(0.1)
        for index, name in enumerate(RECORDING.cameras):
            assert np.abs(seen[index].astype(int) - bridge.pictures[name]).mean() < 4, 'RGB, the right way up'


def test_a_change_and_a_new_sample_are_pushed_once(client, bridge: FakeBridge):
    history = episode_samples(12)
    bridge.history = history[:10]
    with client.websocket_connect(URL) as socket:
        reader = Reader(socket)
        assert [s['sequence'] for s in reader.until('samples')] == list(range(1, 11))
        bridge.history = history
        assert [s['sequence'] for s in reader.until('samples')] == [11, 12]
        bridge.now = replace(bridge.now, driver=DriverState(mode='correcting', count=3))
        state = reader.until('state', lambda value: value['driver']['mode'] == 'correcting')
        assert state['driver']['count'] == 3


def test_a_picture_is_sent_once_until_there_is_a_newer_one(client, bridge: FakeBridge):
    with client.websocket_connect(URL) as socket:
        reader = Reader(socket)
        first = {pixels(reader.until('frame'))[0] for _ in range(2)}
        assert first == {0, 1}, 'one of each camera'
        bridge.sequence = 2
        assert pixels(reader.until('frame'))[1] == pytest.approx(0.2)


def test_a_second_browser_gets_the_picture_that_the_first_has(client, bridge: FakeBridge):
    with client.websocket_connect(URL) as first:
        seen = {pixels(Reader(first).until('frame'))[0] for _ in range(2)}
        assert seen == {0, 1}
        with client.websocket_connect(URL) as second:  # the cameras stand still
            assert {pixels(Reader(second).until('frame'))[0] for _ in range(2)} == {0, 1}


def test_cameras_cost_nothing_while_nobody_looks(client, bridge: FakeBridge):
    assert bridge.watched == []
    with client.websocket_connect(URL) as first:
        Reader(first).until('state')
        with client.websocket_connect(URL) as second:
            Reader(second).until('state')
            assert bridge.watched == [True], 'a second browser changes nothing'
        bridge.sequence = 9
        Reader(first).until('frame', lambda message: pixels(message)[1] == pytest.approx(0.9))
        assert bridge.watched == [True], 'one that leaves does not blind the other'
    with client.websocket_connect(URL) as again:
        Reader(again).until('frame')
    assert bridge.watched[:3] == [True, False, True]


def test_the_page_only_listens(client):
    with client.websocket_connect(URL) as socket:
        socket.send_text('{"command": "start"}')
        with pytest.raises(WebSocketDisconnect) as caught:
            Reader(socket).until('nothing')
    assert caught.value.code == 1003


def test_a_sender_does_not_cancel_the_close(bridge: FakeBridge):
    board = hub.Hub(bridge)

    class Socket:
        client_state = WebSocketState.CONNECTED
        closing = False
        code = None

        async def accept(self) -> None: ...

        async def receive(self):
            return {'type': 'websocket.receive', 'text': 'start'}

        async def send_text(self, text: str) -> None:
            if self.closing:
                raise RuntimeError('Cannot call "send" once a close message has been sent.')

        send_bytes = send_text

        async def close(self, code: int, reason: str) -> None:
            self.closing = True
            board._give(state='newer')
            for _ in range(5):
                await asyncio.sleep(0)
            self.code = code

    socket = Socket()
    asyncio.run(board.serve(socket))
    assert socket.code == 1003


def test_too_many_browsers_are_told_so(client, bridge, monkeypatch):
    monkeypatch.setattr(hub, 'MAX_CLIENTS', 1)
    with client.websocket_connect(URL) as first:
        Reader(first).until('state')
        with client.websocket_connect(URL) as second, pytest.raises(WebSocketDisconnect) as caught:
            Reader(second).until('state')
        assert caught.value.code == 1013
        bridge.sequence = 5
        Reader(first).until('frame', lambda message: pixels(message)[1] == pytest.approx(0.5))


def test_a_large_picture_is_made_smaller(bridge: FakeBridge):
    bridge.pictures['front'] = np.repeat(np.repeat(gradient(90), 20, 0), 20, 1)
    _, message = hub.Hub(bridge)._shoot('front', 0, 0)
    assert pixels(message)[2].shape == (960, 960, 3)
    assert hub.Hub(bridge)._shoot('front', 0, bridge.sequence) is None
