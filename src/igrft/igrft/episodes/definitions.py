# SPDX-License-Identifier: Apache-2.0
"""Message definitions: the standard ones of ROS 2 Jazzy, and igrft_msgs from its ``.msg`` files."""

from __future__ import annotations

import functools
import os
import struct
from pathlib import Path

from rosbags.serde import SerdeError
from rosbags.typesys import Stores, TypesysError, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from igrft.episodes.schema import EpisodeError

DECODE_ERRORS = (SerdeError, TypesysError, ValueError, KeyError, IndexError, struct.error)
"""What bytes that are not a message of their type raise in the parser and in the deserialiser."""


def message_directory(package: str = 'igrft_msgs') -> Path:
    """The folder of a package's ``.msg`` files: installed, or in the source tree.

    Raises:
        EpisodeError: neither exists.
    """
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    installed = [Path(prefix) / 'share' / package / 'msg' for prefix in prefixes if prefix]
    source = [parent / package / 'msg' for parent in Path(__file__).resolve().parents]
    for folder in (*installed, *source):
        if any(folder.glob('*.msg')):
            return folder
    raise EpisodeError(
        f'the message definitions of {package} are not installed; build the workspace with colcon and '
        'source its setup file'
    )


@functools.cache
def writing_typestore() -> Typestore:
    """Standard types and igrft_msgs, for writing bags."""
    store = get_typestore(Stores.ROS2_JAZZY)
    types = {}
    for path in sorted(message_directory().glob('*.msg')):
        types.update(get_types_from_msg(path.read_text('utf-8'), f'igrft_msgs/msg/{path.stem}'))
    store.register(types)
    return store


@functools.cache
def describe(type_name: str) -> tuple[str, str]:
    """A type's full definition (``.msg`` text with its dependencies) and its RIHS01 hash.

    Raises:
        EpisodeError: the type is not known.
    """
    store = writing_typestore()
    if type_name not in store.fielddefs:
        raise EpisodeError(f"message type '{type_name}' is not known; is its package built and sourced?")
    definition, _ = store.generate_msgdef(type_name, ros_version=2)
    return definition, store.hash_rihs01(type_name)


@functools.lru_cache(maxsize=64)
def reading_typestore(definitions: frozenset[tuple[str, str]]) -> Typestore:
    """The typestore of a bag: standard types, and every other type as the bag itself defines it.

    Args:
        definitions: pairs of type name and ``ros2msg`` definition.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    types = {}
    for name, text in sorted(definitions):
        if name not in store.fielddefs:
            parsed = get_types_from_msg(text, name)
            types.update({key: value for key, value in parsed.items() if key not in store.fielddefs})
    if types:
        store.register(types)
    return store
