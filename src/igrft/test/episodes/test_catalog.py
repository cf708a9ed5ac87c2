# SPDX-License-Identifier: Apache-2.0
"""Finding, filtering and labelling episodes; the command line on top of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from igrft.cli.episodes import app
from igrft.config import RobotConfig, TaskConfig
from igrft.episodes.catalog import find, iterate, partials, relabel, require
from igrft.episodes.schema import EpisodeError, read_meta
from igrft.types import Kind, Outcome

from_command = CliRunner()


@pytest.fixture
def three(record, tmp_path: Path) -> list[Path]:
    paths = [
        record(steps=3, kind=Kind.DEMONSTRATION),
        record(steps=3, kind=Kind.ROLLOUT, outcome=Outcome.FAILURE),
        record(steps=3, kind=Kind.ROLLOUT),
    ]
    hidden = tmp_path / 'block_stacking' / '.20260101T000000Z_01ARZ3NDEKTSV4RRFFQ69G5FAV.partial'
    hidden.mkdir()
    (hidden / 'episode.yaml').write_text('schema: 0')
    return paths


def test_filters_and_dots(three: list[Path], tmp_path: Path) -> None:
    assert {entry.path for entry in iterate(tmp_path)} == set(three)
    assert len(list(iterate(tmp_path, kind=Kind.ROLLOUT))) == 2
    assert [e.path for e in iterate(tmp_path, kind=Kind.ROLLOUT, outcome=Outcome.FAILURE)] == [three[1]]
    assert len(list(iterate(tmp_path, task='block_stacking'))) == 3
    assert list(iterate(tmp_path, task='parcel_packing')) == []
    assert len(partials(tmp_path)) == 1


def test_an_empty_dataset_says_what_is_there(three: list[Path], tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match=r'no episode of evaluation; there are: .*rollout/failure.*1 unfinished'):
        require(tmp_path, kind=Kind.EVALUATION)
    (tmp_path / 'empty').mkdir()
    with pytest.raises(EpisodeError, match='no episode at all'):
        require(tmp_path / 'empty')
    with pytest.raises(EpisodeError, match='no such directory'):
        require(tmp_path / 'nothing')


def test_find_by_path_and_by_the_end_of_the_id(three: list[Path], tmp_path: Path) -> None:
    assert find(tmp_path, str(three[0])) == three[0]
    assert find(tmp_path, three[1].name[-8:]) == three[1]
    with pytest.raises(EpisodeError, match='0 episodes'):
        find(tmp_path, 'ZZZZZZZZ')
    for pattern in ('**', '*', '?', '[A-Z]'):
        with pytest.raises(EpisodeError, match='0 episodes'):
            find(tmp_path, pattern)


def test_relabel(three: list[Path]) -> None:
    relabel(three[1], Outcome.SUCCESS, 'second look')
    meta = read_meta(three[1])
    assert (meta.outcome, meta.labelled_by) == (Outcome.SUCCESS, 'second look')


def test_list_show_label(three: list[Path], tmp_path: Path) -> None:
    listed = from_command.invoke(app, ['list', '-r', str(tmp_path)])
    assert listed.exit_code == 0 and '3 episodes, 2 successful' in listed.output
    assert '1 unfinished' in listed.output
    shown = from_command.invoke(app, ['show', three[0].name[-8:], '-r', str(tmp_path)])
    assert shown.exit_code == 0 and 'executed_action' in shown.output and 'human' in shown.output
    assert from_command.invoke(app, ['label', str(three[0]), 'failure']).exit_code == 0
    assert read_meta(three[0]).outcome is Outcome.FAILURE
    missing = from_command.invoke(app, ['show', 'ZZZZZZZZ', '-r', str(tmp_path)])
    assert missing.exit_code == 1 and '0 episodes' in missing.output


def test_verify_and_recover_tell_by_their_exit_code(tmp_path: Path, robot: RobotConfig, task: TaskConfig) -> None:
    made = from_command.invoke(app, ['synthesise', str(tmp_path), '--count', '1', '--steps', '4'])
    assert made.exit_code == 0
    assert from_command.invoke(app, ['verify', '-r', str(tmp_path)]).exit_code == 0
    file = next(tmp_path.glob('*/*/*.mcap'))
    content = file.read_bytes()
    file.write_bytes(content[:-40])
    broken = from_command.invoke(app, ['verify', '-r', str(tmp_path)])
    assert broken.exit_code == 1 and 'damaged at byte' in broken.output
    saved = from_command.invoke(app, ['recover', str(file.parent)])
    assert saved.exit_code == 0 and '4 steps' in saved.output
    assert from_command.invoke(app, ['verify', '-r', str(tmp_path)]).exit_code == 0
    assert from_command.invoke(app, ['verify', '-r', str(tmp_path / 'nothing')]).exit_code == 1
    assert from_command.invoke(app, ['recover', str(tmp_path / 'nothing')]).exit_code == 1
