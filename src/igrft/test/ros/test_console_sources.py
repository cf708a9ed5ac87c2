# SPDX-License-Identifier: Apache-2.0
"""What the console reads beside the running episode: the nodes' health, and what training left on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from igrft.config import as_dict, named
from igrft.console.records import RecordError
from igrft.rollout.curriculum import CurriculumConfig
from igrft.ros.console_health import FORGET, SILENCE, HealthWatch
from igrft.ros.console_records import DiskRecords


def said(name: str, level: bytes = DiagnosticStatus.OK, **values: str) -> DiagnosticArray:
    status = DiagnosticStatus(level=level, name=name, message='so')
    status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    return DiagnosticArray(status=[status])


def test_the_worst_comes_first_and_silence_is_worse_than_a_warning():
    now = 0.0
    watch = HealthWatch('/', lambda: now)
    watch.take(said('a_node: one'))
    watch.take(said('b_node: two', DiagnosticStatus.WARN))
    watch.take(said('c_node: three', DiagnosticStatus.ERROR))
    assert [c.level for c in watch.components()] == ['error', 'warn', 'ok']
    now = SILENCE + 1.0
    watch.take(said('c_node: three', DiagnosticStatus.ERROR))
    watch.take(said('b_node: two', DiagnosticStatus.WARN))
    found = [(c.node, c.level) for c in watch.components()]
    assert found == [('c_node', 'error'), ('a_node', 'stale'), ('b_node', 'warn')]
    assert 'silent' in watch.components()[1].text
    now = FORGET + 1.0
    assert {c.node for c in watch.components()} == {'b_node', 'c_node'}, 'the node that ended long ago is forgotten'


def test_a_console_in_a_namespace_shows_its_own_graph_only():
    watch = HealthWatch('/cell_a', lambda: 0.0)
    watch.take(said('cell_a/policy_node: policy', checkpoint='sft-1'))
    watch.take(said('cell_b/policy_node: policy', checkpoint='sft-2'))
    assert [(c.node, c.name) for c in watch.components()] == [('policy_node', 'policy')]
    assert watch.value('policy_node', 'checkpoint') == 'sft-1'
    assert watch.value('policy_node', 'colour') == ''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, stage in (('sft-1', 'sft'), ('hil-1', 'hil'), ('.hil-2.partial', 'hil')):
        folder = tmp_path / 'checkpoints' / name
        folder.mkdir(parents=True)
        (folder / 'manifest.json').write_text(json.dumps({'id': name, 'stage': stage, 'round': 0, 'step': 7}))
    (tmp_path / 'checkpoints' / 'sft-1' / 'manifest.json').touch()
    writer = EventFileWriter(str(tmp_path / 'tensorboard' / 'sft-1'))
    for step in range(3):
        value = Summary.Value(tag='policy/loss', simple_value=1.0 / (1 + step))
        writer.add_event(Event(step=10 * step, summary=Summary(value=[value])))
    writer.close()
    (tmp_path / 'tower').mkdir()
    results = [{'outcome': 'success'}] * 3 + [{'outcome': 'failure'}]
    progress = {
        'format': 1,
        'settings': {'curriculum': as_dict(named('curriculum', 'quick', CurriculumConfig))},
        'episodes': {'evaluation after SFT': results, 'demonstrations': results},
        'checkpoints': {},
        'seconds': {},
    }
    (tmp_path / 'tower' / 'loop.json').write_text(json.dumps(progress))
    return tmp_path


def test_checkpoints_curves_and_success_are_read_from_disk(root):
    records = DiskRecords(root)
    overview = records.overview()
    assert {c['id'] for c in overview['checkpoints']} == {'sft-1', 'hil-1'}, 'what is being written is not there yet'
    assert overview['runs'] == ['sft-1']
    (stage,) = overview['stages']
    assert (stage['task'], stage['stage'], stage['successes'], stage['n']) == ('tower', 'SFT', 3, 4)
    assert 0 < stage['low'] < 0.75 < stage['high'] < 1
    curve = records.curves('sft-1')['policy/loss']
    assert curve['steps'] == [0, 10, 20] and curve['values'] == pytest.approx([1, 1 / 2, 1 / 3])
    assert records.checkpoint('hil-1') == str(root / 'checkpoints' / 'hil-1')


@pytest.mark.parametrize('name', ['hil-9', '.hil-2.partial', '..', '../checkpoints/sft-1', '', '/etc'])
def test_only_names_that_are_there_become_paths(root, name):
    with pytest.raises(RecordError):
        DiskRecords(root).checkpoint(name)
    with pytest.raises(RecordError):
        DiskRecords(root).curves(name)


def test_a_loop_file_that_cannot_be_read_is_named(root):
    (root / 'tower' / 'loop.json').write_text('{')
    (stage,) = DiskRecords(root).overview()['stages']
    assert 'loop.json' in stage['problem']


def test_an_empty_folder_is_no_error(tmp_path):
    assert DiskRecords(tmp_path / 'nothing').overview() == {'checkpoints': [], 'runs': [], 'stages': []}
