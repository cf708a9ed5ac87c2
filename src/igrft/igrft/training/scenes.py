# SPDX-License-Identifier: Apache-2.0
"""Random scenes of the simulated cell to pretrain a trunk on: no episode, no task's start, no expert.

The tool is put anywhere above the table, often near an object; objects lie anywhere, on one another, or in the gripper.
What the trunk has to say is where they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from igrft.types import Float32, UInt8, proprioception

if TYPE_CHECKING:
    from igrft_sim.cell import Cell

Float64 = npt.NDArray[np.float64]

WORKSPACE = ((0.30, 0.66), (-0.20, 0.20), (0.012, 0.42))
"""[m] where the tool is put, x y z of base_link."""
AREA = ((0.33, 0.63), (-0.16, 0.16))
"""[m] where objects lie, x y."""
NEAR = 0.04
"""[m] scale of the targets that resolve the neighbourhood of the tool."""
PENETRATION = 0.004
"""[m] of the gripper into something, above which a scene is drawn again."""


@dataclass(frozen=True, slots=True)
class Scenes:
    """N labelled scenes.

    Attributes:
        images: camera to [N, S, S, 3] uint8.
        proprio: [N, P].
        targets: [N, K], in SI units and pure numbers.
        names: K names.
    """

    images: dict[str, UInt8]
    proprio: Float32
    targets: Float32
    names: tuple[str, ...]


def target_names(objects: Sequence[str]) -> tuple[str, ...]:
    """What the trunk predicts of a cell with these objects."""
    axes = ('x', 'y', 'z')
    names: list[str] = []
    for thing in objects:
        names += [f'{thing}.{frame}.{a}' for frame in ('base', 'tool', 'near') for a in axes]
        names += [f'{thing}.yaw.cos', f'{thing}.yaw.sin', f'{thing}.held']
    for first, second in permutations(objects, 2):
        if first < second:
            names += [f'{first}-{second}.{frame}.{a}' for frame in ('base', 'near') for a in axes]
    return tuple(names)


def rotation(quaternion: npt.ArrayLike) -> Float64:
    """Rotation matrix [3, 3] of a unit quaternion (w, x, y, z)."""
    w, x, y, z = np.asarray(quaternion, np.float64)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def targets(poses: dict[str, Float64], tool: Float64, held: str) -> list[float]:
    """The values behind :func:`target_names`: object poses [7] in base_link, tool pose [7], name of what is held."""
    values: list[float] = []
    frame = rotation(tool[3:])
    for name, pose in poses.items():
        local = frame.T @ (pose[:3] - tool[:3])
        block = frame.T @ rotation(pose[3:])
        # A cube looks the same after a quarter turn: four times the angle of the level face that x points along.
        level = block[:2, np.argmin(np.abs(block[2]))]
        angle = 4 * np.arctan2(level[1], level[0])
        values += [*pose[:3], *local, *np.tanh(local / NEAR), np.cos(angle), np.sin(angle), float(name == held)]
    for first, second in permutations(poses, 2):
        if first < second:
            way = poses[first][:3] - poses[second][:3]
            values += [*way, *np.tanh(way / NEAR)]
    return values


class SceneMaker:
    """Draws scenes in a cell. It moves the cell's model directly; no physics runs."""

    def __init__(self, cell: Cell, rng: np.random.Generator, edge: float = 0.045) -> None:
        """Prepare to draw.

        Args:
            cell: whose task's objects are free bodies.
            rng: of everything.
            edge: [m] of an object, for lying, stacking and holding.
        """
        import mujoco

        self.mujoco: Any = mujoco
        self.cell = cell
        self.rng = rng
        self.edge = edge
        model = cell.model
        self.joints = [model.joint(name) for name in cell.robot.joints]
        self.q = np.array([joint.qposadr[0] for joint in self.joints])
        self.v = np.array([joint.dofadr[0] for joint in self.joints])
        self.fingers = np.array([model.joint(f'{side}_finger_joint').qposadr[0] for side in ('left', 'right')])
        self.site = model.site('tool0').id
        self.low = np.array([joint.range[0] for joint in self.joints])
        self.high = np.array([joint.range[1] for joint in self.joints])
        self.hand = {
            geom
            for body in ('hand', 'left_finger', 'right_finger')
            for geom in np.flatnonzero(model.geom_bodyid == model.body(body).id).tolist()
        }

    def draw(self, index: int) -> tuple[Float32, list[float]]:
        """Put the cell into a new scene: proprioception [P] and targets [K]. Images are rendered from the cell."""
        while True:
            if index % 8 == 0:
                self.cell.reset(int(self.rng.integers(0, 2**31)))
            held = self._arrange()
            self.mujoco.mj_forward(self.cell.model, self.cell.data)
            if not self._collides(held):
                break
        tool = self.cell.tools[0]
        poses = {name: self.cell.object_pose(name) for name in self.cell.task.objects}
        opening = float(self.cell.data.qpos[self.fingers].mean() / 0.04)
        state = proprioception(self.cell.joint_positions, opening, tool[:3], tool[3:])
        return state, targets(poses, tool, held)

    def _arrange(self) -> str:
        rng, names = self.rng, list(self.cell.task.objects)
        half = self.edge / 2
        poses = {name: np.array([*(rng.uniform(*span) for span in AREA), half]) for name in names}
        first, second = rng.permutation(names)[:2]
        if rng.random() < 0.25:
            poses[first] = poses[second] + np.array([*rng.normal(0, 0.007, 2), self.edge])
        held = str(first) if rng.random() < 0.4 else ''
        anchor = poses[second] if held else poses[rng.choice(names)]
        if rng.random() < 0.65:
            spread = rng.choice([0.006, 0.02, 0.06])
            rise = self.edge if held else 0.0
            height = anchor[2] + rise + abs(rng.normal(0, rng.choice([0.006, 0.03, 0.09])))
            aim = np.array([*(anchor[:2] + rng.normal(0, spread, 2)), height])
        else:
            aim = np.array([rng.uniform(*span) for span in WORKSPACE])
        aim[2] = max(aim[2], 0.012)
        self._reach(aim, rng.uniform(-0.9, 0.9))
        tool = self.cell.tools[0]
        width = self.edge / 0.08
        opening = width if held else float(rng.choice([1.0, rng.uniform(), width, 0.0], p=[0.5, 0.3, 0.15, 0.05]))
        self.cell.data.qpos[self.fingers] = np.clip(opening + rng.normal(0, 0.01), 0, 1) * 0.04
        if held:
            slip = np.array([rng.normal(0, 0.008), 0.0, rng.normal(0, 0.006)])
            poses[held] = tool[:3] + rotation(tool[3:]) @ slip
        for name in names:
            yaw = rng.uniform(-np.pi / 4, np.pi / 4)
            quaternion = np.array([np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)])
            if name == held:
                quaternion = tool[3:]
            self.cell.data.joint(name).qpos = np.concatenate([poses[name], quaternion])
        return held

    def _reach(self, position: Float64, yaw: float) -> None:
        """Damped least squares to a tool that points down, within a tilt of some hundredths of a radian."""
        data, model, mj = self.cell.data, self.cell.model, self.mujoco
        home = np.asarray(self.cell.robot.poses['home'])
        data.qpos[self.q] = home + self.rng.normal(0, 0.05, len(home))
        goal = np.array([0.0, np.cos(yaw / 2), np.sin(yaw / 2), 0.0]) + self.rng.normal(0, 0.01, 4)
        goal /= np.linalg.norm(goal)
        wanted = rotation(goal)
        jacobian = np.zeros((6, model.nv))
        for _ in range(25):
            mj.mj_kinematics(model, data)
            mj.mj_comPos(model, data)
            here = data.site_xmat[self.site].reshape(3, 3)
            turn = 0.5 * sum(np.cross(here[:, i], wanted[:, i]) for i in range(3))
            error = np.concatenate([position - data.site_xpos[self.site], turn])
            if np.abs(error).max() < 1e-4:
                break
            mj.mj_jacSite(model, data, jacobian[:3], jacobian[3:], self.site)
            own = jacobian[:, self.v]
            step = own.T @ np.linalg.solve(own @ own.T + 1e-4 * np.eye(6), error)
            data.qpos[self.q] = np.clip(data.qpos[self.q] + step, self.low, self.high)
        mj.mj_kinematics(model, data)

    def _collides(self, held: str) -> bool:
        data, model = self.cell.data, self.cell.model
        own = set(np.flatnonzero(model.geom_bodyid == model.body(held).id).tolist()) if held else set()
        for contact in data.contact[: data.ncon]:
            first, second = (int(g) for g in contact.geom)
            if contact.dist < -PENETRATION and not ({first, second} & own and {first, second} & self.hand):
                return True
        return False


def make_scenes(cell: Cell, count: int, seed: int) -> Iterator[tuple[dict[str, UInt8], Float32, list[float]]]:
    """Draw and render ``count`` scenes: images, proprioception, targets."""
    maker = SceneMaker(cell, np.random.default_rng(seed))
    for index in range(count):
        proprio, values = maker.draw(index)
        yield {camera: cell.render(camera) for camera in cell.cameras}, proprio, values


def collect(cell: Cell, count: int, seed: int) -> Scenes:
    """``count`` scenes in memory: about 100 kB each at 128 px."""
    names = target_names(cell.task.objects)
    size = cell.image_size
    images = {camera: np.empty((count, size, size, 3), np.uint8) for camera in cell.cameras}
    proprio = np.empty((count, cell.robot.proprio_dim), np.float32)
    values = np.empty((count, len(names)), np.float32)
    for i, (frames, state, target) in enumerate(make_scenes(cell, count, seed)):
        for camera, frame in frames.items():
            images[camera][i] = frame
        proprio[i], values[i] = state, target
    return Scenes(images, proprio, values, names)
