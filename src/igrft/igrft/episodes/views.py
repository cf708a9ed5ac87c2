# SPDX-License-Identifier: Apache-2.0
"""Views for a calibration: images, with the tool's pose where it is needed, from a folder or from a bag.

A folder holds images and, for extrinsics, ``views.yaml``: a list of ``{image, tool_pose: [x, y, z, qw, qx, qy, qz]}``
or ``{image, joints: {name: position}}``. A bag is any rosbag2 directory (MCAP) with an image topic and ``ee_pose`` or
``joint_states``; of it, moments in which the arm stands still are taken.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from igrft.episodes.bag import MessageDecoder, bag_files
from igrft.episodes.cdr import header_stamp
from igrft.episodes.scan import McapScan
from igrft.episodes.schema import NANO, EpisodeError
from igrft.perception.encodings import SUFFIXES, EncodingError, decode, image_files
from igrft.perception.geometry import Float64, angle_between, from_quaternion
from igrft.perception.urdf import Urdf
from igrft.types import UInt8

VIEWS_FILE = 'views.yaml'
PAUSE = 0.15
"""[s] before and after an image in which the arm must stand still."""
STILL = (0.001, np.radians(0.2))
"""[m], [rad] that the tool may move in that time."""
APART = (0.01, np.radians(3.0))
"""[m], [rad], one of which the tool must have moved since the view before."""
SPACING = 0.5
"""[s] between two views of a bag without tool poses."""


@dataclass(frozen=True, slots=True)
class TakenView:
    """name: of the image; image: [H, W, 3] RGB; base_from_tool: [4, 4], None where it is not known."""

    name: str
    image: UInt8
    base_from_tool: Float64 | None


def tool_from_joints(urdf: Urdf, tool: str) -> Callable[[dict[str, float]], Float64]:
    """``base_from_tool`` of joint positions; joints that are not given (fingers) stand at zero.

    Raises:
        EpisodeError: the URDF has no such link.
    """
    if tool not in urdf.links:
        raise EpisodeError(f"{urdf.where}: no link '{tool}'; it has {', '.join(urdf.links)}")
    return lambda joints: urdf.frames({**dict.fromkeys(urdf.moving, 0.0), **joints})[tool]


def read_folder(folder: Path, of_joints: Callable[[dict[str, float]], Float64] | None = None) -> Iterator[TakenView]:
    """The images of a folder, with the poses of its ``views.yaml`` where it has one.

    Raises:
        EpisodeError: no images, or a ``views.yaml`` that cannot be used.
    """
    listed = folder / VIEWS_FILE
    if not listed.is_file():
        paths = image_files(folder)
        if not paths:
            raise EpisodeError(f'{folder}: neither {VIEWS_FILE} nor an image ({", ".join(SUFFIXES)})')
        for path in paths:
            yield TakenView(path.name, _image(path), None)
        return
    try:
        entries = yaml.safe_load(listed.read_text(encoding='utf-8'))
        pairs = [(folder / str(entry['image']), _pose(entry, of_joints)) for entry in entries]
    except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise EpisodeError(
            f'{listed}: must be a list of image with tool_pose [x, y, z, qw, qx, qy, qz] or joints '
            f'{{name: position}}: {error}'
        ) from error
    for path, pose in pairs:
        yield TakenView(path.name, _image(path), pose)


def read_bag(
    directory: Path,
    image_topic: str,
    pose_topic: str = '',
    of_joints: Callable[[dict[str, float]], Float64] | None = None,
    most: int = 60,
) -> Iterator[TakenView]:
    """Views of a bag: where the arm stands still, or evenly spaced where no poses are asked for.

    Args:
        directory: a rosbag2 directory.
        image_topic: full name of an image topic in it.
        pose_topic: of PoseStamped (the tool in the base), or of JointState with ``of_joints``; empty: no poses.
        of_joints: see :func:`tool_from_joints`.
        most: views.

    Raises:
        EpisodeError: a topic is not in the bag, or a message cannot be read.
    """
    files, decoder = bag_files(directory), MessageDecoder()
    stamps: list[int] = []
    poses: list[tuple[int, Float64]] = []
    seen: set[str] = set()
    for path in files:
        for message in McapScan(path).messages():
            topic = message.channel.topic
            seen.add(topic)
            if topic == image_topic:
                stamps.append(header_stamp(message.data))
            elif pose_topic and topic == pose_topic:
                poses.append((header_stamp(message.data), _pose_of(decoder(path, message), of_joints, topic)))
    for topic in filter(None, (image_topic, pose_topic)):
        if topic not in seen:
            raise EpisodeError(f"{directory}: no message on '{topic}'; it has {', '.join(sorted(seen)) or 'none'}")
    chosen = _still(sorted(stamps), sorted(poses, key=lambda p: p[0])) if pose_topic else _spaced(sorted(stamps))
    kept = dict(chosen[:: -(-len(chosen) // most)] if chosen else [])
    for path in files:
        for message in McapScan(path).messages({image_topic}):
            stamp = header_stamp(message.data)
            if stamp in kept:
                name = f'{image_topic}@{stamp / NANO:.3f}'
                try:
                    image = decode(decoder(path, message), name)
                except EncodingError as error:
                    raise EpisodeError(f'{path}: {error}') from error
                yield TakenView(name, image, kept.pop(stamp))


def _still(stamps: Sequence[int], poses: Sequence[tuple[int, Float64]]) -> list[tuple[int, Float64 | None]]:
    """Stamps of images in which the tool stands still, elsewhere than in the one before."""
    times = [stamp for stamp, _ in poses]
    chosen: list[tuple[int, Float64 | None]] = []
    last: Float64 | None = None
    for stamp in stamps:
        earliest, latest = stamp - round(PAUSE * NANO), stamp + round(PAUSE * NANO)
        if not times or times[0] > earliest or times[-1] < latest:
            continue
        around = [pose for _, pose in poses[bisect_left(times, earliest) : bisect_left(times, latest) + 1]]
        if len(around) < 2:
            continue
        if any(_moved(around[0], pose, STILL) for pose in around[1:]):
            continue
        if last is None or _moved(last, around[0], APART):
            last = around[len(around) // 2]
            chosen.append((stamp, last))
    return chosen


def _spaced(stamps: Sequence[int]) -> list[tuple[int, Float64 | None]]:
    chosen: list[tuple[int, Float64 | None]] = []
    for stamp in stamps:
        if not chosen or stamp - chosen[-1][0] >= SPACING * NANO:
            chosen.append((stamp, None))
    return chosen


def _moved(first: Float64, second: Float64, limits: tuple[float, float]) -> bool:
    distance = float(np.linalg.norm(first[:3, 3] - second[:3, 3]))
    return distance > limits[0] or angle_between(first, second) > limits[1]


def _pose(entry: Any, of_joints: Callable[[dict[str, float]], Float64] | None) -> Float64 | None:
    if 'tool_pose' in entry:
        numbers = [float(value) for value in entry['tool_pose']]
        if len(numbers) != 7:
            raise ValueError(f'tool_pose has 7 numbers, not {len(numbers)}')
        return from_quaternion(numbers[:3], numbers[3:])
    if 'joints' in entry:
        if of_joints is None:
            raise ValueError('joints need the robot: give its URDF')
        return of_joints({str(name): float(value) for name, value in entry['joints'].items()})
    return None


def _pose_of(message: Any, of_joints: Callable[[dict[str, float]], Float64] | None, topic: str) -> Float64:
    if hasattr(message, 'pose'):
        p, q = message.pose.position, message.pose.orientation
        try:
            return from_quaternion((p.x, p.y, p.z), (q.w, q.x, q.y, q.z))
        except ValueError as error:
            raise EpisodeError(f'{topic}: {error}') from error
    if of_joints is None:
        raise EpisodeError(f'{topic}: joint positions need the robot: give its URDF')
    return of_joints(dict(zip(message.name, map(float, message.position), strict=True)))


def _image(path: Path) -> UInt8:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise EpisodeError(f'{path}: missing, or not an image')
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
