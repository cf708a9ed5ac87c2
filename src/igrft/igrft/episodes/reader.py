# SPDX-License-Identifier: Apache-2.0
"""A bag on the policy's time grid: one row a step, at the cameras' own resolution.

The grid is the stamps of the global camera between the episode's start and end. A step sees, of every stream,
the newest message not later than its stamp; its action is what the safety node let through until the next.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from igrft.config import RobotConfig
from igrft.episodes.bag import EpisodeBag, MessageDecoder
from igrft.episodes.cdr import MalformedError, header_stamp, image_header
from igrft.episodes.digest import stamp_of
from igrft.episodes.schema import NANO, EpisodeError, EpisodeMeta
from igrft.episodes.topics import (
    EXECUTED_ACTION,
    JOINT_STATES,
    TASK_STATE,
    ee_pose_topics,
    grid_camera,
    gripper_joints,
    image_topic,
    mask_topic,
    resolved,
)
from igrft.types import ARM_ACTION_DIM, Float32, Source, UInt8, proprioception

Stamps = npt.NDArray[np.int64]

MAX_SKEW = 0.15
"""[s] the oldest message of a stream that a step may see"""
MAX_GAP = 3.5
"""[steps] the longest hole in the global camera's stream"""
_TOLERANCE = 1_000_000
"""[ns] by which stamps of one instant may differ"""
_CHANNELS = {'rgb8': 3, 'bgr8': 3, 'mono8': 1}


@dataclass(frozen=True, slots=True)
class RawEpisode:
    """An episode on the time grid, frames as recorded.

    Attributes:
        meta: ``episode.yaml``.
        stamps: [T] ns.
        frames: camera name to [T, H, W, 3] uint8.
        mask: [T, H, W] uint8 of the grid camera, non-zero where the robot is; None without a mask.
        proprio: [T, P] float32.
        actions: [T, A] float32.
        source: [T] uint8 of ``Source``.
        poses: [T, K, 7] float32 (x y z qw qx qy qz), K = 0 without ground truth.
        contact: [T] bool, ground-truth contact; None without ground truth.
        grid_camera: name of the camera that the stamps are from.
    """

    meta: EpisodeMeta
    stamps: Stamps
    frames: Mapping[str, UInt8]
    mask: UInt8 | None
    proprio: Float32
    actions: Float32
    source: UInt8
    poses: Float32
    contact: npt.NDArray[np.bool_] | None
    grid_camera: str


class _Streams:
    """Stamped items of every topic that learning uses, the last of a stamp winning."""

    def __init__(self, bag: EpisodeBag, robot: RobotConfig) -> None:
        cameras = {image_topic(c.name) for c in robot.cameras}
        cameras |= {mask_topic(c.name) for c in robot.cameras if c.robot_mask}
        small = {JOINT_STATES, TASK_STATE, EXECUTED_ACTION, *ee_pose_topics(robot)}
        decode = MessageDecoder()
        found: dict[str, dict[int, Any]] = defaultdict(dict)
        names = {resolved(bag.meta.namespace, topic): topic for topic in cameras | small}
        for message in bag.raw(cameras | small):
            topic = names[message.channel.topic]
            if topic in cameras:
                # A tick that was published again has the same pixels: the first copy will do.
                try:
                    found[topic].setdefault(header_stamp(message.data), message.data)
                except MalformedError as error:
                    raise EpisodeError(f"{bag.directory}: topic '{topic}': {error}") from error
            else:
                content = decode(bag.directory, message)
                found[topic][stamp_of(content)] = content
        self._directory = bag.directory
        self._items = {topic: sorted(items.items()) for topic, items in found.items()}
        self._stamps = {
            topic: np.array([stamp for stamp, _ in items], np.int64) for topic, items in self._items.items()
        }

    def stamps(self, topic: str, required: bool = True) -> Stamps:
        if topic not in self._stamps and required:
            known = ', '.join(sorted(self._stamps)) or 'none that igrft knows'
            raise EpisodeError(
                f"{self._directory}: no message of '{topic}' (topics with messages: {known}); "
                'exclude the episode, or name the robot it was recorded with'
            )
        return self._stamps.get(topic, np.zeros(0, np.int64))

    def items(self, topic: str) -> list[Any]:
        return [item for _, item in self._items.get(topic, [])]

    def at(self, topic: str, grid: Stamps) -> list[Any]:
        """The newest item not later than each grid stamp.

        Raises:
            EpisodeError: it is older than ``MAX_SKEW``.
        """
        stamps = self.stamps(topic)
        index = np.searchsorted(stamps, grid + _TOLERANCE, side='right') - 1
        age = np.where(index >= 0, grid - stamps[index], np.iinfo(np.int64).max)
        late = np.flatnonzero(age > MAX_SKEW * NANO)
        if len(late):
            raise EpisodeError(
                f"{self._directory}: '{topic}' has no message within {MAX_SKEW:g} s before stamp "
                f'{grid[late[0]] / NANO:.3f} (step {late[0]}); exclude the episode'
            )
        items = self._items[topic]
        return [items[i][1] for i in index]


def read_episode(directory: Path, robot: RobotConfig) -> RawEpisode:
    """Read an episode's bag.

    Args:
        directory: ``<root>/<task>/<utc>_<ulid>``.
        robot: the configuration it was recorded with.

    Raises:
        EpisodeError: not an episode, damaged, or a stream is missing, stalled or of the wrong size; names
            the file, the topic and the remedy.
    """
    bag = EpisodeBag(directory)
    streams = _Streams(bag, robot)
    camera = grid_camera(robot)
    inputs = [JOINT_STATES, *ee_pose_topics(robot), *(image_topic(c.name) for c in robot.cameras)]
    grid = _grid(bag, streams, image_topic(camera), inputs)
    actions, source = _actions(bag, streams, robot, grid)
    masked = any(c.name == camera and c.robot_mask for c in robot.cameras)
    poses, contact = _ground_truth(streams, grid)
    return RawEpisode(
        meta=bag.meta,
        stamps=grid,
        frames={
            c.name: _pixels(directory, image_topic(c.name), streams.at(image_topic(c.name), grid))
            for c in robot.cameras
        },
        mask=_pixels(directory, mask_topic(camera), streams.at(mask_topic(camera), grid)) if masked else None,
        proprio=_proprio(directory, streams, robot, grid),
        actions=actions,
        source=source,
        poses=poses,
        contact=contact,
        grid_camera=camera,
    )


def _grid(bag: EpisodeBag, streams: _Streams, topic: str, inputs: list[str]) -> Stamps:
    """Stamps of the policy's steps."""
    meta = bag.meta
    first = max(int(streams.stamps(name)[0]) for name in inputs)
    # The first action must lie in the first step.
    first = max(first, int(streams.stamps(EXECUTED_ACTION)[0]) - round(meta.dt * NANO) + 2 * _TOLERANCE)
    stamps = streams.stamps(topic)
    begin = max(meta.start, first) - _TOLERANCE
    inside = stamps[(stamps >= begin) & (stamps < meta.end - _TOLERANCE)]
    grid = _thinned(inside, meta.dt)
    if len(grid) == 0:
        raise EpisodeError(
            f"{bag.directory}: no step: '{topic}' has {len(stamps)} frames, none between the start and the "
            f'end of {meta.duration:.3f} s; delete the episode'
        )
    gaps = np.diff(grid)
    if len(gaps) and gaps.max() > MAX_GAP * meta.dt * NANO:
        at = int(gaps.argmax())
        raise EpisodeError(
            f"{bag.directory}: '{topic}' has a hole of {gaps[at] / NANO:.3f} s after step {at}; exclude the episode"
        )
    return grid


def _thinned(stamps: Stamps, dt: float) -> Stamps:
    """Of a camera faster than the policy, the frames that are a step apart."""
    kept: list[int] = []
    for stamp in stamps.tolist():
        if not kept or stamp - kept[-1] >= 0.75 * dt * NANO:
            kept.append(stamp)
    return np.array(kept, np.int64)


def _actions(bag: EpisodeBag, streams: _Streams, robot: RobotConfig, grid: Stamps) -> tuple[Float32, UInt8]:
    """Per step the mean executed twist and the last gripper opening, of the source that drove most of it.

    In a step without a command the arm held: a zero twist, the gripper where it was.
    """
    stamps = streams.stamps(EXECUTED_ACTION)
    messages = streams.items(EXECUTED_ACTION)
    for message in messages:
        if len(message.action) != robot.action_dim:
            raise EpisodeError(
                f"{bag.directory}: '{EXECUTED_ACTION}' has {len(message.action)} floats a step, robot "
                f"'{robot.name}' has {robot.action_dim}; name the robot it was recorded with"
            )
    # In double precision the mean of equal actions is that action.
    values = np.array([message.action for message in messages], np.float64)
    sources = np.array([message.source for message in messages], np.uint8)
    first = np.searchsorted(stamps, grid - _TOLERANCE)
    behind = np.searchsorted(stamps, grid + round(bag.meta.dt * NANO) - _TOLERANCE)
    gripper = np.arange(ARM_ACTION_DIM - 1, robot.action_dim, ARM_ACTION_DIM)
    actions = np.zeros((len(grid), robot.action_dim), np.float32)
    drivers = np.full(len(grid), int(Source.HOLD), np.uint8)
    for t, (i, j) in enumerate(zip(first, behind, strict=True)):
        if i == j:
            actions[t, gripper] = values[max(i - 1, 0), gripper]
            continue
        drivers[t] = np.bincount(sources[i:j]).argmax()
        driven = values[i:j][sources[i:j] == drivers[t]]
        actions[t] = driven.mean(axis=0)
        actions[t, gripper] = driven[-1, gripper]
    return actions, drivers


def _proprio(directory: Path, streams: _Streams, robot: RobotConfig, grid: Stamps) -> Float32:
    joints = streams.at(JOINT_STATES, grid)
    poses = [streams.at(topic, grid) for topic in ee_pose_topics(robot)]
    arms = len(robot.arms)
    share = len(robot.joints) // arms
    rows = []
    for t, state in enumerate(joints):
        position = dict(zip(state.name, state.position, strict=True))
        try:
            angles = [position[name] for name in robot.joints]
            openings = [position[name] for name in gripper_joints(robot)]
        except KeyError as error:
            raise EpisodeError(
                f"{directory}: '{JOINT_STATES}' has no joint {error}; name the robot it was recorded with"
            ) from error
        parts = []
        for arm in range(arms):
            p, q = poses[arm][t].pose.position, poses[arm][t].pose.orientation
            own = angles[arm * share : (arm + 1) * share]
            parts.append(proprioception(own, openings[arm], (p.x, p.y, p.z), (q.w, q.x, q.y, q.z)))
        rows.append(np.concatenate(parts))
    return np.stack(rows)


def _ground_truth(streams: _Streams, grid: Stamps) -> tuple[Float32, npt.NDArray[np.bool_] | None]:
    if not len(streams.stamps(TASK_STATE, required=False)):
        return np.zeros((len(grid), 0, 7), np.float32), None
    states = streams.at(TASK_STATE, grid)
    poses = [
        [
            (p.position.x, p.position.y, p.position.z)
            + (p.orientation.w, p.orientation.x, p.orientation.y, p.orientation.z)
            for p in state.poses
        ]
        for state in states
    ]
    shape = (len(grid), len(states[0].poses), 7)
    return np.array(poses, np.float32).reshape(shape), np.array([bool(s.contact) for s in states])


def _pixels(directory: Path, topic: str, messages: list[memoryview]) -> UInt8:
    """[T, H, W, 3] or [T, H, W] pixels of serialised images."""
    frames: list[UInt8] = []
    for data in messages:
        try:
            head = image_header(data)
        except MalformedError as error:
            raise EpisodeError(f"{directory}: '{topic}': {error}") from error
        channels = _CHANNELS.get(head.encoding)
        if channels is None:
            raise EpisodeError(
                f"{directory}: '{topic}' has encoding '{head.encoding}'; igrft reads rgb8, bgr8 and mono8"
            )
        rows = np.frombuffer(data, np.uint8, head.size, head.offset).reshape(head.height, head.step)
        frame = rows[:, : head.width * channels]
        if channels == 3:
            frame = frame.reshape(head.height, head.width, 3)
            frame = frame[..., ::-1] if head.encoding == 'bgr8' else frame
        if frames and frame.shape != frames[0].shape:
            raise EpisodeError(
                f"{directory}: '{topic}' changes its size from {frames[0].shape[:2]} to {frame.shape[:2]}"
            )
        frames.append(frame)
    return np.stack(frames)
