# SPDX-License-Identifier: Apache-2.0
"""What a task of the cell is: objects, a randomised start, ordered subtasks, success and an expert."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
import numpy.typing as npt

from igrft.config import TaskConfig

Float64 = npt.NDArray[np.float64]

SPLITS = ('in', 'held_out')
"""Layouts: those of the demonstrations, and those kept from them."""

SUCCESS_TICKS = 3
"""Policy steps that success must hold before an episode counts as one."""


@dataclass(frozen=True, slots=True)
class TaskState:
    """Ground truth of one instant.

    Attributes:
        objects: K names.
        poses: [K, 7] x y z [m], qw qx qy qz in base_link.
        subtasks: completed so far; ordered, so a prefix of it is true.
        contact: the gripper or what it holds touches an object of the task.
        success: the task's goal is fulfilled now.
    """

    objects: tuple[str, ...]
    poses: Float64
    subtasks: tuple[bool, ...]
    contact: bool
    success: bool

    def pose(self, name: str) -> Float64:
        """[7] pose of one object."""
        return self.poses[self.objects.index(name)]


@dataclass(frozen=True, slots=True)
class Scene:
    """What the predicates look at.

    Attributes:
        poses: object name to [7] pose in base_link.
        velocities: object name to linear speed [m/s].
        tool: [7] pose of tool0 in base_link.
        opening: of the gripper in [0, 1].
        touching: pairs of touching things, both orders; things are the objects, the fingers
            ``left`` and ``right``, ``hand`` and ``table``.
    """

    poses: Mapping[str, Float64]
    velocities: Mapping[str, float]
    tool: Float64
    opening: float
    touching: frozenset[tuple[str, str]]

    def touch(self, first: str, second: str) -> bool:
        return (first, second) in self.touching

    def gripper_touches(self, name: str) -> bool:
        return any(self.touch(part, name) for part in ('left', 'right', 'hand'))

    def held(self, name: str) -> bool:
        """Both fingers touch it."""
        return self.touch('left', name) and self.touch('right', name)


class Expert(ABC):
    """Drives the arm from ground truth, from any state. One instance drives one episode."""

    @abstractmethod
    def act(self, state: TaskState, tool: Float64, opening: float) -> npt.NDArray[np.float32]:
        """The action [7] of the next policy step.

        Args:
            state: ground truth now.
            tool: [7] pose of tool0 in base_link.
            opening: of the gripper in [0, 1].
        """


class Task(ABC):
    """One long-horizon task. Stateless: what changes lives in the model's data and in the cell."""

    name: str
    objects: tuple[str, ...]
    """Free bodies that the task adds, in the order of ``TaskState.poses``."""

    def __init__(self, config: TaskConfig) -> None:
        names = tuple(subtask.name for subtask in config.subtasks)
        known = self.predicates()
        if set(names) != set(known):
            raise ValueError(
                f'config/tasks/{self.name}.yaml lists the subtasks {", ".join(names)}; '
                f'the cell judges {", ".join(known)}'
            )
        self.config = config
        self.subtasks = names

    @abstractmethod
    def add_objects(self, spec: mujoco.MjSpec) -> None:
        """Add the bodies named in ``objects``, each with a free joint of the same name."""

    @abstractmethod
    def layout(self, rng: np.random.Generator, split: str) -> Mapping[str, Float64]:
        """Draw the objects' start poses [7]."""

    @abstractmethod
    def predicates(self) -> Mapping[str, Callable[[Scene], bool]]:
        """Subtask name to its judge."""

    @abstractmethod
    def success(self, scene: Scene) -> bool:
        """Whether the goal is fulfilled now."""

    @abstractmethod
    def expert(self, rng: np.random.Generator, noise: float = 1.0) -> Expert:
        """A driver for one episode.

        Args:
            rng: of the motion noise.
            noise: 1 is a practised operator, 0 is exact, 2 is clumsy.
        """

    def trouble(self, state: TaskState, tool: Float64, opening: float) -> str:
        """Why a watching operator would step in at once, '' while it looks sensible.

        What only takes too long is not asked here. Arguments as in :meth:`Expert.act`.
        """
        return ''

    def lost(self, state: TaskState) -> bool:
        """Nothing can save the episode: an object has left the table."""
        return bool((state.poses[:, 2] < -0.05).any())

    def contact(self, scene: Scene) -> bool:
        """The gripper, or what it holds, touches an object."""
        return any(scene.gripper_touches(name) for name in self.objects)


class SubtaskLatch:
    """Subtasks complete once, in order: a later one does not count before the earlier ones."""

    def __init__(self, task: Task) -> None:
        self._judges = [task.predicates()[name] for name in task.subtasks]
        self._done = 0

    @property
    def done(self) -> tuple[bool, ...]:
        return tuple(index < self._done for index in range(len(self._judges)))

    def update(self, scene: Scene) -> tuple[bool, ...]:
        """Judge the next subtask; several may complete at once."""
        while self._done < len(self._judges) and self._judges[self._done](scene):
            self._done += 1
        return self.done


class SuccessHold:
    """Success counts when it held for a number of ticks in a row."""

    def __init__(self, ticks: int = SUCCESS_TICKS) -> None:
        self._ticks = ticks
        self._count = 0

    def update(self, success: bool) -> bool:
        """Count a tick; true from the tick on in which success has held long enough."""
        self._count = self._count + 1 if success else 0
        return self._count >= self._ticks


def yaw_of(pose: Sequence[float] | Float64) -> float:
    """Rotation about z [rad] of a [7] pose."""
    w, x, y, z = pose[3:7]
    return float(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))


def upright_pose(x: float, y: float, z: float, yaw: float) -> Float64:
    """[7] pose with z up."""
    return np.array([x, y, z, np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)])
