# SPDX-License-Identifier: Apache-2.0
"""The page of episodes over real bags: list, curves, pictures, labels."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from fake_bridge import FakeBridge, FakeRecords
from starlette.testclient import TestClient

from igrft.config import RobotConfig, named
from igrft.console.access import Access
from igrft.console.app import create_app
from igrft.console.bridge import UnavailableError
from igrft.console.recordings import Recordings
from igrft.episodes.catalog import iterate
from igrft.episodes.reader import read_episode
from igrft.types import Kind, Outcome


def of_kind(shelf: Path, kind: Kind) -> str:
    return next(entry.meta.id for entry in iterate(shelf) if entry.meta.kind is kind)


def test_the_list_says_what_is_known_without_opening_a_bag(client, shelf):
    listed = client.get('/api/episodes').json()
    assert [episode['kind'] for episode in listed['episodes']] == ['correction', 'demonstration'], 'the newest first'
    newest = listed['episodes'][0]
    assert newest['outcome'] == 'success' and newest['completed'] == newest['subtasks'] == 6
    assert newest['duration'] == pytest.approx(1.2) and newest['takeovers'] == 1
    assert listed['unfinished'] == 0


def test_an_episode_has_its_curves_and_who_drove(client, shelf):
    shown = client.get(f'/api/episodes/{of_kind(shelf, Kind.CORRECTION)}').json()
    assert shown['steps'] == 12 and shown['cameras'] == ['front', 'wrist']
    assert [(s['what'], s['start'], s['end']) for s in shown['sources']] == [
        ('policy', 0.0, 0.6),
        ('human', 0.6, 0.9),
        ('policy', 0.9, 1.2),
    ]
    assert {len(values) for values in shown['series'].values()} == {12}
    potential = shown['series']['potential']
    assert all(np.diff(potential) > 0) and potential[-1] > 0.5, 'every subtask is completed on the way'
    assert [t['time'] for t in shown['subtask_times']] == sorted(t['time'] for t in shown['subtask_times'])


def test_a_picture_is_the_step_that_was_recorded(client, shelf):
    episode = of_kind(shelf, Kind.DEMONSTRATION)
    path = next(entry.path for entry in iterate(shelf) if entry.meta.id == episode)
    recorded = read_episode(path, named('robots', 'sim', RobotConfig)).frames['wrist'][7]
    answer = client.get(f'/api/episodes/{episode}/wrist/7.jpg')
    assert answer.headers['content-type'] == 'image/jpeg'
    assert 'max-age' in answer.headers['cache-control'], 'a recorded picture is fetched once'
    decoded = cv2.cvtColor(cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert decoded.shape == recorded.shape
    # Noise is the worst that JPEG can meet; coarse squares of it must agree all the same.
    small = [cv2.resize(i.astype(np.float32), (8, 8), interpolation=cv2.INTER_AREA) for i in (decoded, recorded)]
    assert np.abs(small[0] - small[1]).max() < 8


@pytest.mark.parametrize(
    ('path', 'word'),
    [
        ('/api/episodes/01ARZ3NDEKTSV4RRFFQ69G5FAV', '01ARZ3NDEKTSV4RRFFQ69G5FAV'),
        ('/api/episodes/..%2f..%2fetc', 'Not Found'),
        ('/api/episodes/etc', "'etc' is not an episode's id"),
        ('/api/episodes/{episode}/back/0.jpg', "no camera 'back'; it has front, wrist"),
        ('/api/episodes/{episode}/front/12.jpg', 'steps 0 to 11, not 12'),
    ],
)
def test_what_is_not_there_is_named(client, shelf, path, word):
    answer = client.get(path.format(episode=of_kind(shelf, Kind.CORRECTION)))
    assert answer.status_code == 404
    assert word in answer.text


def test_an_unreadable_episode_is_listed_with_its_problem(shelf, tmp_path):
    root = Path(shutil.copytree(shelf, tmp_path / 'shelf'))
    path = next(iterate(root)).path
    (path / 'episode.yaml').write_text('schema: 77\n')
    episodes = Recordings(root).episodes()['episodes']
    assert [bool(episode['problem']) for episode in episodes] == [False, True]
    assert 'schema 77' in episodes[1]['problem']


def test_a_label_goes_to_the_recorder_and_to_the_file_where_none_runs(shelf, tmp_path, pad):
    root = Path(shutil.copytree(shelf, tmp_path / 'shelf'))
    bridge = FakeBridge()
    app = create_app(bridge, Access.for_address('127.0.0.1', 8080), Recordings(root), FakeRecords(), pad)
    episode = of_kind(root, Kind.CORRECTION)
    body = {'episode_id': episode, 'outcome': 'failure'}
    with TestClient(app, base_url='http://127.0.0.1:8080') as client:
        before = client.get(f'/api/episodes/{episode}').json()
        assert client.post('/api/episode/label', json=body).status_code == 200
        assert bridge.calls == [('label', episode, 'failure')]
        assert client.get(f'/api/episodes/{episode}').json()['outcome'] == 'success', 'the recorder does it'

        bridge.failures['label'] = UnavailableError("no node serves 'episode/label'")
        assert client.post('/api/episode/label', json=body).status_code == 200
        after = client.get(f'/api/episodes/{episode}').json()
        assert (after['outcome'], after['labelled_by']) == ('failure', 'console')
        assert sum(after['series']['reward']) < sum(before['series']['reward']), 'the rewards follow the label'
        assert next(e.meta.outcome for e in iterate(root) if e.meta.id == episode) is Outcome.FAILURE
        last = client.post('/api/episode/label', json={'outcome': 'failure'})
        assert last.status_code == 503, 'without a recorder nobody knows which was the last'
