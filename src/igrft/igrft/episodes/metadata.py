# SPDX-License-Identifier: Apache-2.0
"""rosbag2's ``metadata.yaml`` (version 9, ROS 2 Jazzy), field for field as ``ros2 bag record`` writes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from igrft.episodes.topics import Qos

QosProfile = dict[str, Any]

METADATA_VERSION = 9
_INFINITE = {'sec': 9223372036, 'nsec': 854775807}
_DEPTH = {Qos.IMAGE: 5, Qos.SENSOR: 5, Qos.COMMAND: 1, Qos.EVENT: 50, Qos.LATCHED: 1}


def qos_profile(depth: int, reliability: str = 'reliable', durability: str = 'volatile') -> QosProfile:
    """A QoS profile in rosbag2's words."""
    return {
        'history': 'keep_last',
        'depth': depth,
        'reliability': reliability,
        'durability': durability,
        'deadline': dict(_INFINITE),
        'lifespan': dict(_INFINITE),
        'liveliness': 'automatic',
        'liveliness_lease_duration': dict(_INFINITE),
        'avoid_ros_namespace_conventions': False,
    }


def offered_qos(qos: Qos) -> QosProfile:
    """What a publisher of the profile offers (``docs/architecture.md``)."""
    return qos_profile(_DEPTH[qos], durability='transient_local' if qos is Qos.LATCHED else 'volatile')


@dataclass(frozen=True, slots=True)
class BagSummary:
    """What ``metadata.yaml`` says of a bag of one file; times in [ns]."""

    file: str
    names: tuple[str, ...]
    types: tuple[str, ...]
    hashes: tuple[str, ...]
    offered: tuple[Sequence[QosProfile], ...]
    counts: tuple[int, ...]
    start: int
    end: int


def bag_metadata(summary: BagSummary) -> dict[str, Any]:
    """The document of ``metadata.yaml``."""
    duration = {'nanoseconds': max(0, summary.end - summary.start)}
    starting = {'nanoseconds_since_epoch': summary.start}
    count = sum(summary.counts)
    described = zip(summary.names, summary.types, summary.hashes, summary.offered, summary.counts, strict=True)
    return {
        'rosbag2_bagfile_information': {
            'version': METADATA_VERSION,
            'storage_identifier': 'mcap',
            'duration': duration,
            'starting_time': starting,
            'message_count': count,
            'topics_with_message_count': [
                {
                    'topic_metadata': {
                        'name': name,
                        'type': type_name,
                        'serialization_format': 'cdr',
                        'offered_qos_profiles': list(offered),
                        'type_description_hash': type_hash,
                    },
                    'message_count': messages,
                }
                for name, type_name, type_hash, offered, messages in described
            ],
            'compression_format': '',
            'compression_mode': '',
            'relative_file_paths': [summary.file],
            'files': [
                {
                    'path': summary.file,
                    'starting_time': starting,
                    'duration': duration,
                    'message_count': count,
                }
            ],
            'custom_data': None,
            'ros_distro': 'jazzy',
        }
    }


class _Dumper(yaml.SafeDumper):
    """No anchors: rosbag2 reads them, people do not."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def to_yaml(data: Any) -> str:
    """Block style, in the given order."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=False)
