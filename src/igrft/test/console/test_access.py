# SPDX-License-Identifier: Apache-2.0
"""Token, Origin and Host."""

from __future__ import annotations

import pytest
from fake_bridge import FakeBridge, FakeRecords
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from igrft.console import access as module
from igrft.console.access import Access, is_loopback
from igrft.console.app import create_app

TOKEN = 'a-token-of-the-right-length'


@pytest.fixture
def guarded(bridge: FakeBridge, recordings, pad) -> TestClient:
    """A browser on another machine that does not know the token."""
    app = create_app(bridge, Access.for_address('0.0.0.0', 8080, TOKEN), recordings, FakeRecords(), pad)
    return TestClient(app, base_url='http://robot:8080')


@pytest.mark.parametrize('path', ['/', '/api/state', '/static/main.js'])
@pytest.mark.parametrize('presented', [None, '', 'wrong', TOKEN[:-1], TOKEN + 'x', 'tökén'])
def test_without_the_token_nothing_is_shown(guarded, path, presented):
    headers = {} if presented is None else {'authorization': f'Bearer {presented}'.encode()}
    answer = guarded.get(path, headers=headers)
    assert answer.status_code == 401
    assert 'token' in answer.text
    assert TOKEN not in answer.text


def test_without_the_token_nothing_is_done(guarded, bridge):
    assert guarded.post('/api/e_stop').status_code == 401
    assert guarded.post('/api/episode/start', json={'kind': 'rollout'}).status_code == 401
    with pytest.raises(WebSocketDisconnect), guarded.websocket_connect('/api/stream'):
        pytest.fail('the stream must not open')
    assert bridge.calls == [] and bridge.watched == []


def test_the_printed_address_opens_the_page_and_the_browser_remembers(guarded, bridge):
    answer = guarded.get('/', params={'token': TOKEN}, follow_redirects=False)
    assert (answer.status_code, answer.headers['location']) == (303, '/')
    cookie = answer.headers['set-cookie']
    assert 'HttpOnly' in cookie and 'samesite=strict' in cookie.lower()
    assert cookie.startswith('igrft_console_8080='), 'cookies are shared by the ports of a host'
    assert guarded.get('/').status_code == 200
    assert guarded.post('/api/e_stop').status_code == 200
    assert bridge.calls == [('e_stop',)]


def test_a_wrong_token_in_the_address_beats_a_right_cookie(guarded):
    guarded.get('/', params={'token': TOKEN})
    assert guarded.get('/', params={'token': 'wrong'}).status_code == 401


def test_a_script_may_send_the_token_as_bearer(guarded):
    assert guarded.get('/api/state', headers={'authorization': f'Bearer {TOKEN}'}).status_code == 200


def test_the_token_is_compared_in_constant_time(monkeypatch):
    compared = []
    monkeypatch.setattr(module.secrets, 'compare_digest', lambda a, b: compared.append((a, b)) or a == b)
    assert not Access(TOKEN).knows_token('wrong')
    assert compared == [(b'wrong', TOKEN.encode())]


@pytest.mark.parametrize('origin', ['http://evil.example', 'http://127.0.0.1:9999', 'null', 'https://127.0.0.1'])
def test_a_foreign_web_site_is_refused(client, bridge, origin):
    answer = client.post('/api/e_stop/reset', json={}, headers={'origin': origin})
    assert answer.status_code == 403
    assert origin in answer.text
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect('ws://127.0.0.1:8080/api/stream', headers={'origin': origin}),
    ):
        pytest.fail('the stream must not open')
    assert bridge.calls == [] and bridge.watched == []


def test_the_own_page_is_let_in(client, bridge):
    assert client.post('/api/e_stop', headers={'origin': 'http://127.0.0.1:8080'}).status_code == 200


@pytest.mark.parametrize('host', ['evil.example', 'evil.example:8080', '', '127.0.0.1.evil.example', '10.0.0.5'])
def test_a_foreign_name_for_loopback_is_refused(client, bridge, host):
    answer = client.post('/api/e_stop', headers={'host': host, 'origin': f'http://{host}'})
    assert answer.status_code == 403
    assert bridge.calls == []


@pytest.mark.parametrize('host', ['localhost', 'localhost:9000', '127.0.0.1', '[::1]:8080'])
def test_every_name_of_loopback_works_through_a_tunnel_too(client, host):
    assert client.get('/api/state', headers={'host': host}).status_code == 200


def test_who_needs_a_token():
    assert Access.for_address('127.0.0.1', 1).token == ''
    assert Access.for_address('localhost', 1).token == ''
    assert Access.for_address('::1', 1).token == ''
    made = {Access.for_address('0.0.0.0', 1).token for _ in range(3)}
    assert len(made) == 3 and all(len(token) >= 20 for token in made)
    assert Access.for_address('127.0.0.1', 1, TOKEN).token == TOKEN
    assert not is_loopback('robot') and not is_loopback('0.0.0.0') and not is_loopback('')
    with pytest.raises(ValueError, match='token: 5 characters, at least 16'):
        Access.for_address('0.0.0.0', 1, 'short')
