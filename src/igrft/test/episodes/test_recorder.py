# SPDX-License-Identifier: Apache-2.0
"""The writing thread: everything in order, nothing half-named, a full disk is a clear end."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from igrft.config import RobotConfig, TaskConfig
from igrft.episodes.catalog import partials
from igrft.episodes.definitions import writing_typestore
from igrft.episodes.digest import Digest
from igrft.episodes.reader import read_episode
from igrft.episodes.recorder import Recorded, Recorder
from igrft.episodes.schema import EpisodeError, EpisodeMeta, read_meta
from igrft.episodes.synthetic import Script, SyntheticCell, synthetic_meta
from igrft.episodes.writer import EpisodeWriter, _Sink
from igrft.types import Kind


class Recording:
    """A recorder being fed a script."""

    def __init__(self, root: Path, robot: RobotConfig, task: TaskConfig, script: Script, **options: int) -> None:
        self.cell = SyntheticCell(robot, task, script)
        self.meta = synthetic_meta(robot, task, script)
        digest = Digest('camera/front/image_raw', self.meta.subtasks, writing_typestore())
        self.recorder = Recorder(EpisodeWriter(root, self.meta, self.cell.topics), digest, **options)
        self.done = threading.Event()
        self.result: Recorded | None = None

    def feed(self) -> None:
        for item in self.cell.messages():
            self.recorder.put(item.index, item.stamp, item.stamp, item.data)

    def deliver(self, recorded: Recorded) -> None:
        self.result = recorded
        self.done.set()

    def finish(self, meta: EpisodeMeta | None = None, lost: dict[str, int] | None = None) -> Recorded:
        self.recorder.finish(meta or self.meta, lost or {}, self.deliver)
        return self.wait()

    def wait(self) -> Recorded:
        assert self.done.wait(20) and self.recorder.join(20)
        assert self.result is not None
        return self.result


def test_what_is_fed_is_on_the_disk(tmp_path: Path, robot: RobotConfig, task: TaskConfig) -> None:
    script = Script(steps=16, kind=Kind.CORRECTION, checkpoint='ckpt-7')
    recording = Recording(tmp_path, robot, task, script)
    recording.feed()
    result = recording.finish(lost={'ee_pose': 4})
    assert result.problem == '' and result.steps == 16 and result.path is not None
    meta = read_meta(result.path)
    assert meta == result.meta
    assert [span.source for span in meta.sources] == ['policy', 'human', 'policy']
    assert [(s.start, s.end) for s in meta.interventions] == [(recording.cell.stamp(8), recording.cell.stamp(12))]
    assert (meta.checkpoint, meta.completed, meta.lost) == ('ckpt-7', 6, 4)
    assert {topic.name: topic.messages for topic in meta.topics}['executed_action'] == 17
    assert len(read_episode(result.path, robot).stamps) == 16
    assert partials(tmp_path) == []


def test_until_it_is_finished_it_is_no_episode(tmp_path: Path, robot: RobotConfig, task: TaskConfig) -> None:
    recording = Recording(tmp_path, robot, task, Script(steps=3))
    recording.feed()
    assert [path.name[0] for path in (tmp_path / task.name).iterdir()] == ['.']
    assert len(partials(tmp_path)) == 1
    recording.recorder.discard(recording.meta, 'unwanted', recording.deliver)
    result = recording.wait()
    assert (result.path, result.problem) == (None, 'unwanted')
    assert list((tmp_path / task.name).iterdir()) == []


def test_an_episode_without_a_step_is_not_kept(tmp_path: Path, robot: RobotConfig, task: TaskConfig) -> None:
    result = Recording(tmp_path, robot, task, Script(steps=3)).finish()
    assert result.path is None and 'no step' in result.problem
    assert list((tmp_path / task.name).iterdir()) == []


def test_a_full_disk_ends_the_episode_with_its_name(
    tmp_path: Path, robot: RobotConfig, task: TaskConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    write = _Sink.write

    def fill(sink: _Sink, data: bytes) -> int:
        if sum(written) + len(data) > 20_000:
            raise OSError(errno.ENOSPC, 'No space left on device')
        written.append(len(data))
        return write(sink, data)

    monkeypatch.setattr(_Sink, 'write', fill)
    recording = Recording(tmp_path, robot, task, Script(steps=60))
    recording.feed()
    result = recording.finish()
    assert result.path is None
    assert 'No space left on device' in result.problem and 'episodes recover' in result.problem
    assert [path.name[0] for path in (tmp_path / task.name).iterdir()] == ['.']


@pytest.mark.parametrize('method', ['finish', 'abort', 'discard'])
def test_whatever_fails_at_the_end_the_caller_is_answered(
    tmp_path: Path, robot: RobotConfig, task: TaskConfig, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(errno.EDQUOT, 'Disk quota exceeded')

    monkeypatch.setattr(EpisodeWriter, 'finish', fail)
    monkeypatch.setattr(EpisodeWriter, method, fail)
    recording = Recording(tmp_path, robot, task, Script(steps=3))
    recording.feed()
    if method == 'discard':
        recording.recorder.discard(recording.meta, 'unwanted', recording.deliver)
        result = recording.wait()
    else:
        result = recording.finish()
    assert result.path is None and 'Disk quota exceeded' in result.problem
    assert ('nor could it be closed' in result.problem) == (method == 'abort')


def test_a_queue_that_is_full_drops_and_counts(tmp_path: Path, robot: RobotConfig, task: TaskConfig) -> None:
    recording = Recording(tmp_path, robot, task, Script(steps=16), limit=8_000)
    recording.feed()
    recording.recorder.put(0, 0, 0, b'\0' * 9_000)
    result = recording.finish()
    assert result.meta.dropped >= 1
    assert result.meta.lost >= result.meta.dropped


def test_a_root_that_cannot_be_written_is_named(tmp_path: Path, robot: RobotConfig, task: TaskConfig) -> None:
    (tmp_path / 'file').write_text('')
    script = Script()
    with pytest.raises(EpisodeError, match='check episodes_dir'):
        EpisodeWriter(tmp_path / 'file', synthetic_meta(robot, task, script), SyntheticCell(robot, task, script).topics)


def test_a_message_that_is_none_ends_the_episode(tmp_path: Path, robot: RobotConfig, task: TaskConfig) -> None:
    recording = Recording(tmp_path, robot, task, Script(steps=3))
    index = next(i for i, topic in enumerate(recording.cell.topics) if topic.name == 'executed_action')
    recording.recorder.put(index, 1, 1, b'\0\1\0\0' + b'\xff' * 30)
    recording.feed()
    result = recording.finish()
    assert result.path is None and 'igrft_msgs' in result.problem
