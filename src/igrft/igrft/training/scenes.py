# SPDX-License-Identifier: Apache-2.0
"""Random scenes of the simulated cell to pretrain a trunk on: no episode, no task's start, no expert.

The task scrambles its objects; the tools are put anywhere, often near one of them, or hold one. What the trunk has to
say is where everything is. Nothing here knows a task: it is asked for ``scramble``, ``grips`` and ``folds``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from igrft.training.reaching import DOWN, LOWEST, Arm, geoms, heading, level, turn
from igrft.training.targets import Thing, rotation, target_names, targets
from igrft.types import Float32, proprioception

if TYPE_CHECKING:
    from igrft_sim.cell import Cell
    from igrft_sim.tasks.base import Grip

Float64 = npt.NDArray[np.float64]

LOOK = 4
"""Scenes between two draws of light, colours, camera pose and clutter."""
HELD = 0.4
"""Share of the scenes in which an arm holds something."""
HANDED = 0.3
"""Share of those in which another arm, if there is one, holds it too."""
CLOSE = 0.7
"""Share of the tools that are near something."""
AROUND = 0.3
"""Share of the tools whose open fingers are around something, turned as it is."""
SPREADS = (0.006, 0.02, 0.06)
"""[m] beside it, one of them."""
RISES = (0.006, 0.03, 0.09)
"""[m] above it, one of them."""
TILTS = (0.02, 0.4)
"""[rad] by which a held thing has turned in the gripper, one of them."""
MARGIN = 0.03
"""[m] around the task's area in which the tools move."""
HIGHEST = 0.42
"""[m] of a tool above the table."""
YAW = 0.9
"""[rad] each way from home, of tools that are not turned as an object is."""
PENETRATION = 0.004
"""[m] of two things into each other, above which a scene is drawn again."""
TRIES = 2000
"""Draws of one scene, after which the task is given up."""
UP = np.array([0.0, 0.0, 1.0])


class SceneMaker:
    """Draws scenes in a cell. It moves the cell's model directly; no physics runs.

    Attributes:
        names: of the targets.
    """

    def __init__(self, cell: Cell, rng: np.random.Generator) -> None:
        import mujoco

        from igrft_sim.cell import mounts_of

        self.mujoco: Any = mujoco
        self.cell, self.rng = cell, rng
        model, robot = cell.model, cell.robot
        parts = len(robot.joints) // len(robot.arms)
        homes = np.split(np.asarray(robot.poses['home'], np.float64), len(robot.arms))
        self.arms = [
            Arm(cell, mount.prefix, robot.joints[i * parts : (i + 1) * parts], homes[i])
            for i, mount in enumerate(mounts_of(robot))
        ]
        self.geoms = {name: geoms(model, name) for name in cell.task.objects}
        kinds = {name: _kind(model, name) for name in cell.task.objects}
        self.free = [name for name, kind in kinds.items() if kind == 'free']
        self.jointed = [name for name, kind in kinds.items() if kind == 'jointed']
        self.grips: dict[str, list[Grip]] = {name: list(grips) for name, grips in cell.task.grips().items() if grips}
        attitudes = [level(holding(np.eye(3), grip)) for grips in self.grips.values() for grip in grips]
        self.attitudes: list[Float64] = attitudes or [DOWN]
        self.things = tuple(
            Thing(
                name,
                cell.task.folds(name),
                kinds[name] == 'free',
                kinds[name] == 'jointed',
                tuple(tuple(grip.pose[:3].tolist()) for grip in self.grips.get(name, [])),
            )
            for name in cell.task.objects
        )
        self.names = target_names(cell.task.name, self.things, robot.arms)
        low, high = robot.limits.workspace_min, robot.limits.workspace_max
        self.span = [
            (max(near - MARGIN, low[axis]), min(far + MARGIN, high[axis]))
            for axis, (near, far) in enumerate(cell.task.area)
        ] + [(LOWEST, HIGHEST)]

    def draw(self, index: int) -> tuple[Float32, list[float]]:
        """Put the cell into a new scene: proprioception [P] and targets [K]. Images are rendered from the cell.

        Raises:
            RuntimeError: no scene of the task is free of collisions.
        """
        if index % LOOK == 0:
            # half of them look as no demonstration does
            self.cell.reset(int(self.rng.integers(0, 2**31)), str(self.rng.choice(['in', 'held_out'])))
        for _ in range(TRIES):
            held = self._arrange()
            if held is None:
                continue
            self.mujoco.mj_fwdPosition(self.cell.model, self.cell.data)
            if not self._collides(held):
                return self._proprio(), self._targets(held)
        raise RuntimeError(f"task '{self.cell.task.name}': {TRIES} scrambles in a row collide or are out of reach")

    def _proprio(self) -> Float32:
        cell = self.cell
        joints = np.split(cell.joint_positions, len(self.arms))
        states = [proprioception(q, o, t[:3], t[3:]) for q, o, t in zip(joints, cell.openings, cell.tools, strict=True)]
        return np.concatenate(states)

    def _targets(self, held: set[tuple[int, str]]) -> list[float]:
        angles = {name: float(self.cell.data.joint(name).qpos[0]) for name in self.jointed}
        poses = {thing.name: self._pose(thing.name) for thing in self.things}
        return targets(self.things, poses, angles, self.cell.tools, held)

    def _pose(self, name: str) -> Float64:
        """[7]; of a jointed thing at its centre of mass, because its origin stays where the joint is."""
        pose = np.array(self.cell.object_pose(name))
        if name in self.jointed:
            pose[:3] = self.cell.data.body(name).xipos
        return pose

    def _arrange(self) -> set[tuple[int, str]] | None:
        """Scramble the objects and put the arms among them: who holds what, None if a tool cannot get there."""
        rng, data = self.rng, self.cell.data
        for name, place in self.cell.task.scramble(rng).items():
            self._put(name, np.asarray(place, np.float64))
        self.mujoco.mj_kinematics(self.cell.model, data)
        order = [int(i) for i in rng.permutation(len(self.arms))]
        held: set[tuple[int, str]] = set()
        taken: tuple[str, Grip] | None = None
        if self.grips and rng.random() < HELD:
            taken = self._hold(order[0], str(rng.choice(list(self.grips))))
            if taken is None:
                return None
            held.add((order.pop(0), taken[0]))
        for arm in order:
            others = [grip for grip in self.grips[taken[0]] if grip is not taken[1]] if taken else []
            if taken and others and rng.random() < HANDED:
                if not self._grasp(arm, taken[0], others[int(rng.integers(len(others)))]):
                    return None
                held.add((arm, taken[0]))
            elif not self._roam(arm):
                return None
        sides = [(arm.side, float(tool[1])) for arm, tool in zip(self.arms, self.cell.tools, strict=True)]
        crossed = any(a < b and y > z for a, y in sides for b, z in sides)
        return None if crossed else held

    def _put(self, name: str, place: Float64) -> None:
        model = self.cell.model
        body = model.body(name).id
        if model.body_jntnum[body]:
            self.cell.data.joint(name).qpos = place
        else:
            model.body_pos[body], model.body_quat[body] = place[:3], place[3:]

    def _hold(self, arm: int, name: str) -> tuple[str, Grip] | None:
        """Let an arm hold a thing: above where it was, above another, or anywhere."""
        rng, data = self.rng, self.cell.data
        grip = self.grips[name][int(rng.integers(len(self.grips[name])))]
        if name not in self.free:
            return (name, grip) if self._grasp(arm, name, grip) else None
        pose = self._pose(name)
        others = [thing.name for thing in self.things if thing.name != name]
        if rng.random() >= CLOSE:
            goal = self._anywhere()
        elif others and rng.random() < 0.5:
            bottom = pose[2] - self._extent(name)[0][2]
            goal = self._above(str(rng.choice(others))) + [0.0, 0.0, bottom]
        else:
            goal = pose[:3] + self._offset()
        frame = self._turned(arm, pose, name, grip, 0.5)
        if not self.arms[arm].reach(goal - frame @ grip.pose[:3], frame, rng):
            return None
        tool = self.cell.tools[arm]
        # between two pads a thing turns about the axis through them
        tilt = rng.normal(0, rng.choice(TILTS, p=(0.8, 0.2))) / 2
        turned = np.array([np.cos(tilt), 0.0, np.sin(tilt), 0.0])
        local, placed = np.empty(7), np.empty(7)
        multiply = self.mujoco.mju_mulPose
        multiply(local[:3], local[3:], rng.normal(0, 1, 3) * grip.slip, turned, grip.pose[:3], grip.pose[3:])
        multiply(placed[:3], placed[3:], tool[:3], tool[3:], local[:3], local[3:])
        data.joint(name).qpos = placed
        self.arms[arm].open(grip.opening, rng)
        self.mujoco.mj_kinematics(self.cell.model, data)
        return name, grip

    def _grasp(self, arm: int, name: str, grip: Grip) -> bool:
        """Put a closed gripper around a thing that stays where it is."""
        pose = np.array(self.cell.object_pose(name))
        frame = holding(rotation(pose[3:]), grip)
        slip = frame @ (self.rng.normal(0, 1, 3) * grip.slip)
        self.arms[arm].open(grip.opening, self.rng)
        return self.arms[arm].reach(pose[:3] - frame @ grip.pose[:3] - slip, frame, self.rng)

    def _roam(self, arm: int) -> bool:
        """Put an empty gripper around something, near it, or anywhere."""
        rng = self.rng
        name = str(rng.choice([thing.name for thing in self.things]))
        choice = rng.random()
        if choice < CLOSE and name in self.grips:
            grips = self.grips[name]
            grip = grips[int(rng.integers(len(grips)))]
            pose = np.array(self.cell.object_pose(name))
            around = choice < AROUND
            frame = self._turned(arm, pose, name, grip, 1.0 if around else 0.5)
            back = -frame[:, 2] if rng.random() < 0.5 else UP
            offset = self._offset(back, SPREADS[:1], RISES[:1]) if around else self._offset(back)
            goal = pose[:3] - frame @ grip.pose[:3] + offset
            opening = self._opening(grip.opening, grip.opening + 0.1 if around else 0.0)
        else:
            frame = turn(self._yaw(arm)) @ self.attitudes[int(rng.integers(len(self.attitudes)))]
            goal = self._above(name) if choice < CLOSE else self._anywhere()
            opening = self._opening(float(rng.uniform()), 0.0)
        self.arms[arm].open(opening, rng)
        return self.arms[arm].reach(goal, frame, rng)

    def _opening(self, width: float, least: float) -> float:
        """Of an empty gripper: often open, seldom shut, sometimes as wide as a thing."""
        opening = float(self.rng.choice([1.0, self.rng.uniform(), width, 0.0], p=[0.5, 0.3, 0.15, 0.05]))
        return opening if opening >= least else 1.0

    def _turned(self, arm: int, pose: Float64, name: str, grip: Grip, aligned: float) -> Float64:
        """A tool's rotation for a grip: turned as the object is, the shortest way from home, or at random."""
        attitude, folds = level(holding(np.eye(3), grip)), self.cell.task.folds(name)
        if folds == 0 or self.rng.random() >= aligned:
            return turn(self._yaw(arm)) @ attitude
        home, period = self.arms[arm].yaw, 2 * np.pi / folds
        yaw = heading(holding(rotation(pose[3:]), grip)) - home
        return turn(home + (yaw + period / 2) % period - period / 2 + self.rng.normal(0, 0.1)) @ attitude

    def _yaw(self, arm: int) -> float:
        return float(self.arms[arm].yaw + self.rng.uniform(-YAW, YAW))

    def _anywhere(self) -> Float64:
        return np.array([self.rng.uniform(*span) for span in self.span])

    def _offset(
        self, back: Float64 = UP, spreads: Sequence[float] = SPREADS, rises: Sequence[float] = RISES
    ) -> Float64:
        """[3] m: a little beside, and away in one direction."""
        spread, rise = self.rng.choice(spreads), abs(self.rng.normal(0, self.rng.choice(rises)))
        beside = np.array([*self.rng.normal(0, spread, 2), 0.0])
        away: Float64 = beside + rise * back
        return away

    def _above(self, name: str) -> Float64:
        """A place over a thing: over the middle of a free one, over any part of another."""
        low, high = self._extent(name)
        middle = (low + high) / 2 if name in self.free else self.rng.uniform(low, high)
        return np.array([*middle[:2], high[2]]) + self._offset()

    def _extent(self, name: str) -> tuple[Float64, Float64]:
        """Corners [3] of the box along the axes of base_link that a thing fills."""
        data, model = self.cell.data, self.cell.model
        corners = []
        for geom in self.geoms[name]:
            turned = data.geom_xmat[geom].reshape(3, 3)
            middle = data.geom_xpos[geom] + turned @ model.geom_aabb[geom, :3]
            half = np.abs(turned) @ model.geom_aabb[geom, 3:]
            corners.append((middle - half, middle + half))
        lows, highs = zip(*corners, strict=True)
        return np.min(lows, 0), np.max(highs, 0)

    def _collides(self, held: set[tuple[int, str]]) -> bool:
        """Whether two things are in each other; what is held may touch its gripper's pads as hard as it likes."""
        grasps = [(self.arms[arm].hand, self.geoms[name]) for arm, name in held]
        contact = self.cell.data.contact
        for (first, second), distance in zip(contact.geom.tolist(), contact.dist.tolist(), strict=True):
            if distance < -PENETRATION and not any(
                (first in hand and second in own) or (second in hand and first in own) for hand, own in grasps
            ):
                return True
        return False


def holding(turned: Float64, grip: Grip) -> Float64:
    """Rotation of a tool that holds a thing turned like this; one that would point up holds it the other way up."""
    relative = rotation(grip.pose[3:]).T
    tool: Float64 = turned @ relative
    return tool if tool[2, 2] < 0.5 else turned @ DOWN @ relative


def _kind(model: Any, name: str) -> str:
    body = model.body(name).id
    if not model.body_jntnum[body]:
        return 'fixed'
    return 'free' if model.jnt_type[model.body_jntadr[body]] == 0 else 'jointed'
