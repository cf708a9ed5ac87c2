# SPDX-License-Identifier: Apache-2.0
"""Pack a parcel: the brick into the box, the ball after it, and the hinged lid shut."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import mujoco
import numpy as np

from igrft_sim.tasks.base import Expert, Float64, Grip, Scene, Task, TaskState, upright_pose
from igrft_sim.tasks.parcel_packing_expert import PackingExpert
from igrft_sim.tasks.parcel_packing_geometry import (
    AJAR,
    INSIDE,
    ITEMS,
    OPENED,
    RIM,
    SHUT,
    THICK,
    TIPPED,
    add_items,
    add_parcel,
    into,
    lid_angle,
    opening_for,
    out_of,
    over,
    packed,
)

AREA = ((0.44, 0.605), (-0.165, 0.165))
"""[m] x and y between which the items start in the demonstrations' layouts, in front of the parcel and beside it."""

HELD_OUT_AREA = ((0.42, 0.625), (-0.19, 0.19))
"""[m] a held-out layout has an item outside the demonstrations' area."""

APART = 0.10
"""[m] between the items at least, so that the open gripper fits around one."""

CLEARANCE = (0.048, 0.070)
"""[m] from the parcel's inside to an item's middle at least: a finger of the open gripper fits between."""

BEFORE = 0.0
"""[m] from the parcel's middle, away from the robot, at least: beside the open lid there is no room for the hand."""

YAW = np.pi / 6
"""[rad] each way, of the brick."""

PARCEL = (0.43, 0.0)
"""[m] middle of the parcel's place."""

PARCEL_SPREAD = {'in': (0.008, 0.020, 0.08), 'held_out': (0.012, 0.035, 0.16)}
"""[m], [m], [rad] each way, of the parcel's place and its turn."""

MIDDLE = (0.48, 0.0)
"""[m] between parcel and items."""

ASTRAY = (0.27, 0.30, 0.40)
"""[m] from the middle each way, and above the table, where the tool has no business."""

REACH = (0.26, 0.37)
"""[m] each way from the middle, beyond which the arm cannot fetch an item."""

AWAY = 0.045
"""[m] of the tool above the rim when the work is done."""


class ParcelPacking(Task):
    """grasp, bring, pack: the brick, then the ball; tip the lid over and press it shut."""

    name = 'parcel_packing'
    objects = (*ITEMS, 'parcel', 'lid')
    area = ((0.26, 0.66), (-0.28, 0.28))

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        add_items(spec)
        add_parcel(spec)

    def layout(self, rng: np.random.Generator, split: str) -> Mapping[str, Float64]:
        area = np.array(AREA if split == 'in' else HELD_OUT_AREA)
        while True:
            x, y, yaw = rng.uniform(-1, 1, 3) * PARCEL_SPREAD[split]
            parcel = upright_pose(PARCEL[0] + x, PARCEL[1] + y, 0.0, yaw)
            spots = rng.uniform(area[:, 0], area[:, 1], (len(ITEMS), 2))
            familiar = all(low <= x <= high for spot in spots for x, (low, high) in zip(spot, AREA, strict=True))
            places = [np.array([*spot, 0.0]) for spot in spots]
            free = all(not over(place, parcel, CLEARANCE) and into(parcel, place)[0] > BEFORE for place in places)
            if familiar == (split == 'in') and free and np.linalg.norm(spots[0] - spots[1]) >= APART:
                break
        layout = {'parcel': parcel, 'lid': np.array([AJAR])}
        for (name, item), (x, y) in zip(ITEMS.items(), spots, strict=True):
            turn = 0.0 if item.round else rng.uniform(-YAW, YAW)
            layout[name] = upright_pose(x, y, item.size[2] / 2, turn)
        return layout

    def scramble(self, rng: np.random.Generator) -> Mapping[str, Float64]:
        x, y, yaw = rng.uniform(-1, 1, 3) * (0.03, 0.08, 0.3)
        parcel = upright_pose(PARCEL[0] + x, PARCEL[1] + y, 0.0, yaw)
        angle = float(rng.choice([AJAR, rng.uniform(0.0, AJAR), 0.0], p=[0.55, 0.3, 0.15]))
        places = {'parcel': parcel, 'lid': np.array([angle])}
        for name, item in ITEMS.items():
            half = item.size[2] / 2
            turn = 0.0 if item.round else rng.uniform(-np.pi / 2, np.pi / 2)
            if rng.random() < (0.45 if angle > OPENED else 0.8):
                room = np.array(INSIDE) - max(item.size) / 2 - 0.004
                loose = rng.uniform(-room, room)
                x, y = loose if rng.random() < 0.6 else np.clip(item.slot + rng.normal(0, 0.008, 2), -room, room)
                raised = 0.028 * (rng.random() < 0.1)
                place = out_of(parcel, x, y, THICK + half + raised)
            else:
                # not within the walls: an item on the table that goes through one is drawn again anyway
                x, y = rng.uniform(-1, 1, 2) * (0.17, 0.20) + MIDDLE
                place = np.array([x, y, half])
            places[name] = upright_pose(*place, turn)
        return places

    def grips(self) -> Mapping[str, Sequence[Grip]]:
        straight, across = (1.0, 0.0, 0.0, 0.0), (np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5))
        (length, width, _), diameter = ITEMS['brick'].size, ITEMS['ball'].size[0] - ITEMS['ball'].give
        return {
            'brick': [
                Grip(np.array([0.0, 0.0, 0.0, *straight]), opening_for(width)),
                Grip(np.array([0.0, 0.0, 0.0, *across]), opening_for(length)),
            ],
            'ball': [Grip(np.array([0.0, 0.0, 0.0, *straight]), opening_for(diameter), slip=(0.004, 0.0, 0.004))],
        }

    def folds(self, name: str) -> int:
        return {'brick': 2, 'ball': 0}.get(name, 1)

    def predicates(self) -> Mapping[str, Callable[[Scene], bool]]:
        judges: dict[str, Callable[[Scene], bool]] = {}
        for name in ITEMS:
            judges[f'grasp_{name}'] = partial(_grasped, name=name)
            judges[f'bring_{name}'] = partial(_brought, name=name)
            judges[f'pack_{name}'] = partial(_packed, name=name)
        return judges | {'tip_lid': _tipped, 'close_lid': _shut}

    def success(self, scene: Scene) -> bool:
        touched = any(scene.gripper_touches(name) for name in self.objects)
        return _shut(scene) and not touched and float(scene.tool[2]) > RIM + AWAY

    def lost(self, state: TaskState) -> bool:
        items = np.stack([state.pose(name) for name in ITEMS])
        away = np.abs(items[:, :2] - MIDDLE) > REACH
        return super().lost(state) or bool(away.any())

    def trouble(self, state: TaskState, tools: Float64, openings: Float64) -> str:
        tool, parcel = tools[0], state.pose('parcel')
        if (np.abs([*(tool[:2] - MIDDLE), tool[2]]) > ASTRAY).any():
            return 'the arm has gone astray'
        inside = {name: packed(state.pose(name), parcel) for name in ITEMS}
        for index, name in enumerate(ITEMS):
            grasped, _, done = state.subtasks[3 * index : 3 * index + 3]
            pose = state.pose(name)
            if (np.abs(pose[:2] - MIDDLE) > ASTRAY[:2]).any():
                return f'the {name} was pushed away'
            if done and not inside[name]:
                return f'the {name} left the parcel'
            if grasped and not inside[name] and np.linalg.norm(tool[:3] - pose[:3]) > 0.04:
                return f'the {name} was lost'
        if lid_angle(state.pose('lid'), parcel) < OPENED and not all(inside.values()):
            return 'the lid closes too early'
        return ''

    def expert(self, rng: np.random.Generator, noise: float = 1.0) -> Expert:
        return PackingExpert(rng, noise)


def _packed(scene: Scene, name: str) -> bool:
    return (
        packed(scene.poses[name], scene.poses['parcel'])
        and not scene.gripper_touches(name)
        and scene.velocities[name] < 0.05
    )


def _grasped(scene: Scene, name: str) -> bool:
    """Both fingers hold it above the table, or it needs no grasp any more."""
    half = min(ITEMS[name].size) / 2
    lifted = scene.poses[name][2] > half + 0.008 and not scene.touch(name, 'table')
    return (scene.held(name) and bool(lifted)) or _packed(scene, name)


def _brought(scene: Scene, name: str) -> bool:
    """Held within the parcel's walls, seen from above, or in it."""
    return (scene.held(name) and over(scene.poses[name], scene.poses['parcel'])) or _packed(scene, name)


def _full(scene: Scene) -> bool:
    return all(packed(scene.poses[name], scene.poses['parcel']) for name in ITEMS)


def _tipped(scene: Scene) -> bool:
    """The lid is over the point from which it does not fall open again."""
    return _full(scene) and lid_angle(scene.poses['lid'], scene.poses['parcel']) < TIPPED


def _shut(scene: Scene) -> bool:
    """The lid rests on the rim, with everything in the parcel."""
    resting = scene.touch('lid', 'parcel') and scene.velocities['lid'] < 0.2
    return _full(scene) and resting and lid_angle(scene.poses['lid'], scene.poses['parcel']) < SHUT
