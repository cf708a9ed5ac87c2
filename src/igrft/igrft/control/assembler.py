# SPDX-License-Identifier: Apache-2.0
"""Joins the streams of a robot into observations: the same stamp in lock-step, a bounded skew in real time."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from igrft.types import Float32, Observation, UInt8, proprioception

EXACT = 1e-6
"""[s] Two stamps this close are the same instant."""


@dataclass(frozen=True, slots=True)
class Joints:
    """positions [n_joints] rad, arm by arm; openings [n_arms] in [0, 1]."""

    positions: Float32
    openings: Float32


@dataclass(frozen=True, slots=True)
class Pose:
    """position [3] m, quaternion [4] (w, x, y, z) in ``base_link``."""

    position: Float32
    quaternion: Float32


@dataclass(frozen=True, kw_only=True)
class AssemblerConfig:
    """Which streams make an observation."""

    cameras: Mapping[str, tuple[int, int]]
    """camera name to (height, width) of its images"""
    n_joints: int
    """of all arms"""
    arms: Sequence[str] = ('arm',)
    max_skew: float = 0.0
    """[s] a stream's stamp may differ from the observation's; 0: all equal (lock-step)"""
    depth: int = 8
    """messages kept a stream"""


@dataclass(slots=True)
class _Stream:
    items: deque[tuple[float, object]]
    wrong: str = ''
    received: int = 0

    def nearest(self, stamp: float) -> tuple[float, object]:
        return min(self.items, key=lambda item: abs(item[0] - stamp))


@dataclass(slots=True)
class ObservationAssembler:
    """Collects messages and gives the newest complete observation, or says what is missing."""

    config: AssemblerConfig
    instruction: str = ''
    _streams: dict[str, _Stream] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [f'camera/{name}' for name in self.config.cameras]
        names += ['joint_states', *(self._pose_name(arm) for arm in self.config.arms)]
        self._streams = {name: _Stream(deque(maxlen=self.config.depth)) for name in names}

    def clear(self) -> None:
        """Forget everything, e.g. after a reset."""
        for stream in self._streams.values():
            stream.items.clear()
            stream.wrong = ''

    def add_image(self, camera: str, stamp: float, image: UInt8) -> str:
        """An RGB image [H, W, 3] uint8. Returns why it was refused, '' if it was taken."""
        if camera not in self.config.cameras:
            return f"no camera '{camera}' is part of the observation"
        height, width = self.config.cameras[camera]
        if image.shape != (height, width, 3) or image.dtype != np.uint8:
            return self._refuse(
                f'camera/{camera}', f'image is {image.shape} {image.dtype}, expected ({height}, {width}, 3) uint8'
            )
        return self._add(f'camera/{camera}', stamp, image)

    def add_joints(self, stamp: float, positions: Float32, openings: Float32) -> str:
        """Joint positions [n_joints] and gripper openings [n_arms]."""
        if positions.shape != (self.config.n_joints,) or openings.shape != (len(self.config.arms),):
            return self._refuse(
                'joint_states',
                f'{len(positions)} joints and {len(openings)} grippers, '
                f'expected {self.config.n_joints} and {len(self.config.arms)}',
            )
        return self._add('joint_states', stamp, Joints(positions, openings))

    def add_pose(self, stamp: float, position: Float32, quaternion: Float32, arm: str = '') -> str:
        """An arm's tool pose; ``arm`` may be left out where there is one."""
        name = self._pose_name(arm or self.config.arms[0])
        if name not in self._streams:
            return f"no arm '{arm}' is part of the observation"
        return self._add(name, stamp, Pose(position, quaternion))

    def observation(self, not_before: float = -np.inf) -> Observation | None:
        """The newest complete observation at or after ``not_before``, else None (see :meth:`missing`)."""
        if any(not stream.items for stream in self._streams.values()):
            return None
        for stamp in self._candidates():
            if stamp < not_before - EXACT:
                return None
            found = {name: stream.nearest(stamp) for name, stream in self._streams.items()}
            tolerance = self.config.max_skew + EXACT
            if all(abs(at - stamp) <= tolerance for at, _ in found.values()):
                return self._build(stamp, {name: value for name, (_, value) in found.items()})
        return None

    def missing(self, now: float, max_age: float = np.inf) -> list[str]:
        """One line for each stream that keeps an observation from being made: absent, refused, old or askew."""
        lines = []
        newest = max((s.items[-1][0] for s in self._streams.values() if s.items), default=now)
        for name, stream in self._streams.items():
            if stream.wrong:
                lines.append(f'{name}: {stream.wrong}')
            elif not stream.items:
                lines.append(f'{name}: nothing received')
            elif now - stream.items[-1][0] > max_age:
                lines.append(f'{name}: {now - stream.items[-1][0]:.2f} s old, at most {max_age:g} s is allowed')
            elif newest - stream.items[-1][0] > self.config.max_skew + EXACT:
                lag = newest - stream.items[-1][0]
                lines.append(f'{name}: {lag:.3f} s behind, at most {self.config.max_skew:g} s is allowed')
        return lines

    def _candidates(self) -> list[float]:
        """Instants an observation could stand for, newest first: a camera's, since images are the slowest."""
        name = next(iter(self._streams))
        return sorted((at for at, _ in self._streams[name].items), reverse=True)

    def _build(self, stamp: float, values: Mapping[str, object]) -> Observation:
        joints = values['joint_states']
        assert isinstance(joints, Joints)
        per_arm = np.split(joints.positions, len(self.config.arms))
        parts = []
        for index, arm in enumerate(self.config.arms):
            pose = values[self._pose_name(arm)]
            assert isinstance(pose, Pose)
            parts.append(proprioception(per_arm[index], joints.openings[index], pose.position, pose.quaternion))
        images = {name: values[f'camera/{name}'] for name in self.config.cameras}
        return Observation(stamp, images, np.concatenate(parts), self.instruction)  # type: ignore[arg-type]

    def _pose_name(self, arm: str) -> str:
        return 'ee_pose' if len(self.config.arms) == 1 else f'{arm}/ee_pose'

    def _add(self, name: str, stamp: float, value: object) -> str:
        stream = self._streams[name]
        # A stamp that goes back means that the world was reset or a clock stepped: the past is void.
        if stream.items and stamp < stream.items[-1][0] - EXACT:
            stream.items.clear()
        if stream.items and stamp <= stream.items[-1][0] + EXACT:
            stream.items.pop()  # a tick that is published again replaces itself
        stream.items.append((stamp, value))
        stream.wrong = ''
        stream.received += 1
        return ''

    def _refuse(self, name: str, reason: str) -> str:
        self._streams[name].wrong = reason
        return f'{name}: {reason}'
