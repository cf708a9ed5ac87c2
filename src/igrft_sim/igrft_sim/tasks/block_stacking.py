# SPDX-License-Identifier: Apache-2.0
"""Build a tower: the red block on the blue one, the green block on the red one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import mujoco
import numpy as np

from igrft_sim.scene import FINGER_TRAVEL
from igrft_sim.tasks.base import Expert, Float64, Grip, Scene, Task, TaskState, upright_pose
from igrft_sim.tasks.block_stacking_expert import EDGE, ON_TOP, PAIRS, TowerExpert, resting
from igrft_sim.tasks.pick_place import aside

CENTRE = (0.48, 0.0)
"""[m] middle of the area where the blocks start."""

SPREAD = 0.085
"""[m] each way, in the demonstrations' layouts."""

HELD_OUT_SPREAD = 0.12
"""[m] each way; a held-out layout has a block outside the demonstrations' area."""

APART = 0.10
"""[m] between the blocks at least, so that the open gripper fits around one."""

YAW = np.pi / 6
"""[rad] each way."""

ASTRAY = 0.28
"""[m] from the middle of the area, beyond which neither tool nor block is where it should be."""

REACH = (0.25, 0.37)
"""[m] each way from the middle of the area, beyond which the arm cannot fetch a block."""

COLOURS = {
    'red_block': (0.83, 0.16, 0.15, 1.0),
    'blue_block': (0.13, 0.33, 0.78, 1.0),
    'green_block': (0.16, 0.60, 0.25, 1.0),
}


class BlockStacking(Task):
    """grasp, align, stack: the red block, then the green one."""

    name = 'block_stacking'
    objects = tuple(COLOURS)
    area = ((0.30, 0.66), (-0.18, 0.18))

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        for name, colour in COLOURS.items():
            body = spec.worldbody.add_body(name=name, pos=[*CENTRE, EDGE / 2])
            body.add_freejoint(name=name)
            body.add_geom(
                name=name,
                type=mujoco.mjtGeom.mjGEOM_BOX,
                size=[EDGE / 2] * 3,
                mass=0.08,
                rgba=colour,
                condim=4,
                friction=[1.0, 0.02, 0.0005],
                solref=[0.01, 1],
            )

    def layout(self, rng: np.random.Generator, split: str) -> Mapping[str, Float64]:
        while True:
            spread = SPREAD if split == 'in' else HELD_OUT_SPREAD
            offsets = rng.uniform(-spread, spread, (len(self.objects), 2))
            yaws = rng.uniform(-YAW, YAW, len(self.objects))
            familiar = bool((np.abs(offsets) <= SPREAD).all())
            gaps = [np.linalg.norm(a - b) for i, a in enumerate(offsets) for b in offsets[:i]]
            if familiar == (split == 'in') and min(gaps) >= APART:
                break
        return {
            name: upright_pose(CENTRE[0] + x, CENTRE[1] + y, EDGE / 2, yaw)
            for name, (x, y), yaw in zip(self.objects, offsets, yaws, strict=True)
        }

    def scramble(self, rng: np.random.Generator) -> Mapping[str, Float64]:
        places = {}
        for name in self.objects:
            x, y = rng.uniform(-0.15, 0.15, 2)
            places[name] = upright_pose(CENTRE[0] + x, CENTRE[1] + y, EDGE / 2, rng.uniform(-np.pi / 4, np.pi / 4))
        order = ('green_block', 'red_block', 'blue_block') if rng.random() < 0.6 else rng.permutation(self.objects)
        top, middle, bottom = order
        height = rng.random()
        if height < 0.5:
            places[middle][:3] = places[bottom][:3] + [*rng.normal(0, 0.007, 2), EDGE]
        if height < 0.2:
            places[top][:3] = places[middle][:3] + [*rng.normal(0, 0.007, 2), EDGE]
        return places

    def grips(self) -> Mapping[str, Sequence[Grip]]:
        grip = Grip(np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]), EDGE / (2 * FINGER_TRAVEL))
        return {name: [grip] for name in self.objects}

    def predicates(self) -> Mapping[str, Callable[[Scene], bool]]:
        judges: dict[str, Callable[[Scene], bool]] = {}
        for block, base in PAIRS:
            colour = block.removesuffix('_block')
            judges[f'grasp_{colour}'] = partial(_grasped, block=block)
            judges[f'align_{colour}'] = partial(_aligned, block=block, base=base)
            judges[f'stack_{colour}'] = partial(_stacked, block=block, base=base)
        return judges

    def success(self, scene: Scene) -> bool:
        top = scene.poses[PAIRS[-1][0]]
        away = bool(np.linalg.norm(scene.tool[:3] - top[:3]) > 0.05)
        tower = all(_stacked(scene, block, base) for block, base in PAIRS) and scene.touch('blue_block', 'table')
        return tower and scene.opening > 0.7 and away

    def lost(self, state: TaskState) -> bool:
        away = np.abs(state.poses[:, :2] - CENTRE) > REACH
        return super().lost(state) or bool(away.any())

    def trouble(self, state: TaskState, tools: Float64, openings: Float64) -> str:
        tool = tools[0]
        if np.linalg.norm(tool[:2] - CENTRE) > ASTRAY or tool[2] > ASTRAY:
            return 'the arm has gone astray'
        if np.linalg.norm(state.poses[:, :2] - CENTRE, axis=1).max() > ASTRAY:
            return 'a block was pushed away'
        for index, (block, base) in enumerate(PAIRS):
            grasped, _, stacked = state.subtasks[3 * index : 3 * index + 3]
            pose = state.pose(block)
            stands = resting(pose, state.pose(base))
            if stacked and not stands:
                return 'the tower fell'
            if grasped and not stands and np.linalg.norm(tool[:3] - pose[:3]) > 0.04:
                return f'the {block.replace("_", " ")} was lost'
        return ''

    def expert(self, rng: np.random.Generator, noise: float = 1.0) -> Expert:
        return TowerExpert(rng, noise)


def _rise(a: Float64, b: Float64) -> float:
    """How much higher ``b`` is [m]."""
    return float(b[2] - a[2])


def _grasped(scene: Scene, block: str) -> bool:
    height = float(scene.poses[block][2])
    return scene.held(block) and not scene.touch(block, 'table') and height > EDGE / 2 + 0.008


def _aligned(scene: Scene, block: str, base: str) -> bool:
    upper, lower = scene.poses[block], scene.poses[base]
    return scene.held(block) and aside(upper, lower) < ON_TOP and _rise(lower, upper) > EDGE - 0.005


def _stacked(scene: Scene, block: str, base: str) -> bool:
    upper, lower = scene.poses[block], scene.poses[base]
    return (
        scene.touch(block, base)
        and aside(upper, lower) < ON_TOP
        and abs(_rise(lower, upper) - EDGE) < 0.006
        and not scene.gripper_touches(block)
        and scene.velocities[block] < 0.05
    )
