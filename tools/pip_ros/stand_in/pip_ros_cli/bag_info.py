# SPDX-License-Identifier: Apache-2.0
"""``ros2 bag info``: what ``metadata.yaml`` says, in rosbag2's layout."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rosbags.rosbag2 import Reader, ReaderError

_INDENT = ' ' * 19
_SECOND = 10**9


@dataclass(frozen=True)
class Topic:
    """One topic of a bag."""

    name: str
    type: str
    count: int
    serialization_format: str


@dataclass(frozen=True)
class BagInfo:
    """What a bag holds; times in nanoseconds since the epoch."""

    files: list[str]
    size: int
    storage: str
    distro: str
    start: int
    duration: int
    count: int
    topics: list[Topic]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ros2 bag info``."""
    parser.add_argument('bag_path', type=Path, help='Bag to open')
    parser.add_argument(
        '-s', '--storage', help='Accepted; the storage is told by the bag itself')
    parser.add_argument(
        '-t', '--topic-name', action='store_true', help='Only display topic names.')
    parser.add_argument(
        '-v', '--verbose', action='store_true', help='Display size contribution of topics.')
    parser.add_argument(
        '--sort', choices=('name', 'type', 'count'), default='name',
        help='Configuration for sorting of output. By default sorts by topic name.')


def read_info(bag: Path) -> BagInfo:
    """Return what the bag directory (or a single ``.mcap``) says of itself.

    Raises:
        RuntimeError: if it is no bag; it names the file and what is wrong.
    """
    if bag.is_file():
        return _info_of_file(bag)
    metadata = bag / 'metadata.yaml'
    if not metadata.is_file():
        raise RuntimeError(f"'{bag}' is no bag: there is no '{metadata}'")
    try:
        info = yaml.safe_load(metadata.read_text(encoding='utf-8'))['rosbag2_bagfile_information']
        topics = [
            Topic(entry['topic_metadata']['name'], entry['topic_metadata']['type'],
                  entry['message_count'], entry['topic_metadata']['serialization_format'])
            for entry in info['topics_with_message_count']]
        files = list(info['relative_file_paths'])
        return BagInfo(
            files, sum((bag / name).stat().st_size for name in files),
            info['storage_identifier'], info.get('ros_distro') or 'unknown',
            info['starting_time']['nanoseconds_since_epoch'], info['duration']['nanoseconds'],
            info['message_count'], topics)
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise RuntimeError(f"'{metadata}' is damaged: {error!r}") from error
    except FileNotFoundError as error:
        raise RuntimeError(f"'{bag}' is incomplete: '{error.filename}' is missing") from error


def _info_of_file(path: Path) -> BagInfo:
    try:
        with Reader(path) as reader:
            topics = [
                Topic(each.topic, each.msgtype, each.msgcount, 'cdr')
                for each in reader.connections]
            return BagInfo(
                [path.name], path.stat().st_size, path.suffix.removeprefix('.'), 'unknown',
                reader.start_time, max(0, reader.duration - 1), reader.message_count, topics)
    except (ReaderError, OSError) as error:
        raise RuntimeError(f"'{path}' cannot be read: {error}") from error


def format_size(size: float) -> str:
    """Return a number of bytes as rosbag2 prints it."""
    units = ('B', 'KiB', 'MiB', 'GiB', 'TiB')
    index = 0
    while size >= 1024 and index < len(units) - 1:
        size /= 1024
        index += 1
    return f'{size:.0f} B' if index == 0 else f'{size:.1f} {units[index]}'


def _seconds(nanoseconds: int) -> str:
    return f'{nanoseconds // _SECOND}.{nanoseconds % _SECOND:09d}'


def _moment(nanoseconds: int) -> str:
    local = time.localtime(nanoseconds // _SECOND)
    stamp = time.strftime('%b %e %Y %H:%M:%S', local)
    return f'{stamp}.{nanoseconds % _SECOND:09d} ({_seconds(nanoseconds)})'


def run(args: argparse.Namespace) -> str | None:
    """Print it."""
    info = read_info(args.bag_path)
    keys: dict[str, Any] = {
        'name': lambda topic: topic.name,
        'type': lambda topic: (topic.type, topic.name),
        'count': lambda topic: (topic.count, topic.name)}
    topics = sorted(info.topics, key=keys[args.sort])
    if args.topic_name and not args.verbose:
        for topic in topics:
            print(topic.name)
        return None
    sizes = _sizes(args.bag_path) if args.verbose else None
    lines = []
    for topic in topics:
        size = '' if sizes is None else f'Size Contribution: {format_size(sizes[topic.name])} | '
        lines.append(f'Topic: {topic.name} | Type: {topic.type} | Count: {topic.count} | {size}'
                     f'Serialization Format: {topic.serialization_format}')
    separator = '\n' + _INDENT
    print()
    print(f'Files:             {separator.join(info.files)}')
    print(f'Bag size:          {format_size(info.size)}')
    print(f'Storage id:        {info.storage}')
    print(f'ROS Distro:        {info.distro}')
    print(f'Duration:          {_seconds(info.duration)}s')
    print(f'Start:             {_moment(info.start)}')
    print(f'End:               {_moment(info.start + info.duration)}')
    print(f'Messages:          {info.count}')
    print(f'Topic information: {separator.join(lines)}')
    print('Service:           0')
    print('Service information: ')
    return None


def _sizes(bag: Path) -> Counter[str]:
    sizes: Counter[str] = Counter()
    try:
        with Reader(bag) as reader:
            for connection, _, data in reader.messages():
                sizes[connection.topic] += len(data)
    except (ReaderError, OSError) as error:
        raise RuntimeError(f"'{bag}' cannot be read: {error}") from error
    return sizes
