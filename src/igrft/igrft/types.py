# SPDX-License-Identifier: Apache-2.0
"""The nouns of the loop: observation, action chunk, step, episode.

Conventions: SI units, REP-103 frames, quaternions (w, x, y, z), stamps in seconds of the node's clock.
An action is, per arm, a 6-D end-effector twist in ``base_link`` (m/s, rad/s) and a gripper opening in
[0, 1], so ``n_arms * 7`` floats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]

ARM_ACTION_DIM = 7
"""Floats an arm adds to an action: vx vy vz wx wy wz opening."""


class Source(IntEnum):
    """Who drove a step; the values of ``igrft_msgs/Command``."""

    POLICY = 0
    HUMAN = 1
    HOLD = 2


class Mode(IntEnum):
    """States of the takeover table; the values of ``igrft_msgs/Intervention``."""

    AUTONOMOUS = 0
    CORRECTING = 1
    PAUSED = 2
    HOLD = 3


class Kind(str, Enum):
    """What an episode was recorded for."""

    DEMONSTRATION = 'demonstration'
    ROLLOUT = 'rollout'
    CORRECTION = 'correction'
    EVALUATION = 'evaluation'


class Outcome(str, Enum):
    """How an episode ended. A timeout is a failure of the task but not a terminal state."""

    SUCCESS = 'success'
    FAILURE = 'failure'
    TIMEOUT = 'timeout'
    UNLABELLED = 'unlabelled'


@dataclass(frozen=True, slots=True)
class Observation:
    """What the policy sees at one instant.

    Attributes:
        stamp: acquisition time [s].
        images: camera name to RGB image [H, W, 3] uint8.
        proprio: [P] float32, see :func:`proprioception`.
        instruction: the task in words.
    """

    stamp: float
    images: Mapping[str, UInt8]
    proprio: Float32
    instruction: str


@dataclass(frozen=True, slots=True)
class ActionChunk:
    """A policy's proposal for the next ``horizon`` steps.

    Attributes:
        stamp: stamp of the observation it was computed from [s].
        actions: [horizon, n_arms * 7] float32.
        dt: duration of one step [s].
        checkpoint: id of the checkpoint it came from.
        temperature: scale of the flow's initial noise.
        interaction_probability: p_int(s), NaN without a critic.
        value: V(s), NaN without a critic.
        inference_time: wall time of the inference [s].
        disagreement: spread of several draws for this observation (:mod:`igrft.policies.disagreement`), NaN where none
            were made.
    """

    stamp: float
    actions: Float32
    dt: float
    checkpoint: str = ''
    temperature: float = 1.0
    interaction_probability: float = float('nan')
    value: float = float('nan')
    inference_time: float = 0.0
    disagreement: float = float('nan')


@dataclass(frozen=True, slots=True)
class TeleopInput:
    """What the operator's device says at one instant.

    Attributes:
        stamp: acquisition time [s].
        action: [n_arms * 7] float32, as in a command; zero when the device is gone.
        engaged: the operator drives.
        connected: the device is there.
        device: its name.
    """

    stamp: float
    action: Float32
    engaged: bool
    connected: bool = True
    device: str = ''


@dataclass(frozen=True, slots=True)
class Subtask:
    """One ordered part of a task, with its weight in the potential (weights sum to 1)."""

    name: str
    weight: float


@dataclass(frozen=True, slots=True)
class EpisodeInfo:
    """What is known of a recorded episode without opening its bag (``episode.yaml``)."""

    id: str
    task: str
    instruction: str
    kind: Kind
    outcome: Outcome
    seed: int
    split: str = 'in'
    checkpoint: str = ''


@dataclass(frozen=True, slots=True)
class DecodedEpisode:
    """An episode on the policy's time grid: one row a step of ``dt`` seconds.

    Attributes:
        info: the episode's metadata.
        dt: step [s].
        images: camera name to [T, H, W, 3] uint8 at policy resolution (usually memory-mapped).
        proprio: [T, P] float32.
        actions: [T, A] float32, what was executed during the step.
        source: [T] uint8 of :class:`Source`.
        interaction: [T] bool, the interaction signal I_t.
        subtask_times: per subtask the index of the step in which it was completed, -1 if never.
        rewards: [T] float32, the hybrid reward.
        poses: [T, K, 7] float32 object poses (x y z qw qx qy qz) where the bag has ground truth, else K = 0.
    """

    info: EpisodeInfo
    dt: float
    images: Mapping[str, UInt8]
    proprio: Float32
    actions: Float32
    source: UInt8
    interaction: npt.NDArray[np.bool_]
    subtask_times: npt.NDArray[np.int64]
    rewards: Float32
    poses: Float32 = field(default_factory=lambda: np.zeros((0, 0, 7), np.float32))

    def __len__(self) -> int:
        return len(self.actions)


BESIDES_JOINTS = 10
"""Floats of an arm's proprioception after its joint angles."""
OPENING, POSITION, ORIENTATION = -10, slice(-9, -6), slice(-6, None)
"""Where they are: the gripper's opening, the tool's position, two columns of its rotation matrix."""


def proprioception(
    joint_positions: npt.ArrayLike,
    opening: npt.ArrayLike,
    position: npt.ArrayLike,
    quaternion: npt.ArrayLike,
) -> Float32:
    """One arm's proprioception vector [n_joints + BESIDES_JOINTS].

    Args:
        joint_positions: [n_joints] rad.
        opening: gripper opening in [0, 1].
        position: [3] end-effector position in ``base_link`` [m].
        quaternion: [4] end-effector orientation (w, x, y, z) in ``base_link``.

    Returns:
        joints, opening, position, and the rotation matrix's first two columns (6-D, continuous).
    """
    w, x, y, z = np.asarray(quaternion, np.float64) / np.linalg.norm(quaternion)
    first = (1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y))
    second = (2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x))
    return np.concatenate([np.ravel(joint_positions), np.ravel(opening), np.ravel(position), first, second]).astype(
        np.float32
    )
