# SPDX-License-Identifier: Apache-2.0
"""Shelve two drinks: the can upright into the rack's left slot, the bottle into the right one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import mujoco
import numpy as np

from igrft_sim.tasks.base import Expert, Float64, Grip, Scene, Task, TaskState, upright_pose
from igrft_sim.tasks.drink_rack import (
    DRINKS,
    PITCH,
    SEATED,
    SHELF,
    SLOT,
    TOPPLED,
    UPRIGHT,
    WALL,
    off_slot,
    stands_in,
    tilt,
)
from igrft_sim.tasks.drink_shelving_expert import ALIGNED, ShelvingExpert

CENTRE = (0.53, 0.0)
"""[m] middle of the area where the drinks start."""

SPREAD = (0.055, 0.12)
"""[m] each way in x and y, in the demonstrations' layouts."""

HELD_OUT_SPREAD = (0.075, 0.15)
"""[m] each way; a held-out layout has a drink outside the demonstrations' area."""

APART = 0.11
"""[m] between the drinks at least, so that the open gripper fits around one."""

RACK = (0.32, 0.0)
"""[m] middle of the rack's place."""

RACK_SPREAD = {'in': (0.008, 0.025, 0.08), 'held_out': (0.014, 0.045, 0.16)}
"""[m], [m], [rad] each way, of the rack's place and its turn."""

THICK = 0.006
"""[m] of the rack's walls."""

ASTRAY = (0.24, 0.30, 0.40)
"""[m] from the middle between rack and drinks each way, and above the table, where the tool has no business."""

MIDDLE = (0.45, 0.0)
"""[m] between rack and drinks."""

REACH = ((0.24, -0.37), (0.70, 0.37))
"""[m] lowest and highest x and y at which the arm can fetch a drink; behind the rack it cannot."""

FRICTION = [0.3, 0.01, 0.001]
"""Of a drink on wood: pushed low, it slides, pushed high, it topples, and rolls to a stop. The
gripper's pads have their own."""

RED, SILVER = (0.82, 0.20, 0.13, 1.0), (0.80, 0.82, 0.84, 1.0)
GREEN, YELLOW = (0.12, 0.52, 0.30, 1.0), (0.93, 0.78, 0.22, 1.0)
WOOD, DARK = (0.40, 0.47, 0.58, 1.0), (0.28, 0.33, 0.42, 1.0)


class DrinkShelving(Task):
    """grasp, align, shelve: the can, then the bottle."""

    name = 'drink_shelving'
    objects = (*DRINKS, 'rack')
    area = ((0.25, 0.66), (-0.215, 0.215))

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        _add_can(spec)
        _add_bottle(spec)
        _add_rack(spec)

    def layout(self, rng: np.random.Generator, split: str) -> Mapping[str, Float64]:
        while True:
            spread = np.array(SPREAD if split == 'in' else HELD_OUT_SPREAD)
            offsets = rng.uniform(-spread, spread, (len(DRINKS), 2))
            familiar = bool((np.abs(offsets) <= SPREAD).all())
            if familiar == (split == 'in') and np.linalg.norm(offsets[0] - offsets[1]) >= APART:
                break
        x, y, yaw = rng.uniform(-1, 1, 3) * RACK_SPREAD[split]
        places = {'rack': upright_pose(RACK[0] + x, RACK[1] + y, 0.0, yaw)}
        for (name, drink), (x, y) in zip(DRINKS.items(), offsets, strict=True):
            turn = rng.uniform(-np.pi, np.pi)
            places[name] = upright_pose(CENTRE[0] + x, CENTRE[1] + y, drink.height / 2, turn)
        return places

    def scramble(self, rng: np.random.Generator) -> Mapping[str, Float64]:
        x, y, yaw = rng.uniform(-1, 1, 3) * (0.03, 0.08, 0.3)
        places = {'rack': upright_pose(RACK[0] + x, RACK[1] + y, 0.0, yaw)}
        swapped = -1 if rng.random() < 0.2 else 1
        for name, drink in DRINKS.items():
            where = rng.random()
            x, y = rng.uniform(-1, 1, 2) * (0.15, 0.20) + MIDDLE
            pose = upright_pose(x, y, drink.height / 2, rng.uniform(-np.pi, np.pi))
            if where < 0.45:
                slot = drink.slot(places['rack'], swapped * drink.side)
                pose[:3] = slot + [*rng.uniform(-0.006, 0.006, 2), drink.height / 2]
                if where < 0.10:
                    pose[:3] += [*rng.normal(0, 0.02, 2), rng.uniform(0, 0.10)]
            elif where < 0.62:
                # it lies on its side
                heading = rng.uniform(-np.pi, np.pi)
                pose[2] = drink.radius
                pose[3:] = np.array([1.0, np.sin(heading), np.cos(heading), 0.0]) / np.sqrt(2)
            places[name] = pose
        return places

    def grips(self) -> Mapping[str, Sequence[Grip]]:
        return {
            name: [Grip(np.array([0.0, 0.0, drink.grip - drink.height / 2, 0.0, 1.0, 0.0, 0.0]), drink.opening)]
            for name, drink in DRINKS.items()
        }

    def folds(self, name: str) -> int:
        return 1 if name == 'rack' else 0

    def predicates(self) -> Mapping[str, Callable[[Scene], bool]]:
        judges: dict[str, Callable[[Scene], bool]] = {}
        for name in DRINKS:
            judges[f'grasp_{name}'] = partial(_grasped, name=name)
            judges[f'align_{name}'] = partial(_aligned, name=name)
            judges[f'shelve_{name}'] = partial(_shelved, name=name)
        return judges

    def success(self, scene: Scene) -> bool:
        away = all(np.linalg.norm(scene.tool[:3] - scene.poses[name][:3]) > 0.06 for name in DRINKS)
        return all(_shelved(scene, name) for name in DRINKS) and scene.opening > 0.7 and away

    def lost(self, state: TaskState) -> bool:
        drinks = np.stack([state.pose(name) for name in DRINKS])
        low, high = REACH
        away = (drinks[:, :2] < low) | (drinks[:, :2] > high)
        return super().lost(state) or bool(away.any())

    def trouble(self, state: TaskState, tools: Float64, openings: Float64) -> str:
        tool, rack = tools[0], state.pose('rack')
        if (np.abs([*(tool[:2] - MIDDLE), tool[2]]) > ASTRAY).any():
            return 'the arm has gone astray'
        for index, (name, drink) in enumerate(DRINKS.items()):
            grasped, _, shelved = state.subtasks[3 * index : 3 * index + 3]
            pose = state.pose(name)
            stands = stands_in(drink, pose, rack)
            if (np.abs(pose[:2] - MIDDLE) > ASTRAY[:2]).any():
                return f'the {name} was pushed away'
            if tilt(pose) > TOPPLED:
                return f'the {name} fell over'
            if shelved and not stands:
                return f'the {name} left its slot'
            if stands_in(drink, pose, rack, -drink.side) and openings[0] > drink.opening + 0.1:
                return f'the {name} is in the wrong slot'
            if grasped and not stands and np.linalg.norm(tool[:3] - drink.along(pose, drink.grip)) > 0.04:
                return f'the {name} was lost'
        return ''

    def expert(self, rng: np.random.Generator, noise: float = 1.0) -> Expert:
        return ShelvingExpert(rng, noise)


def _shelved(scene: Scene, name: str) -> bool:
    return (
        stands_in(DRINKS[name], scene.poses[name], scene.poses['rack'])
        and not scene.gripper_touches(name)
        and scene.velocities[name] < 0.05
    )


def _grasped(scene: Scene, name: str) -> bool:
    drink, pose = DRINKS[name], scene.poses[name]
    lifted = drink.along(pose, 0.0)[2] > 0.008 and not scene.touch(name, 'table')
    return (scene.held(name) and lifted and tilt(pose) < TOPPLED) or _shelved(scene, name)


def _aligned(scene: Scene, name: str) -> bool:
    """Held upright above its slot, or in it."""
    pose = scene.poses[name]
    x, y, z = off_slot(DRINKS[name], pose, scene.poses['rack'])
    above = max(abs(x), abs(y)) < ALIGNED + 0.004 and -SEATED < z < WALL + 0.06
    return (scene.held(name) and above and tilt(pose) < UPRIGHT) or _shelved(scene, name)


def _add_drink(spec: mujoco.MjSpec, name: str) -> Callable[..., None]:
    """The body; what is returned adds a cylinder of some radius and colour between two heights above its foot."""
    drink = DRINKS[name]
    body = spec.worldbody.add_body(name=name, pos=[*CENTRE, drink.height / 2])
    body.add_freejoint(name=name)

    def cylinder(radius: float, low: float, high: float, mass: float, colour: Sequence[float]) -> None:
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_CYLINDER,
            size=[radius, (high - low) / 2, 0],
            pos=[0, 0, (low + high - drink.height) / 2],
            mass=mass,
            rgba=colour,
            condim=6,
            friction=FRICTION,
            priority=1,
            solref=[0.01, 1],
        )

    return cylinder


def _add_can(spec: mujoco.MjSpec) -> None:
    can, cylinder = DRINKS['can'], _add_drink(spec, 'can')
    cylinder(can.radius, 0.0, 0.084, 0.12, RED)
    cylinder(0.022, 0.084, can.height, 0.005, SILVER)


def _add_bottle(spec: mujoco.MjSpec) -> None:
    bottle, cylinder = DRINKS['bottle'], _add_drink(spec, 'bottle')
    cylinder(bottle.radius, 0.0, 0.064, 0.13, GREEN)
    cylinder(0.019, 0.064, 0.072, 0.008, GREEN)
    cylinder(bottle.width / 2, 0.072, 0.102, 0.008, GREEN)
    cylinder(0.012, 0.102, bottle.height, 0.003, YELLOW)


def _add_rack(spec: mujoco.MjSpec) -> None:
    """Two wells on a plinth, each with the colour of its drink on the floor."""
    rack = spec.worldbody.add_body(name='rack', pos=[*RACK, 0])

    def board(size: Sequence[float], pos: Sequence[float], colour: Sequence[float], solid: bool = True) -> None:
        kind = mujoco.mjtGeom.mjGEOM_BOX
        geom = rack.add_geom(type=kind, size=size, pos=pos, rgba=colour, solref=[0.01, 1])
        if not solid:
            geom.contype = geom.conaffinity = 0

    inner, half = SLOT / 2, (PITCH + SLOT) / 2 + THICK
    middle = SHELF + WALL / 2
    board([inner + THICK, half, SHELF / 2], [0, 0, SHELF / 2], DARK)
    for end in (-1, 1):
        board([THICK / 2, half, WALL / 2], [end * (inner + THICK / 2), 0, middle], WOOD)
    for side, colour in ((1, RED), (-1, GREEN)):
        y = side * PITCH / 2
        for end in (-1, 1):
            board([inner, THICK / 2, WALL / 2], [0, y + end * (inner + THICK / 2), middle], WOOD)
        board([inner, inner, 0.0002], [0, y, SHELF + 0.0002], colour, solid=False)
