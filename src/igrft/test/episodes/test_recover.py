# SPDX-License-Identifier: Apache-2.0
"""What is damaged is named and what is whole is saved."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from igrft.config import RobotConfig, TaskConfig
from igrft.episodes.reader import read_episode
from igrft.episodes.recover import recover
from igrft.episodes.scan import DamagedError, McapScan
from igrft.episodes.schema import NANO, EpisodeError, read_meta, write_meta
from igrft.episodes.synthetic import Script, SyntheticCell, synthetic_meta
from igrft.episodes.verify import verify
from igrft.episodes.writer import EpisodeWriter
from igrft.types import Outcome


def killed(root: Path, robot: RobotConfig, task: TaskConfig, flushed: int, steps: int = 12) -> Path:
    """The remains of a recorder that pushed ``flushed`` steps to the disk and was killed after some more."""
    script = Script(steps=steps)
    cell = SyntheticCell(robot, task, script)
    meta = replace(synthetic_meta(robot, task, script), outcome=Outcome.UNLABELLED)
    writer = EpisodeWriter(root, replace(meta, end=meta.start), cell.topics)
    pushed = False
    for item in cell.messages():
        if not pushed and item.stamp >= cell.stamp(flushed):
            writer.bag.flush()
            pushed = True
        writer.bag.write(item.index, item.stamp, item.stamp, item.data)
    writer.abort()
    return writer.partial


def test_a_sound_episode_is_sound(record, robot: RobotConfig) -> None:
    report = verify(record(steps=12), robot)
    assert report.problems == [] and report.notes == []
    assert report.steps == 12
    assert report.topics['camera/front/image_raw'].rate == pytest.approx(10.0)


def test_a_killed_recording_is_saved_up_to_the_last_chunk(tmp_path: Path, robot: RobotConfig, task: TaskConfig) -> None:
    partial = killed(tmp_path, robot, task, flushed=8)
    saved = recover(partial, robot)
    assert not partial.exists()
    assert 'ends before its footer' in saved.damage
    meta = read_meta(saved.path)
    assert (meta.outcome, meta.recovered) == (Outcome.UNLABELLED, True)
    assert len(read_episode(saved.path, robot).stamps) == saved.steps == 7
    assert [subtask.stamp is not None for subtask in meta.subtasks] == [True] * 4 + [False] * 2
    assert verify(saved.path, robot).sound
    assert [path.name for path in saved.path.parent.iterdir()] == [saved.path.name]


def test_nothing_whole_is_refused_and_kept(tmp_path: Path, robot: RobotConfig, task: TaskConfig) -> None:
    partial = killed(tmp_path, robot, task, flushed=0)
    with pytest.raises(EpisodeError, match='without a single step'):
        recover(partial, robot)
    assert partial.exists()
    assert [path for path in partial.parent.iterdir() if path != partial] == []


def test_a_running_recording_is_left_alone(tmp_path: Path, robot: RobotConfig, task: TaskConfig) -> None:
    script = Script(steps=4)
    cell = SyntheticCell(robot, task, script)
    writer = EpisodeWriter(tmp_path, synthetic_meta(robot, task, script), cell.topics)
    with pytest.raises(EpisodeError, match='being recorded right now'):
        recover(writer.partial, robot)
    writer.discard()
    assert list((tmp_path / task.name).iterdir()) == []


@pytest.mark.parametrize('share', [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_bag_is_named_and_saved(record, robot: RobotConfig, share: float) -> None:
    path = record(steps=30, completed=0)
    file = next(path.glob('*.mcap'))
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    report = verify(path, robot)
    assert not report.sound
    assert str(file) in report.problems[0] and 'damaged at byte' in report.problems[0]
    with pytest.raises(DamagedError):
        read_episode(path, robot)
    if share < 0.9:
        return  # small frames fit into one chunk: nothing whole is left before it
    saved = recover(path, robot)
    assert saved.steps >= 25
    assert verify(saved.path, robot).sound
    assert read_meta(saved.path).outcome is Outcome.SUCCESS


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.floats(0.001, 0.999), flip=st.integers(1, 255))
def test_no_flipped_byte_goes_unnoticed(
    tmp_path_factory: pytest.TempPathFactory, whole: Path, robot: RobotConfig, place: float, flip: int
) -> None:
    path = tmp_path_factory.mktemp('flip') / whole.name
    shutil.copytree(whole, path)
    file = next(path.glob('*.mcap'))
    content = bytearray(file.read_bytes())
    content[int(len(content) * place)] ^= flip
    file.write_bytes(content)
    assert not verify(path, robot).sound
    shutil.rmtree(path)


@pytest.fixture(scope='module')
def whole(tmp_path_factory: pytest.TempPathFactory, robot: RobotConfig, task: TaskConfig) -> Path:
    from igrft.episodes.synthetic import write_synthetic

    return write_synthetic(tmp_path_factory.mktemp('whole'), robot, task, Script(steps=5))


def test_counters_that_disagree_are_named(record, robot: RobotConfig) -> None:
    path = record()
    meta = read_meta(path)
    topics = (replace(meta.topics[0], messages=99, lost=3), *meta.topics[1:])
    write_meta(path, replace(meta, topics=topics, dropped=2))
    report = verify(path, robot)
    assert "'camera/front/image_raw' has 13 messages, episode.yaml counts 99" in report.problems[0]
    assert any('3 messages never reached' in note for note in report.notes)
    assert any('2 messages came faster' in note for note in report.notes)


def test_missing_files_are_named(record, robot: RobotConfig) -> None:
    path = record()
    next(path.glob('*.mcap')).unlink()
    assert 'missing, though metadata.yaml names it' in verify(path, robot).problems[0]
    (path / 'metadata.yaml').unlink()
    assert 'the bag was never finished' in verify(path, robot).problems[0]


@pytest.mark.parametrize('content', [b'', b'not a bag at all', b'\x89MCAP0\r\n'])
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / 'x.mcap'
    file.write_bytes(content)
    with pytest.raises(EpisodeError, match=r'x\.mcap'):
        list(McapScan(file).messages())


def test_a_foreign_bag_is_refused(record, robot: RobotConfig, tmp_path: Path) -> None:
    path = record()
    foreign = tmp_path / 'foreign'
    shutil.copytree(path, foreign)
    (foreign / 'episode.yaml').unlink()
    assert 'not an episode of igrft' in verify(foreign, robot).problems[0]
    meta = read_meta(path)
    write_meta(path, replace(meta, namespace='/somewhere_else'))
    report = verify(path, robot)
    assert any("topic 'joint_states' has no message" in problem for problem in report.problems)
    with pytest.raises(EpisodeError, match="no message of 'joint_states'"):
        read_episode(path, robot)


def test_a_hole_in_a_stream_is_named(tmp_path: Path, robot: RobotConfig, task: TaskConfig) -> None:
    script = Script(steps=20)
    cell = SyntheticCell(robot, task, script)
    meta = synthetic_meta(robot, task, script)
    writer = EpisodeWriter(tmp_path, meta, cell.topics)
    gone = range(cell.stamp(8), cell.stamp(12))
    for item in cell.messages():
        if not (cell.topics[item.index].encoding and item.stamp in gone):
            writer.bag.write(item.index, item.stamp, item.stamp, item.data)
    report = verify(writer.finish(meta), robot)
    assert any("'camera/wrist/image_raw' has a hole of 0.500 s" in problem for problem in report.problems)
    assert meta.duration == pytest.approx(2.0)
    assert meta.end - meta.start == 2 * NANO
