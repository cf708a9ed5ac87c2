# SPDX-License-Identifier: Apache-2.0
"""Checks an episode from the first byte to the last: files, CRCs, messages, topics, rates, gaps, counters."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from igrft.config import RobotConfig
from igrft.episodes.bag import METADATA_FILE, EpisodeBag, MessageDecoder
from igrft.episodes.cdr import MalformedError, header_stamp
from igrft.episodes.reader import MAX_GAP, read_episode
from igrft.episodes.schema import NANO, EpisodeError, EpisodeMeta
from igrft.episodes.topics import EXECUTED_ACTION, TopicSpec, episode_topics, resolved


@dataclass
class TopicReport:
    """What the bag has of one topic."""

    name: str
    type: str
    messages: int = 0
    stamps: list[int] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """[Hz] over the distinct header stamps, 0 with fewer than two."""
        unique = sorted(set(self.stamps))
        span = (unique[-1] - unique[0]) / NANO if unique else 0.0
        return (len(unique) - 1) / span if span else 0.0

    @property
    def gap(self) -> float:
        """[s] the longest time between two stamps."""
        unique = sorted(set(self.stamps))
        return max((b - a for a, b in zip(unique, unique[1:], strict=False)), default=0) / NANO


@dataclass
class Report:
    """The findings about one episode: it is sound when ``problems`` is empty."""

    path: Path
    meta: EpisodeMeta | None = None
    topics: dict[str, TopicReport] = field(default_factory=dict)
    chunks: int = 0
    steps: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Nothing is wrong with it."""
        return not self.problems


def verify(directory: Path, robot: RobotConfig) -> Report:
    """Check an episode of ``robot``; every finding names file or topic, place and remedy."""
    report = Report(directory)
    try:
        bag = EpisodeBag(directory)
        report.meta = bag.meta
        _read_everything(bag, report)
        _check_topics(report, bag.meta, episode_topics(robot))
        _check_counters(report, bag)
        report.steps = len(read_episode(directory, robot).stamps)
    except EpisodeError as error:
        report.problems.append(str(error))
    return report


def _read_everything(bag: EpisodeBag, report: Report) -> None:
    """Every CRC, and every message deserialised with its own definition."""
    prefix = resolved(bag.meta.namespace, '')
    decode = MessageDecoder()
    chunks: set[tuple[Path, int]] = set()
    path = bag.files[0]
    for message in bag.raw(strict=True):
        decode(path, message)
        name = message.channel.topic.removeprefix(prefix)
        topic = report.topics.setdefault(name, TopicReport(name, message.channel.type))
        topic.messages += 1
        chunks.add((path, message.offset))
        try:
            topic.stamps.append(header_stamp(message.data))
        except MalformedError as error:
            raise EpisodeError(
                f"{path}: topic '{message.channel.topic}', chunk at byte {message.offset}: {error}"
            ) from error
    report.chunks = len(chunks)


def _check_topics(report: Report, meta: EpisodeMeta, topics: tuple[TopicSpec, ...]) -> None:
    for spec in topics:
        found = report.topics.get(spec.name)
        needed = spec.required or spec.name == EXECUTED_ACTION
        if found is None:
            if needed:
                report.problems.append(f"{report.path}: topic '{spec.name}' has no message; the episode cannot be used")
            continue
        if found.type != spec.type:
            report.problems.append(f"{report.path}: topic '{spec.name}' is of type {found.type}, expected {spec.type}")
        if spec.rate and found.gap > MAX_GAP / spec.rate:
            report.problems.append(f"{report.path}: '{spec.name}' has a hole of {found.gap:.3f} s at {spec.rate:g} Hz")
        if spec.rate and found.rate and abs(found.rate / spec.rate - 1) > 0.1:
            report.notes.append(f"'{spec.name}' ran at {found.rate:.1f} Hz, configured are {spec.rate:g}")
    known = {spec.name for spec in topics}
    foreign = sorted(set(report.topics) - known)
    if foreign:
        report.notes.append(f'topics that igrft does not know: {", ".join(foreign)}')
    if meta.problem:
        report.notes.append(f'recording stopped early: {meta.problem}')
    if meta.recovered:
        report.notes.append('recovered from a killed recorder')


def _check_counters(report: Report, bag: EpisodeBag) -> None:
    for record in bag.meta.topics:
        messages = report.topics[record.name].messages if record.name in report.topics else 0
        if messages != record.messages:
            report.problems.append(
                f"{report.path}: '{record.name}' has {messages} messages, episode.yaml counts "
                f'{record.messages}; the bag is not the one that was recorded'
            )
        if record.lost:
            report.notes.append(f"'{record.name}': {record.lost} messages never reached the recorder")
    if bag.meta.dropped:
        report.notes.append(f'{bag.meta.dropped} messages came faster than the disk took them')
    for name, messages in _metadata_counts(bag).items():
        found = report.topics.get(name)
        if (found.messages if found else 0) != messages:
            report.problems.append(
                f"{bag.directory / METADATA_FILE}: counts {messages} messages of '{name}', the bag has "
                f'{found.messages if found else 0}; `igrft episodes recover` writes it anew'
            )


def _metadata_counts(bag: EpisodeBag) -> dict[str, int]:
    document = yaml.safe_load((bag.directory / METADATA_FILE).read_text('utf-8'))
    prefix = resolved(bag.meta.namespace, '')
    counts: dict[str, int] = defaultdict(int)
    for entry in document['rosbag2_bagfile_information']['topics_with_message_count']:
        counts[entry['topic_metadata']['name'].removeprefix(prefix)] += entry['message_count']
    return counts
