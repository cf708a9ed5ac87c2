# SPDX-License-Identifier: Apache-2.0
"""Writes an episode: a rosbag2 directory with one MCAP file, and ``episode.yaml``.

The file is made of small chunks (zstd, CRC) that are pushed to the kernel every second, so that a killed
recorder loses at most the last second; ``mcap`` is used because it can close a chunk on demand.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from mcap.writer import CompressionType, IndexType, Writer

from igrft.episodes.definitions import describe
from igrft.episodes.metadata import BagSummary, QosProfile, bag_metadata, offered_qos, to_yaml
from igrft.episodes.schema import (
    EpisodeError,
    EpisodeMeta,
    directory_name,
    sync_directory,
    write_atomically,
    write_meta,
)
from igrft.episodes.topics import TopicSpec, resolved

CHUNK_BYTES = 512 * 1024
PARTIAL = '.partial'


class _Sink(io.RawIOBase):
    """An unbuffered file: an error belongs to the write that caused it, and closing cannot raise another."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, 'xb', buffering=0)  # noqa: SIM115 (closed in close)
        fcntl.flock(self._file, fcntl.LOCK_EX)  # tells `recover` that somebody is still writing
        self._position = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        view = memoryview(data)
        while view:
            written = self._file.write(view)
            if not written:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._file.name))
            view = view[written:]
            self._position += written
        return len(data)

    def tell(self) -> int:
        return self._position

    def sync(self) -> None:
        os.fsync(self._file.fileno())

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class BagWriter:
    """One MCAP file of a rosbag2 directory; ``close`` adds the index and ``metadata.yaml``.

    Args:
        directory: an existing, empty directory.
        name: the bag's name; the file is ``<name>_0.mcap``.
        topics: what will be written, by index.
        offered: per topic name the QoS profiles its publishers offer; default the topic's own.
        namespace: what relative topic names are resolved with.

    Raises:
        OSError: the file cannot be created.
        EpisodeError: a topic's type is not known.
    """

    def __init__(
        self,
        directory: Path,
        name: str,
        topics: Sequence[TopicSpec],
        offered: Mapping[str, Sequence[QosProfile]] | None = None,
        namespace: str = '/',
    ) -> None:
        self.directory = directory
        self.topics = tuple(topics)
        self._names = tuple(resolved(namespace, topic.name) for topic in topics)
        self.offered = [list((offered or {}).get(t.name, ())) or [offered_qos(t.qos)] for t in topics]
        self.counts = [0] * len(topics)
        self.first, self.last = 0, 0
        types = {topic.type: describe(topic.type) for topic in topics}
        self.path = directory / f'{name}_0.mcap'
        self._sink = _Sink(self.path)
        self._writer = Writer(
            _Unbuffered(self._sink),  # type: ignore[arg-type]
            chunk_size=CHUNK_BYTES,
            compression=CompressionType.ZSTD,
            index_types=IndexType.ALL,
            enable_crcs=True,
            enable_data_crcs=True,
        )
        self._writer.start(profile='ros2', library='igrft')
        schemas = {
            name: self._writer.register_schema(name, 'ros2msg', definition.encode())
            for name, (definition, _) in types.items()
        }
        self._hashes = [types[topic.type][1] for topic in topics]
        self._channels = [
            self._writer.register_channel(
                self._names[i],
                'cdr',
                schemas[topic.type],
                {'offered_qos_profiles': to_yaml(self.offered[i]), 'topic_type_hash': self._hashes[i]},
            )
            for i, topic in enumerate(topics)
        ]

    def write(self, index: int, log_time: int, publish_time: int, data: bytes, sequence: int = 0) -> None:
        """Add one serialised message of topic number ``index``; times in [ns]."""
        self._writer.add_message(self._channels[index], log_time, data, publish_time, sequence)
        self.first = log_time if not any(self.counts) else min(self.first, log_time)
        self.last = max(self.last, log_time)
        self.counts[index] += 1

    def flush(self) -> None:
        """Close the chunk: what was written so far survives the death of this process."""
        self._writer.flush()

    def close(self) -> None:
        """Write the index, the summary and ``metadata.yaml``; everything is on the disk afterwards."""
        self._writer.flush()
        summary = BagSummary(
            file=self.path.name,
            names=self._names,
            types=tuple(topic.type for topic in self.topics),
            hashes=tuple(self._hashes),
            offered=tuple(self.offered),
            counts=tuple(self.counts),
            start=self.first,
            end=self.last,
        )
        document = bag_metadata(summary)
        information = document['rosbag2_bagfile_information']
        self._writer.add_metadata('rosbag2', {'serialized_metadata': to_yaml(information)})
        self._writer.finish()
        self._sink.sync()
        self._sink.close()
        write_atomically(self.directory / 'metadata.yaml', to_yaml(document).encode())

    def abort(self) -> None:
        """Close the file as it is; ``igrft episodes recover`` can read its whole chunks."""
        self._sink.close()


class _Unbuffered:
    """What the MCAP writer needs of a stream, without the buffer it would put around a raw file."""

    def __init__(self, sink: _Sink) -> None:
        self.write = sink.write
        self.tell = sink.tell
        self.flush = sink.flush


class EpisodeWriter:
    """An episode while it is recorded: ``<root>/<task>/.<utc>_<ulid>.partial``, renamed when complete.

    ``episode.yaml`` is written first, with what is known at the start, so that the remains of a killed
    recorder say what they are.

    Raises:
        EpisodeError: the directory cannot be made; names it and the reason.
    """

    def __init__(
        self,
        root: Path,
        meta: EpisodeMeta,
        topics: Sequence[TopicSpec],
        offered: Mapping[str, Sequence[QosProfile]] | None = None,
    ) -> None:
        name = directory_name(meta.id)
        self.final = root / meta.task / name
        self.partial = root / meta.task / f'.{name}{PARTIAL}'
        try:
            self.partial.mkdir(parents=True)
            write_meta(self.partial, meta)
            self.bag = BagWriter(self.partial, name, topics, offered, meta.namespace)
        except OSError as error:
            shutil.rmtree(self.partial, ignore_errors=True)
            raise EpisodeError(
                f'{self.partial}: cannot record here: {error.strerror}; '
                'check episodes_dir, its permissions and the free space'
            ) from error

    def finish(self, meta: EpisodeMeta) -> Path:
        """Complete the bag and ``episode.yaml``, then give the directory its name.

        Raises:
            OSError: the disk refuses; the partial directory stays as it is.
        """
        self.bag.close()
        write_meta(self.partial, meta)
        os.rename(self.partial, self.final)
        sync_directory(self.final.parent)
        return self.final

    def abort(self) -> None:
        """Leave a partial directory behind for ``igrft episodes recover``."""
        self.bag.abort()

    def discard(self) -> None:
        """Delete what was recorded.

        Raises:
            OSError: the partial directory cannot be removed.
        """
        self.bag.abort()
        shutil.rmtree(self.partial)
