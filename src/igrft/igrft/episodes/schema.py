# SPDX-License-Identifier: Apache-2.0
"""``episode.yaml``: what is known of an episode without opening its bag.

All times in the file are integer nanoseconds of the clock that stamped the messages, so that a stamp in the
file and the same stamp in the bag compare equal.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

import igrft
from igrft.config import ConfigError, as_dict, parse
from igrft.types import EpisodeInfo, Kind, Outcome, Source

SCHEMA_VERSION = 1
EPISODE_FILE = 'episode.yaml'
NANO = 1_000_000_000

_Loader: Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
_Dumper: Any = getattr(yaml, 'CSafeDumper', yaml.SafeDumper)
_CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'


class EpisodeError(ValueError):
    """An episode that cannot be written or used; the text names the file, what is wrong and the remedy."""


def new_ulid() -> str:
    """A ULID: 48 bits of Unix milliseconds and 80 random bits in Crockford's base 32 (26 letters)."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), 'big')
    return ''.join(_CROCKFORD[value >> 5 * place & 31] for place in range(25, -1, -1))


def directory_name(ulid: str) -> str:
    """``<utc>_<ulid>``, the UTC second being the one in the ULID."""
    milliseconds = functools.reduce(lambda n, c: n << 5 | _CROCKFORD.index(c), ulid[:10], 0)
    return f'{time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(milliseconds / 1000))}_{ulid}'


@dataclass(frozen=True, kw_only=True)
class SourceSpan:
    """Consecutive executed actions of one source: stamps of the first and the last [ns]."""

    source: str
    """policy, human or hold"""
    start: int
    end: int

    def __post_init__(self) -> None:
        if self.source.upper() not in Source.__members__:
            raise ValueError(f"source '{self.source}'; known are: policy, human, hold")


@dataclass(frozen=True, kw_only=True)
class Span:
    """A takeover: the stamps at which the human began and ceased to drive [ns]."""

    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class SubtaskRecord:
    """One ordered part of the task, and when it was completed."""

    name: str
    weight: float
    stamp: int | None = None
    """[ns] t_k, none where it was never completed"""
    annotator: str = ''


@dataclass(frozen=True, kw_only=True)
class TopicRecord:
    """One recorded topic and its counters."""

    name: str
    type: str
    messages: int
    lost: int = 0
    """Messages that a publisher sent and the recorder never got, by publication sequence numbers"""


@dataclass(frozen=True, kw_only=True)
class EpisodeMeta:
    """The content of ``episode.yaml``."""

    schema: int = SCHEMA_VERSION
    id: str
    """ULID"""
    task: str
    instruction: str
    robot: str
    kind: Kind
    outcome: Outcome = Outcome.UNLABELLED
    labelled_by: str = ''
    """Who set the outcome: operator, timeout, a person's name"""
    seed: int = 0
    split: str = 'in'
    dt: float
    """[s] one policy step"""
    lockstep: bool = False
    namespace: str = '/'
    """ROS namespace of the recorded graph; the bag's topic names begin with it"""
    start: int
    """[ns] stamp of the first step"""
    end: int
    """[ns] stamp of the event that ended it; steps from here on are not part of the episode"""
    subtasks: tuple[SubtaskRecord, ...] = ()
    sources: tuple[SourceSpan, ...] = ()
    interventions: tuple[Span, ...] = ()
    checkpoint: str = ''
    """Id of the checkpoint that the policy's actions came from"""
    topics: tuple[TopicRecord, ...] = ()
    dropped: int = 0
    """Messages that arrived but could not be written in time; 0 in a sound episode"""
    recovered: bool = False
    """Made from the remains of a killed recorder"""
    problem: str = ''
    """Why the recording stopped early, '' when it did not"""
    version: str = ''
    commit: str = ''

    def __post_init__(self) -> None:
        if self.schema != SCHEMA_VERSION:
            raise ValueError(f'schema {self.schema}; this igrft reads schema {SCHEMA_VERSION}')
        if self.dt <= 0:
            raise ValueError('dt must be positive [s]')

    @property
    def duration(self) -> float:
        """[s] from the first step to the end."""
        return max(0, self.end - self.start) / NANO

    @property
    def completed(self) -> int:
        """How many subtasks were completed."""
        return sum(subtask.stamp is not None for subtask in self.subtasks)

    @property
    def progress(self) -> float:
        """Share of the subtasks completed, in [0, 1]."""
        return self.completed / len(self.subtasks) if self.subtasks else 0.0

    @property
    def lost(self) -> int:
        """Messages missing from the bag, over all topics."""
        return self.dropped + sum(topic.lost for topic in self.topics)

    def info(self) -> EpisodeInfo:
        """The part that learning needs."""
        return EpisodeInfo(
            id=self.id,
            task=self.task,
            instruction=self.instruction,
            kind=self.kind,
            outcome=self.outcome,
            seed=self.seed,
            split=self.split,
            checkpoint=self.checkpoint,
        )


def write_meta(directory: Path, meta: EpisodeMeta) -> Path:
    """Write ``episode.yaml`` into an episode's directory, atomically."""
    text = yaml.dump(_plain(as_dict(meta)), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    path = directory / EPISODE_FILE
    write_atomically(path, text.encode())
    return path


def read_meta(directory: Path) -> EpisodeMeta:
    """Read an episode's ``episode.yaml``.

    Raises:
        EpisodeError: the directory is not an episode, or the file is unusable; names the file and the key.
    """
    path = directory / EPISODE_FILE
    try:
        data = yaml.load(path.read_text(encoding='utf-8'), Loader=_Loader)
    except FileNotFoundError as error:
        if not directory.is_dir():
            raise EpisodeError(f'{directory}: no such directory') from error
        raise EpisodeError(
            f'{directory}: no {EPISODE_FILE}, so this is not an episode of igrft. '
            'A bag from elsewhere cannot be trained on; record it through episode_node'
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise EpisodeError(f'{path}: not YAML: {error}') from error
    if isinstance(data, Mapping) and data.get('schema') != SCHEMA_VERSION:
        raise EpisodeError(
            f'{path}: schema {data.get("schema")!r}; this igrft reads schema {SCHEMA_VERSION}. '
            'Use the igrft that recorded it, or record anew'
        )
    try:
        return parse(data, EpisodeMeta, str(path))
    except ConfigError as error:
        raise EpisodeError(str(error)) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a crash leaves the old one or the new one, never a part."""
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        with open(temporary, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@functools.cache
def software() -> tuple[str, str]:
    """Version of igrft, and the git commit of its source tree ('' when it is not in one)."""
    try:
        version = importlib.metadata.version('igrft')
    except importlib.metadata.PackageNotFoundError:
        version = igrft.__version__
    git = next((p / '.git' for p in Path(__file__).resolve().parents if (p / '.git').is_dir()), None)
    return version, _head(git) if git else ''


def _head(git: Path) -> str:
    head = _text(git / 'HEAD')
    if not head.startswith('ref: '):
        return head
    name = head.removeprefix('ref: ')
    loose = _text(git / name)
    packed = (line.split() for line in _text(git / 'packed-refs').splitlines())
    return loose or next((words[0] for words in packed if words[1:] == [name]), '')


def _text(path: Path) -> str:
    return path.read_text(encoding='utf-8').strip() if path.is_file() else ''


def _plain(value: Any) -> Any:
    """Enums as their values, at every depth."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
