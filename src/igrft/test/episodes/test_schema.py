# SPDX-License-Identifier: Apache-2.0
"""``episode.yaml``: what is written is read, what is wrong is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from igrft.episodes.schema import (
    EPISODE_FILE,
    EpisodeError,
    EpisodeMeta,
    SourceSpan,
    Span,
    SubtaskRecord,
    TopicRecord,
    directory_name,
    new_ulid,
    read_meta,
    write_atomically,
    write_meta,
)
from igrft.types import Kind, Outcome

META = EpisodeMeta(
    id='01ARZ3NDEKTSV4RRFFQ69G5FAV',
    task='block_stacking',
    instruction='stack: the “red” block',
    robot='sim',
    kind=Kind.CORRECTION,
    outcome=Outcome.SUCCESS,
    seed=2**63,
    dt=0.1,
    start=1_795_453_800_088_707_006,
    end=1_795_453_804_088_707_006,
    subtasks=(
        SubtaskRecord(name='reach', weight=0.4, stamp=1_795_453_801_000_000_001),
        SubtaskRecord(name='x', weight=0.6),
    ),
    sources=(SourceSpan(source='policy', start=1, end=2),),
    interventions=(Span(start=3, end=4),),
    topics=(TopicRecord(name='joint_states', type='sensor_msgs/msg/JointState', messages=3, lost=1),),
    dropped=2,
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_meta(tmp_path, META)
    assert read_meta(tmp_path) == META
    assert (META.duration, META.completed, META.progress, META.lost) == (4.0, 1, 0.5, 3)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'schema': 99}, 'schema 99'),
        ({'outcome': 'great'}, 'outcome'),
        ({'outcom': 'success'}, "did you mean 'outcome'"),
        ({'dt': 0.0}, 'dt must be positive'),
        ({'start': 'yesterday'}, 'start'),
        ({'sources': [{'source': 'ghost', 'start': 0, 'end': 1}]}, 'ghost'),
        ({'subtasks': [{'name': 'reach'}]}, 'weight'),
    ],
)
def test_wrong_values_are_named_with_the_file(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = write_meta(tmp_path, META)
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | change))
    with pytest.raises(EpisodeError, match=message) as error:
        read_meta(tmp_path)
    assert str(path) in str(error.value)


def test_a_foreign_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match='not an episode of igrft'):
        read_meta(tmp_path)
    with pytest.raises(EpisodeError, match='no such directory'):
        read_meta(tmp_path / 'nothing')
    (tmp_path / EPISODE_FILE).write_text('a: [1')
    with pytest.raises(EpisodeError, match='not YAML'):
        read_meta(tmp_path)
    (tmp_path / EPISODE_FILE).write_text('just words')
    with pytest.raises(EpisodeError, match='mapping'):
        read_meta(tmp_path)


def test_ulids_sort_by_time_and_name_the_directory() -> None:
    ulids = [new_ulid() for _ in range(50)]
    assert len(set(ulids)) == 50
    assert all(len(ulid) == 26 for ulid in ulids)
    assert [ulid[:10] for ulid in ulids] == sorted(ulid[:10] for ulid in ulids)
    assert directory_name('01ARZ3NDEKTSV4RRFFQ69G5FAV') == '20160730T235410Z_01ARZ3NDEKTSV4RRFFQ69G5FAV'


@given(st.binary(max_size=100))
def test_an_interrupted_write_leaves_the_old_file(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp('atomic')
    write_atomically(folder / 'file', b'old')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, 'replace', _fail)
        with pytest.raises(OSError, match='disk'):
            write_atomically(folder / 'file', content)
    assert (folder / 'file').read_bytes() == b'old'
    assert [path.name for path in folder.iterdir()] == ['file']
    write_atomically(folder / 'file', content)
    assert (folder / 'file').read_bytes() == content


def _fail(*_: object) -> None:
    raise OSError('the disk is gone')
