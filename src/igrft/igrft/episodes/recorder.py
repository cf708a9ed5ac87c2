# SPDX-License-Identifier: Apache-2.0
"""A thread that writes one episode, fed through a bounded queue so that the feeder never waits for the disk."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from igrft.episodes.digest import Digest
from igrft.episodes.schema import EpisodeError, EpisodeMeta, TopicRecord
from igrft.episodes.writer import EpisodeWriter

QUEUE_BYTES = 256 * 1024 * 1024
FLUSH_PERIOD = 1.0
"""[s] of wall time between two chunks; what a killed recorder loses at most."""

_Message = tuple[int, int, int, bytes, int]


@dataclass(frozen=True, slots=True)
class Recorded:
    """How a recording ended: ``path`` is None when nothing was kept, ``problem`` says why."""

    meta: EpisodeMeta
    path: Path | None
    steps: int
    problem: str = ''


class Recorder:
    """Owns an :class:`EpisodeWriter` and its thread from the first message to the rename.

    Args:
        writer: the open episode.
        digest: gathers the facts of ``episode.yaml``; used by the writing thread only.
        limit: bytes that may wait for the disk; a message beyond them is dropped and counted.
    """

    def __init__(self, writer: EpisodeWriter, digest: Digest, limit: int = QUEUE_BYTES) -> None:
        self.problem = ''
        """Why nothing more can be written, '' while all is well."""
        self.dropped = 0
        self._writer = writer
        self._digest = digest
        self._limit = limit
        self._taken = 0
        self._put = 0
        self._queue: queue.SimpleQueue[_Message | Callable[[], None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name='episode-writer', daemon=True)
        self._thread.start()

    def put(self, index: int, log_time: int, publish_time: int, data: bytes, sequence: int = 0) -> None:
        """Queue one serialised message of topic number ``index``; never blocks."""
        if self.problem:
            return
        if self._put - self._taken + len(data) > self._limit:
            self.dropped += 1
            return
        self._put += len(data)
        self._queue.put((index, log_time, publish_time, data, sequence))

    @property
    def completed(self) -> int:
        """Subtasks marked so far (as far as the thread has got)."""
        return self._digest.completed()

    def finish(self, meta: EpisodeMeta, lost: dict[str, int], done: Callable[[Recorded], None]) -> None:
        """Write everything queued, complete the episode, then call ``done`` in the writing thread."""
        self._queue.put(lambda: done(self._ended(meta, lambda: self._finish(meta, lost))))

    def discard(self, meta: EpisodeMeta, reason: str, done: Callable[[Recorded], None]) -> None:
        """Delete what was written, then call ``done`` in the writing thread."""
        self._queue.put(lambda: done(self._ended(meta, lambda: self._discard(meta, reason))))

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the thread's end; false when it is still writing."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        bag = self._writer.bag
        due = time.monotonic() + FLUSH_PERIOD
        dirty = False
        while True:
            try:
                item = self._queue.get(timeout=max(0.0, due - time.monotonic()))
            except queue.Empty:
                item = None
            if callable(item):
                item()
                return
            try:
                if item is not None:
                    index, log_time, publish_time, data, sequence = item
                    self._taken += len(data)
                    if not self.problem:
                        topic = bag.topics[index]
                        bag.write(index, log_time, publish_time, data, sequence)
                        self._digest.add(topic.name, topic.type, data)
                        dirty = True
                if time.monotonic() >= due:
                    due = time.monotonic() + FLUSH_PERIOD
                    if dirty and not self.problem:
                        bag.flush()
                        dirty = False
            except Exception as error:  # noqa: BLE001 (whatever it is, the episode ends with it, by name)
                self.problem = self._describe(error)

    def _ended(self, meta: EpisodeMeta, end: Callable[[], Recorded]) -> Recorded:
        """However the disk fails, the caller gets an answer."""
        try:
            return end()
        except Exception as error:  # noqa: BLE001 (it is told by name, and the next episode may begin)
            self.problem = self._describe(error)
            return self._failed(meta)

    def _finish(self, meta: EpisodeMeta, lost: dict[str, int]) -> Recorded:
        if self.problem:
            return self._failed(meta)
        counts = zip(self._writer.bag.topics, self._writer.bag.counts, strict=True)
        topics = tuple(TopicRecord(name=t.name, type=t.type, messages=n, lost=lost.get(t.name, 0)) for t, n in counts)
        final = replace(self._digest.apply(meta), topics=topics, dropped=self.dropped)
        steps = self._digest.steps(meta.start, meta.end)
        if steps == 0:
            return self._discard(final, meta.problem or 'discarded: it has no step')
        return Recorded(final, self._writer.finish(final), steps, meta.problem)

    def _failed(self, meta: EpisodeMeta) -> Recorded:
        try:
            self._writer.abort()
        except OSError as error:
            self.problem += f' (nor could it be closed: {error})'
        return Recorded(meta, None, 0, self.problem)

    def _discard(self, meta: EpisodeMeta, reason: str) -> Recorded:
        self._writer.discard()
        return Recorded(meta, None, 0, reason)

    def _describe(self, error: Exception) -> str:
        if isinstance(error, EpisodeError):
            return str(error)
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return (
            f'cannot write {self._writer.partial}: {why}; free the disk, then '
            f'`igrft episodes recover {self._writer.partial}` keeps what was written'
        )
