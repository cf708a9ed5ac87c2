# SPDX-License-Identifier: Apache-2.0
"""Commands and refusals over HTTP."""

from __future__ import annotations

import math

import pytest
from fake_bridge import RECORDING

from igrft.console.bridge import RefusedError, UnansweredError, UnavailableError
from igrft.console.state import TrainerState, encode

COMMANDS = {
    '/api/e_stop': {},
    '/api/e_stop/reset': {},
    '/api/episode/start': {'kind': 'correction', 'seed': 7, 'split': 'held_out'},
    '/api/episode/stop': {'outcome': 'success'},
    '/api/episode/discard': {},
    '/api/episode/label': {'outcome': 'failure', 'episode_id': '01KAR2T7'},
    '/api/event': {'event': 'mark_subtask'},
    '/api/trainer/start': {'stage': 'hil', 'round': 2, 'parent': 'hil-1-5d41a1e3'},
    '/api/trainer/stop': {},
    '/api/trainer/serve': {'checkpoint': 'sft-c9fc83eb'},
}
CALLS = {
    '/api/e_stop': ('e_stop',),
    '/api/e_stop/reset': ('reset_e_stop',),
    '/api/episode/start': ('start', 'correction', 7, 'held_out'),
    '/api/episode/stop': ('finish', 'success'),
    '/api/episode/discard': ('discard',),
    '/api/episode/label': ('label', '01KAR2T7', 'failure'),
    '/api/event': ('event', 'mark_subtask'),
    '/api/trainer/start': ('train', 'hil', 2, '/data/checkpoints/hil-1-5d41a1e3'),
    '/api/trainer/stop': ('stop_training',),
    '/api/trainer/serve': ('serve', '/data/checkpoints/sft-c9fc83eb'),
}


@pytest.mark.parametrize('path', COMMANDS)
def test_every_command_reaches_the_bridge_with_its_arguments(client, bridge, path):
    answer = client.post(path, json=COMMANDS[path])
    assert answer.status_code == 200, answer.text
    assert answer.json()['ok'] is True
    assert bridge.calls == [CALLS[path]]


@pytest.mark.parametrize('method', ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'PATCH'])
@pytest.mark.parametrize('path', COMMANDS)
def test_nothing_but_post_changes_anything(client, bridge, method, path):
    answer = client.request(method, path, headers={'content-type': 'application/json'})
    assert answer.status_code in (404, 405)
    assert bridge.calls == []


@pytest.mark.parametrize(
    ('path', 'body', 'field'),
    [
        ('/api/episode/start', {'kind': 'practice'}, 'kind'),
        ('/api/episode/start', {}, 'kind'),
        ('/api/episode/start', {'kind': 'rollout', 'seed': -1}, 'seed'),
        ('/api/episode/start', {'kind': 'rollout', 'seed': 'seven'}, 'seed'),
        ('/api/episode/start', {'kind': 'rollout', 'seed': 1.5}, 'seed'),
        ('/api/episode/start', {'kind': 'rollout', 'seed': 2**60}, 'seed'),
        ('/api/episode/start', {'kind': 'rollout', 'split': 'out'}, 'split'),
        ('/api/episode/start', {'kind': 'rollout', 'sede': 3}, 'sede'),
        ('/api/episode/stop', {'outcome': 'timeout'}, 'outcome'),
        ('/api/episode/label', {'outcome': 'success', 'episode_id': 'X' * 27}, 'episode_id'),
        ('/api/episode/label', {'outcome': 'success', 'episode_id': '**'}, 'episode_id'),
        ('/api/episode/label', {'outcome': 'success', 'episode_id': '/tmp'}, 'episode_id'),
        ('/api/event', {'event': 'e_stop'}, 'event'),
        ('/api/episode/discard', {'really': True}, 'really'),
        ('/api/trainer/start', {'stage': 'dreaming'}, 'stage'),
        ('/api/trainer/start', {'stage': 'hil', 'round': -1}, 'round'),
        ('/api/trainer/serve', {'checkpoint': '../sft'}, 'checkpoint'),
    ],
)
def test_bad_input_is_refused_by_the_name_of_its_field(client, bridge, path, body, field):
    answer = client.post(path, json=body)
    assert answer.status_code == 422
    assert answer.json()['field'] == field
    assert answer.json()['message'].startswith(f'{field}: ')
    assert bridge.calls == []


@pytest.mark.parametrize('body', [b'{', b'', b'[]', b'\xff\xfe', b'null'])
def test_a_body_that_is_no_object_is_refused(client, bridge, body):
    answer = client.post('/api/episode/stop', content=body, headers={'content-type': 'application/json'})
    assert answer.status_code == 422
    assert bridge.calls == []


@pytest.mark.parametrize('body', [b'', b'{', b'{"reason": 1}', b'\xff'])
def test_stop_cannot_be_got_wrong(client, bridge, body):
    assert client.post('/api/e_stop', content=body).status_code == 200
    assert bridge.calls == [('e_stop',)]


def test_a_start_without_a_seed_draws_one(client, bridge):
    for _ in range(2):
        assert client.post('/api/episode/start', json={'kind': 'rollout'}).status_code == 200
    seeds = [call[2] for call in bridge.calls]
    assert all(isinstance(seed, int) and 0 <= seed < 2**31 for seed in seeds)
    assert seeds[0] != seeds[1]


@pytest.mark.parametrize(
    ('error', 'status'),
    [
        (RefusedError('episode 01KA is in progress'), 409),
        (UnavailableError("no node serves 'episode/start'"), 503),
        (UnansweredError("'episode/start' did not answer within 5 s"), 504),
    ],
)
def test_what_the_robot_says_no_to_is_told_in_its_words(client, bridge, error, status):
    bridge.failures['start'] = error
    answer = client.post('/api/episode/start', json={'kind': 'rollout'})
    assert answer.status_code == status
    assert answer.json() == {'ok': False, 'message': str(error)}


def test_state_is_json_without_nan(client, bridge):
    bridge.now = RECORDING
    answer = client.get('/api/state').json()
    assert answer['episode']['elapsed'] == 4.6
    assert answer['driver']['mode'] == 'autonomous'
    text = encode('state', TrainerState(state='idle', loss=math.nan, eta=math.inf))
    assert '"loss":null' in text and '"eta":null' in text and 'NaN' not in text


def test_the_page_and_what_it_loads_are_served_with_a_strict_policy(client):
    page = client.get('/')
    assert page.status_code == 200
    assert 'does <strong>not</strong> replace the hardware emergency stop' in page.text
    assert "default-src 'self'" in page.headers['content-security-policy']
    assert "frame-ancestors 'none'" in page.headers['content-security-policy']
    for path in ('theme.css', 'style.css', 'panels.css', 'pages.css', 'small.css', 'theme.js', 'main.js', 'icon.svg'):
        assert f'/static/{path}' in page.text
        assert client.get(f'/static/{path}').status_code == 200
    assert client.get('/static/../app.py').status_code == 404
    assert client.get('/static/%2e%2e/app.py').status_code == 404


def test_a_checkpoint_is_named_and_never_a_path(client, bridge):
    answer = client.post('/api/trainer/serve', json={'checkpoint': 'sft-unknown'})
    assert answer.status_code == 404 and 'sft-unknown' in answer.json()['message']
    assert bridge.calls == []


def test_curves_have_no_nan_and_unknown_runs_are_named(client):
    curves = client.get('/api/trainer/sft-c9fc83eb').json()
    assert curves['critic/value']['values'][:2] == [None, 20.0]
    assert client.get('/api/trainer/no-run').status_code == 404
    assert client.get('/api/trainer').json()['stages'][0]['successes'] == 23
