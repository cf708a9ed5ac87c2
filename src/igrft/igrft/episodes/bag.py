# SPDX-License-Identifier: Apache-2.0
"""The bag of an episode: its files, its topics by relative name, its messages."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from igrft.episodes.definitions import DECODE_ERRORS, reading_typestore
from igrft.episodes.scan import Channel, McapScan, Message
from igrft.episodes.schema import EpisodeError, EpisodeMeta, read_meta
from igrft.episodes.topics import resolved

METADATA_FILE = 'metadata.yaml'
_Loader: Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A message: relative topic name, deserialised content."""

    topic: str
    message: Any


class EpisodeBag:
    """An episode's directory, opened.

    Args:
        directory: ``<root>/<task>/<utc>_<ulid>``.

    Raises:
        EpisodeError: it is not an episode; names the file and the remedy.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.meta: EpisodeMeta = read_meta(directory)
        self.files = bag_files(directory)

    def raw(self, topics: Collection[str] | None = None, strict: bool = False) -> Iterator[Message]:
        """Serialised messages of all topics or of some (relative names), in file order."""
        names = None if topics is None else {resolved(self.meta.namespace, t) for t in topics}
        for path in self.files:
            yield from McapScan(path, strict).messages(names)

    def decoded(self, topics: Collection[str]) -> Iterator[Decoded]:
        """Deserialised messages of some topics, in file order.

        Raises:
            EpisodeError: a message does not deserialise; names file, topic and offset.
        """
        decode = MessageDecoder()
        for path in self.files:
            names = {resolved(self.meta.namespace, topic): topic for topic in topics}
            for message in McapScan(path).messages(names):
                yield Decoded(names[message.channel.topic], decode(path, message))


class MessageDecoder:
    """Deserialises messages with the definitions that their own bag carries."""

    def __init__(self) -> None:
        self._stores: dict[tuple[str, str], Any] = {}

    def __call__(self, path: Path, message: Message) -> Any:
        """The message of a file ``path``.

        Raises:
            EpisodeError: it is not what its type says; names file, topic and offset.
        """
        channel = message.channel
        try:
            return self._store(channel).deserialize_cdr(message.data, channel.type)
        except DECODE_ERRORS as error:
            raise EpisodeError(
                f"{path}: topic '{channel.topic}', chunk at byte {message.offset}: a message is not a "
                f'{channel.type}: {error}; the bag was written by something else, or its disk fails'
            ) from error

    def _store(self, channel: Channel) -> Any:
        key = (channel.type, channel.definition)
        if key not in self._stores:
            if channel.encoding != 'cdr':
                raise ValueError(f"message encoding '{channel.encoding}', expected 'cdr'")
            self._stores[key] = reading_typestore(frozenset([key]))
        return self._stores[key]


def bag_files(directory: Path) -> tuple[Path, ...]:
    """The MCAP files that ``metadata.yaml`` names.

    Raises:
        EpisodeError: no metadata, another storage, or a file is missing; names it.
    """
    path = directory / METADATA_FILE
    try:
        document = yaml.load(path.read_text('utf-8'), Loader=_Loader)
        information = document['rosbag2_bagfile_information']
        storage, names = information['storage_identifier'], list(information['relative_file_paths'])
    except FileNotFoundError as error:
        raise EpisodeError(
            f'{path}: missing, so the bag was never finished; `igrft episodes recover {directory}`'
        ) from error
    except (yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise EpisodeError(f'{path}: not the metadata of a rosbag2 bag: {error!r}') from error
    if storage != 'mcap':
        raise EpisodeError(f"{path}: storage '{storage}'; igrft reads mcap, `ros2 bag convert` makes it")
    files = tuple(directory / str(name) for name in names)
    for file in files:
        if not file.is_file():
            raise EpisodeError(f'{file}: missing, though {path.name} names it')
    return files
