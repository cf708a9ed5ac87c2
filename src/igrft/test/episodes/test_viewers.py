# SPDX-License-Identifier: Apache-2.0
"""The viewers beside the console: Rerun's file of an episode, Foxglove's layout on its bag."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from igrft.cli import view
from igrft.cli.main import app
from igrft.config import RobotConfig, TaskConfig, config_dir, named
from igrft.episodes.bag import EpisodeBag
from igrft.episodes.replay import load_replay
from igrft.episodes.synthetic import Script, write_synthetic
from igrft.types import Kind

LIVE_ONLY = {'/diagnostics', '/episode/status', '/camera/front/camera_info', '/camera/wrist/camera_info'}
"""What an episode's bag does not hold: the state of the recorder itself; a made-up episode has no camera infos."""
needs_rerun = pytest.mark.skipif(importlib.util.find_spec('rerun') is None, reason=view.INSTALL)


@pytest.fixture(scope='module')
def episode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    robot, task = named('robots', 'sim', RobotConfig), named('tasks', 'block_stacking', TaskConfig)
    return write_synthetic(tmp_path_factory.mktemp('root'), robot, task, Script(steps=8, kind=Kind.CORRECTION))


def test_a_replay_has_a_value_of_every_curve_for_every_step(episode):
    replay = load_replay(episode)
    assert {name: len(curve) for name, curve in replay.curves.items()} == dict.fromkeys(view.TITLES, 8)
    assert [stretch.what for stretch in replay.sources] == ['policy', 'human', 'policy']
    assert replay.sources[0].start == 0.0 and replay.sources[-1].end == pytest.approx(0.8)
    assert all(np.diff(replay.curves['potential']) > 0)


@needs_rerun
def test_an_episode_becomes_a_file_that_rerun_opens(episode, tmp_path):
    from rerun.chunk import RrdReader

    target = tmp_path / 'episode.rrd'
    done = CliRunner().invoke(app, ['episodes', 'view', str(episode), '--save', str(target)])
    assert done.exit_code == 0, done.output
    chunks = RrdReader(str(target)).stream().to_chunks()
    paths = {chunk.entity_path for chunk in chunks}
    assert {'/camera/front', '/camera/wrist', '/curve/reward', '/curve/potential', '/action/0/vx', '/driver'} <= paths
    batch = next(c for c in chunks if c.entity_path == '/curve/reward' and not c.is_static).to_record_batch()
    columns = {name: batch.column(name).to_pylist() for name in batch.schema.names}
    values = next(column for name, column in columns.items() if 'calars' in name)
    assert [value[0] for value in values] == pytest.approx(load_replay(episode).curves['reward'].tolist())
    assert len(columns[view.TIMELINE]) == 8


def test_without_rerun_the_remedy_is_named(episode, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'rerun', None)
    done = CliRunner().invoke(app, ['episodes', 'view', str(episode)])
    assert done.exit_code == 1
    assert 'tools/extras/rerun.txt' in ' '.join(done.output.split())


def panels(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    else:
        yield from panels(node['first'])
        yield from panels(node['second'])


def message_paths(value: Any) -> Iterator[str]:
    """Every topic and message path in a panel's configuration."""
    if isinstance(value, str) and value.startswith('/'):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from message_paths(item)
    elif isinstance(value, list):
        for item in value:
            yield from message_paths(item)


def test_the_foxglove_layout_shows_what_an_episode_holds(episode):
    layout = json.loads((config_dir() / 'foxglove' / 'igrft.json').read_text())
    assert sorted(panels(layout['layout'])) == sorted(layout['configById'])
    bag = EpisodeBag(episode)
    messages: dict[str, Any] = {}
    for item in bag.decoded([topic.name.lstrip('/') for topic in bag.meta.topics]):
        messages.setdefault(f'/{item.topic}', item.message)
    recorded = {f'/{topic.name.lstrip("/")}' for topic in bag.meta.topics}
    for path in message_paths(layout['configById']):
        topic, *fields = re.split(r'[.\[]', path)
        assert topic in recorded | LIVE_ONLY, f'{path} is of no topic that an episode or the graph has'
        if fields and topic in messages:
            assert hasattr(messages[topic], fields[0]), f'{path}: the message has no such field'
