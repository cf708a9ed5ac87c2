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
        tools: [n_arms, 7] poses of tool0 in base_link.
        openings: [n_arms] of the grippers in [0, 1].
        touching: pairs of touching things, both orders; things are the objects, the fingers
            ``left`` and ``right``, ``hand`` and ``table``. Of several arms, the name and a ``_`` come first.
        arms: prefixes of the arms' parts, ``('',)`` where there is one.
    """

    poses: Mapping[str, Float64]
    velocities: Mapping[str, float]
    tools: Float64
    openings: Float64
    touching: frozenset[tuple[str, str]]
    arms: tuple[str, ...] = ('',)

    @property
    def tool(self) -> Float64:
        """[7] of the first arm."""
        return self.tools[0]

    @property
    def opening(self) -> float:
        """Of the first arm."""
        return float(self.openings[0])

    def touch(self, first: str, second: str) -> bool:
        return (first, second) in self.touching

    def gripper_touches(self, name: str, arm: int | None = None) -> bool:
        """A part of that arm's gripper (of any, if none is given) touches it."""
        arms = self.arms if arm is None else self.arms[arm : arm + 1]
        return any(self.touch(f'{prefix}{part}', name) for prefix in arms for part in ('left', 'right', 'hand'))

    def held(self, name: str, arm: int = 0) -> bool:
        """Both fingers of that arm touch it."""
        return all(self.touch(f'{self.arms[arm]}{finger}', name) for finger in ('left', 'right'))


@dataclass(frozen=True, slots=True)
class Grip:
    """One way to hold an object.

    Attributes:
        pose: [7] of the object in tool0's frame.
        opening: of the gripper that holds it, in [0, 1].
        slip: [3] spread of the object's position in tool0's frame [m].
    """

    pose: Float64
    opening: float
    slip: tuple[float, float, float] = (0.006, 0.0, 0.005)


class Expert(ABC):
    """Drives the arms from ground truth, from any state. One instance drives one episode."""

    @abstractmethod
    def act(self, state: TaskState, tools: Float64, openings: Float64) -> npt.NDArray[np.float32]:
        """The action [n_arms * 7] of the next policy step.

        Args:
            state: ground truth now.
            tools: [n_arms, 7] poses of tool0 in base_link.
            openings: [n_arms] of the grippers in [0, 1].
        """


class Task(ABC):
    """One long-horizon task. Stateless: what changes lives in the model's data and in the cell."""

    name: str
    objects: tuple[str, ...]
    """Bodies that the task adds, in the order of ``TaskState.poses``: free ones, hinged or sliding ones with one
    joint, and fixed ones. A joint is called as its body."""
    area: tuple[tuple[float, float], tuple[float, float]]
    """[m] x and y of base_link between which no clutter stands."""

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
        """Add the bodies named in ``objects``."""

    @abstractmethod
    def layout(self, rng: np.random.Generator, split: str) -> Mapping[str, Float64]:
        """Draw where the objects start: pose [7] of a free or fixed body, angle or travel [1] of a jointed one."""

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

    @abstractmethod
    def scramble(self, rng: np.random.Generator) -> Mapping[str, Float64]:
        """Draw a scene that vision is pretrained on: objects anywhere within reach, on, in and beside one another.

        Places as in :meth:`layout`, but no episode's start in particular.
        """

    @abstractmethod
    def grips(self) -> Mapping[str, Sequence[Grip]]:
        """How objects can be held, for the same scenes; what is not listed is not held."""

    def folds(self, name: str) -> int:
        """Turns about its own z after which an object looks the same: 4 a cube, 2 a brick, 1 a mug, 0 a can."""
        return 4

    def trouble(self, state: TaskState, tools: Float64, openings: Float64) -> str:
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
