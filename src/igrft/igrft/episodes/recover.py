# SPDX-License-Identifier: Apache-2.0
"""Makes a valid episode of what a killed recorder left: everything up to the last whole chunk."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from igrft.config import RobotConfig
from igrft.episodes.definitions import writing_typestore
from igrft.episodes.digest import Digest
from igrft.episodes.scan import DamagedError, McapScan, Message
from igrft.episodes.schema import (
    EpisodeError,
    EpisodeMeta,
    TopicRecord,
    directory_name,
    read_meta,
    sync_directory,
    write_meta,
)
from igrft.episodes.topics import TopicSpec, episode_topics, grid_camera, image_topic, resolved
from igrft.episodes.writer import PARTIAL, BagWriter
from igrft.types import Outcome


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was saved: the episode's directory, its messages and steps, and where the damage began."""

    path: Path
    messages: int
    steps: int
    damage: str


def recover(directory: Path, robot: RobotConfig) -> Recovered:
    """Turn a ``.partial`` directory (or a complete one with a damaged bag) into a valid episode.

    The old directory is deleted once the new one is on the disk; a damaged bag that was complete is kept
    as ``.<name>.damaged``. The outcome stays what it was, unlabelled for a recording that never ended.

    Raises:
        EpisodeError: it holds no step that could be saved, or it is still being recorded by another process.
    """
    meta = read_meta(directory)
    source = next(iter(sorted(directory.glob('*.mcap'))), None)
    if source is None:
        raise EpisodeError(f'{directory}: no .mcap file, nothing can be recovered; delete it')
    topics = episode_topics(robot)
    unfinished = directory.name.endswith(PARTIAL)
    name = directory_name(meta.id)
    final = directory.parent / name
    _check_free(directory, source, final if unfinished else None)
    work = directory.parent / f'.{name}.recovering'
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        counts, digest, damage = _copy(source, work, name, meta, topics, robot)
        new = _meta(meta, digest, topics, counts, unfinished)
        steps = digest.steps(new.start, new.end)
        if steps == 0:
            raise EpisodeError(f'{directory}: {damage or "whole"}, but without a single step; delete it')
        write_meta(work, new)
        if not unfinished:
            os.rename(directory, directory.parent / f'.{name}.damaged')
        os.rename(work, final)
        sync_directory(final.parent)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    if unfinished:
        shutil.rmtree(directory)
    return Recovered(final, sum(counts), steps, damage)


def _check_free(directory: Path, source: Path, final: Path | None) -> None:
    with source.open('rb') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EpisodeError(f'{directory}: is being recorded right now; stop the episode first') from error
    if final is not None and final.exists():
        raise EpisodeError(f'{final} exists already, so {directory} was recovered before; delete the latter')


def _copy(
    source: Path,
    work: Path,
    name: str,
    meta: EpisodeMeta,
    topics: tuple[TopicSpec, ...],
    robot: RobotConfig,
) -> tuple[list[int], Digest, str]:
    """Write every whole message anew; returns the counts, the facts, and where the damage began."""
    index = {resolved(meta.namespace, topic.name): i for i, topic in enumerate(topics)}
    plain = tuple(replace(subtask, stamp=None, annotator='') for subtask in meta.subtasks)
    digest = Digest(image_topic(grid_camera(robot)), plain, writing_typestore())
    bag = BagWriter(work, name, topics, namespace=meta.namespace)
    damage: list[str] = []
    try:
        for message in _whole(source, damage):
            i = index.get(message.channel.topic)
            if i is not None:
                data = bytes(message.data)
                bag.write(i, message.log_time, message.publish_time, data, message.sequence)
                digest.add(topics[i].name, topics[i].type, data)
    except BaseException:
        bag.abort()
        raise
    bag.close()
    return bag.counts, digest, damage[0] if damage else ''


def _whole(source: Path, damage: list[str]) -> Iterator[Message]:
    try:
        yield from McapScan(source).messages()
    except DamagedError as error:
        damage.append(f'byte {error.offset}: {error.reason}')


def _meta(
    meta: EpisodeMeta,
    digest: Digest,
    topics: tuple[TopicSpec, ...],
    counts: list[int],
    unfinished: bool,
) -> EpisodeMeta:
    # The last step is whole only if its action is there: the newest stamp ends the episode.
    newest = max(digest.sources, default=meta.start)
    end = min(newest, meta.end) if meta.end > meta.start else newest
    lost = {topic.name: topic.lost for topic in meta.topics}
    records = tuple(
        TopicRecord(name=t.name, type=t.type, messages=n, lost=lost.get(t.name, 0))
        for t, n in zip(topics, counts, strict=True)
    )
    outcome = Outcome.UNLABELLED if unfinished else meta.outcome
    return digest.apply(replace(meta, end=end, outcome=outcome, topics=records, recovered=True))
