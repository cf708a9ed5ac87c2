# SPDX-License-Identifier: Apache-2.0
"""What ``episode.yaml`` says about the content of a bag, gathered while the messages pass by.

The recorder feeds it live, ``igrft episodes recover`` feeds it from the remains of a bag: same result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rosbags.typesys.store import Typestore

from igrft.episodes.cdr import header_stamp
from igrft.episodes.definitions import DECODE_ERRORS
from igrft.episodes.schema import NANO, EpisodeError, EpisodeMeta, SourceSpan, Span, SubtaskRecord
from igrft.episodes.topics import EXECUTED_ACTION, INTERVENTION, SUBTASK_MARK, TELEOP_EVENT
from igrft.types import Mode, Source


def stamp_of(message: Any) -> int:
    """Header stamp of a deserialised message [ns]."""
    return int(message.header.stamp.sec) * NANO + int(message.header.stamp.nanosec)


@dataclass
class Digest:
    """Facts of one episode.

    Args:
        grid_topic: the image stream whose stamps are the policy's steps.
        subtasks: the task's ordered parts, none completed yet.
        store: deserialises the small topics.
    """

    grid_topic: str
    subtasks: Sequence[SubtaskRecord]
    store: Typestore
    grid: set[int] = field(default_factory=set)
    sources: dict[int, int] = field(default_factory=dict)
    modes: dict[int, int] = field(default_factory=dict)
    marks: list[tuple[int, int | None, str]] = field(default_factory=list)
    checkpoints: Counter[str] = field(default_factory=Counter)
    newest: int = 0

    def add(self, topic: str, type_name: str, data: bytes | memoryview) -> None:
        """Take one serialised message of the relative name ``topic``.

        Raises:
            EpisodeError: the bytes are not a message of the type; names the topic.
        """
        try:
            if topic == self.grid_topic:
                self.grid.add(header_stamp(data))
                self.newest = max(self.newest, header_stamp(data))
            elif topic in (EXECUTED_ACTION, INTERVENTION, SUBTASK_MARK, TELEOP_EVENT):
                self._take(topic, self.store.deserialize_cdr(data, type_name))
        except DECODE_ERRORS as error:
            raise EpisodeError(f"'{topic}': a message is not a {type_name}: {error}; restart its node") from error

    def _take(self, topic: str, message: Any) -> None:
        stamp = stamp_of(message)
        if topic == EXECUTED_ACTION:
            self.sources[stamp] = int(message.source)
            self.newest = max(self.newest, stamp)
            if message.source == Source.POLICY and message.checkpoint:
                self.checkpoints[message.checkpoint] += 1
        elif topic == INTERVENTION:
            self.modes[stamp] = int(message.mode)
        elif topic == SUBTASK_MARK:
            self.marks.append((stamp, int(message.index), str(message.annotator)))
        elif message.event == 'mark_subtask':
            self.marks.append((stamp, None, str(message.device)))

    def steps(self, start: int, end: int) -> int:
        """Policy steps with a stamp in [start, end)."""
        return sum(start <= stamp < end for stamp in self.grid)

    def completed(self) -> int:
        """Subtasks marked so far."""
        return sum(subtask.stamp is not None for subtask in self.subtask_records(0, self.newest + NANO))

    def apply(self, meta: EpisodeMeta) -> EpisodeMeta:
        """``meta`` (whose start and end are set) with everything the messages say."""
        newest = self.checkpoints.most_common(1)
        return replace(
            meta,
            subtasks=self.subtask_records(meta.start, meta.end),
            sources=self.source_spans(meta.start, meta.end),
            interventions=self.intervention_spans(meta.start, meta.end),
            checkpoint=newest[0][0] if newest else meta.checkpoint,
        )

    def source_spans(self, start: int, end: int) -> tuple[SourceSpan, ...]:
        """Runs of executed actions of one source in [start, end)."""
        spans: list[SourceSpan] = []
        for stamp, value in sorted(self.sources.items()):
            if not start <= stamp < end:
                continue
            source = Source(value).name.lower()
            if spans and spans[-1].source == source:
                spans[-1] = replace(spans[-1], end=stamp)
            else:
                spans.append(SourceSpan(source=source, start=stamp, end=stamp))
        return tuple(spans)

    def intervention_spans(self, start: int, end: int) -> tuple[Span, ...]:
        """Takeovers within [start, end]; one still running at the end is cut there."""
        spans: list[Span] = []
        began: int | None = None
        for stamp, mode in sorted(self.modes.items()):
            if stamp >= end:
                break
            if mode == Mode.CORRECTING:
                began = max(stamp, start) if began is None else began
            elif began is not None:
                if stamp > start:
                    spans.append(Span(start=began, end=stamp))
                began = None
        if began is not None:
            spans.append(Span(start=began, end=end))
        return tuple(spans)

    def subtask_records(self, start: int, end: int) -> tuple[SubtaskRecord, ...]:
        """The task's subtasks with the first mark of each in [start, end].

        A mark without an index (the operator's button) completes the next open subtask. A mark of a subtask
        that the task does not have belongs to nothing and is left in the bag.
        """
        records = list(self.subtasks)
        for stamp, index, annotator in sorted(self.marks, key=lambda mark: mark[0]):
            if not start <= stamp <= end:
                continue
            if index is None:
                index = next((i for i, r in enumerate(records) if r.stamp is None), len(records))
            if index < len(records) and records[index].stamp is None:
                records[index] = replace(records[index], stamp=stamp, annotator=annotator)
        return tuple(records)
