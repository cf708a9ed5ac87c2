# SPDX-License-Identifier: Apache-2.0
"""Reads an MCAP file front to back, record by record, and says at which byte it is damaged.

The summary at the file's end is not needed, so the same code reads a finished bag, verifies it, and takes what
is whole out of the remains of a killed recorder. Format: https://mcap.dev/spec.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import zstandard

from igrft.episodes.schema import EpisodeError

MAGIC = b'\x89MCAP0\r\n'
_CHUNK_LIMIT = 1 << 30
_FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 0x02, 0x03, 0x04, 0x05, 0x06, 0x0F
_RECORD = struct.Struct('<BQ')
_MESSAGE_HEAD = struct.Struct('<HIQQ')
_CHUNK_HEAD = struct.Struct('<QQQI')


class DamagedError(EpisodeError):
    """An MCAP file that is not whole.

    Attributes:
        path: the file.
        offset: of the first byte that cannot be used.
        reason: what is wrong there.
    """

    def __init__(self, path: Path, offset: int, reason: str) -> None:
        super().__init__(
            f'{path}: damaged at byte {offset}: {reason}; `igrft episodes recover {path.parent}` keeps '
            'what is whole before it'
        )
        self.path, self.offset, self.reason = path, offset, reason


@dataclass(frozen=True, slots=True)
class Channel:
    """A topic of the file."""

    topic: str
    type: str
    definition: str
    encoding: str


@dataclass(frozen=True, slots=True)
class Message:
    """A serialised message; ``offset`` is that of its chunk in the file."""

    channel: Channel
    sequence: int
    log_time: int
    publish_time: int
    data: memoryview
    offset: int


@dataclass
class McapScan:
    """One pass over a file.

    Args:
        path: an MCAP file.
        strict: also check the CRCs of the data section and the summary.
    """

    path: Path
    strict: bool = False
    channels: dict[int, Channel] = field(default_factory=dict)
    chunks: int = 0

    def messages(self, topics: Collection[str] | None = None) -> Iterator[Message]:
        """The messages in file order, of all topics or of some (full names).

        Raises:
            DamagedError: at the first record that is not whole; everything before it was yielded.
            EpisodeError: the file cannot be read, or is not an MCAP file of ROS 2.
        """
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise EpisodeError(f'{self.path}: cannot be read: {error.strerror}') from error
        if content[:8] != MAGIC:
            raise EpisodeError(f'{self.path}: not an MCAP file (wrong first bytes)')
        self._schemas: dict[int, tuple[str, str]] = {}
        view, at = memoryview(content), len(MAGIC)
        while True:
            opcode, start, end = self._record(view, at)
            try:
                if opcode == _CHUNK:
                    yield from self._chunk(view[start:end], at, topics)
                elif opcode == _MESSAGE:
                    yield from self._message(view[start:end], at, topics)
                else:
                    self._declare(opcode, view[start:end])
            except (struct.error, UnicodeDecodeError, zstandard.ZstdError, KeyError) as error:
                raise DamagedError(self.path, at, f'a record cannot be read: {error}') from error
            if opcode == _DATA_END and self.strict:
                self._check_crc(at, int.from_bytes(view[start:end], 'little'), view[:at], 'data section')
            if opcode == _FOOTER:
                self._check_end(view, at, start, end)
                return
            at = end

    def _record(self, view: memoryview, at: int) -> tuple[int, int, int]:
        """Opcode, begin and end of the record at ``at``."""
        if at + _RECORD.size > len(view):
            raise DamagedError(self.path, at, 'the file ends before its footer')
        opcode, length = _RECORD.unpack_from(view, at)
        start = at + _RECORD.size
        if start + length > len(view):
            raise DamagedError(self.path, at, f'a record of {length} bytes with {len(view) - start} left in the file')
        return opcode, start, start + length

    def _chunk(self, body: memoryview, offset: int, topics: Collection[str] | None) -> Iterator[Message]:
        _, _, size, crc = _CHUNK_HEAD.unpack_from(body)
        compression, at = _string(body, _CHUNK_HEAD.size)
        (length,) = struct.unpack_from('<Q', body, at)
        packed = body[at + 8 : at + 8 + length]
        if size > _CHUNK_LIMIT:
            raise DamagedError(self.path, offset, f'a chunk that claims {size} bytes')
        if compression == 'zstd':
            content = zstandard.ZstdDecompressor().decompress(packed, max_output_size=size)
        elif compression == '':
            content = bytes(packed)
        else:
            raise EpisodeError(
                f"{self.path}: chunk compression '{compression}' at byte {offset}; igrft reads zstd or none. "
                'Convert the bag with `ros2 bag convert`'
            )
        if len(content) != size:
            raise DamagedError(self.path, offset, f'a chunk of {len(content)} bytes that claims {size}')
        if crc and zlib.crc32(content) != crc:
            raise DamagedError(self.path, offset, 'the CRC of a chunk does not match its content')
        self.chunks += 1
        view, at = memoryview(content), 0
        while at < len(view):
            opcode, body_length = _RECORD.unpack_from(view, at)
            at += _RECORD.size
            record = view[at : at + body_length]
            if opcode == _MESSAGE:
                yield from self._message(record, offset, topics)
            else:
                self._declare(opcode, record)
            at += body_length

    def _message(self, record: memoryview, offset: int, topics: Collection[str] | None) -> Iterator[Message]:
        channel_id, sequence, log_time, publish_time = _MESSAGE_HEAD.unpack_from(record)
        channel = self.channels[channel_id]
        if topics is None or channel.topic in topics:
            data = record[_MESSAGE_HEAD.size :]
            yield Message(channel, sequence, log_time, publish_time, data, offset)

    def _declare(self, opcode: int, record: memoryview) -> None:
        if opcode == _SCHEMA:
            name, at = _string(record, 2)
            _, at = _string(record, at)
            definition, _ = _string(record, at)
            self._schemas[struct.unpack_from('<H', record)[0]] = (name, definition)
        elif opcode == _CHANNEL:
            number, schema = struct.unpack_from('<HH', record)
            topic, at = _string(record, 4)
            encoding, _ = _string(record, at)
            name, definition = self._schemas.get(schema, ('', ''))
            self.channels[number] = Channel(topic, name, definition, encoding)

    def _check_end(self, view: memoryview, at: int, start: int, end: int) -> None:
        if view[end : end + len(MAGIC)] != MAGIC or end + len(MAGIC) != len(view):
            raise DamagedError(self.path, end, 'the file does not end with the MCAP magic')
        summary, _, crc = struct.unpack_from('<QQI', view, start)
        if self.strict and summary:
            # The CRC covers the summary and the footer up to the CRC itself.
            self._check_crc(at, crc, view[summary : end - 4], 'summary')

    def _check_crc(self, offset: int, expected: int, content: memoryview, what: str) -> None:
        if expected and zlib.crc32(content) != expected:
            raise DamagedError(self.path, offset, f'the CRC of the {what} does not match its content')


def _string(view: memoryview, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from('<I', view, at)
    return str(view[at + 4 : at + 4 + length], 'utf-8'), at + 4 + length
