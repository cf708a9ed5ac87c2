# SPDX-License-Identifier: Apache-2.0
"""Two arms sort two bars: the red one is passed from the left to the right gripper, the blue one is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import mujoco
import numpy as np

from igrft_sim.tasks.base import Expert, Float64, Grip, Scene, Task, TaskState, upright_pose
from igrft_sim.tasks.sort_hand_over_expert import HandOverExpert
from igrft_sim.tasks.sort_hand_over_geometry import (
    FLOOR,
    GRIP,
    HALF,
    HELD,
    JOBS,
    LEFT,
    RIGHT,
    SIDES,
    TOOL_ABOVE,
    TRAY,
    bar_footprint,
    footprint,
    heading_of,
    in_tray,
    over_tray,
    overlap,
    place_of,
    reaches,
    room_to_grip,
)

SPREAD = {'in': ((0.45, 0.58), (0.15, 0.24)), 'held_out': ((0.43, 0.60), (0.13, 0.27))}
"""[m] x and y of base_link, between which the bars' centres start: both on the left arm's side."""

YAW = {'in': np.pi / 10, 'held_out': np.pi / 5}
"""[rad] each way, of the bars, which lie across the robot."""

APART = 0.006
"""[m] between the bars and to the tray at least."""

TRAYS = {'red_tray': (0.34, -0.24), 'blue_tray': (0.34, 0.24)}
"""[m] x and y of base_link. The left arm does not reach the red one."""

TRAY_SPREAD = {'in': 0.012, 'held_out': 0.022}
"""[m] each way and axis."""

RIM = (0.004, 0.008)
"""[m] thickness and height of a tray's rim, over which open fingers pass."""

MIDDLE = 0.06
"""[m] from y = 0 within which a bar may be passed on."""

RAISED = 0.06
"""[m] of a bar's centre above the table, from which it can be passed on."""

ASTRAY = ((0.20, 0.70), 0.40, 0.42)
"""[m] x, |y| and height of a tool that is where it should be."""

COLOURS = {
    'red_bar': (0.83, 0.16, 0.15, 1.0),
    'blue_bar': (0.13, 0.33, 0.78, 1.0),
    'red_tray': (0.55, 0.22, 0.20, 1.0),
    'blue_tray': (0.20, 0.30, 0.52, 1.0),
}


class SortHandOver(Task):
    """Grasp, bring, share, hand, carry and place the red bar; grasp and place the blue one."""

    name = 'sort_hand_over'
    objects = tuple(COLOURS)
    area = ((0.20, 0.66), (-0.36, 0.36))

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        for name in ('red_bar', 'blue_bar'):
            body = spec.worldbody.add_body(name=name, pos=[0.5, 0.0, HALF[2]])
            body.add_freejoint(name=name)
            body.add_geom(
                name=name,
                type=mujoco.mjtGeom.mjGEOM_BOX,
                size=HALF,
                mass=0.08,
                rgba=COLOURS[name],
                condim=4,
                friction=[1.0, 0.02, 0.0005],
                solref=[0.01, 1],
            )
        for name, place in TRAYS.items():
            body = spec.worldbody.add_body(name=name, pos=[*place, 0.0])
            box = partial(body.add_geom, type=mujoco.mjtGeom.mjGEOM_BOX, rgba=COLOURS[name], solref=[0.01, 1])
            thick, high = RIM
            x, y = TRAY
            box(size=[x, y, FLOOR / 2], pos=[0, 0, FLOOR / 2])
            for side in (-1, 1):
                box(size=[thick / 2, y + thick, high / 2], pos=[side * (x + thick / 2), 0, high / 2])
                box(size=[x, thick / 2, high / 2], pos=[0, side * (y + thick / 2), high / 2])

    def layout(self, rng: np.random.Generator, split: str) -> Mapping[str, Float64]:
        shift = TRAY_SPREAD[split]
        trays = {
            name: upright_pose(x + rng.uniform(-shift, shift), y + rng.uniform(-shift, shift), 0.0, 0.0)
            for name, (x, y) in TRAYS.items()
        }
        outline = footprint(trays['blue_tray'], (TRAY[0] + 2 * RIM[0], TRAY[1] + 2 * RIM[0]), 0.0)
        while True:
            bars = [self._start(rng, split) for _ in range(2)]
            familiar = all(_familiar(bar) for bar in bars)
            graspable = _graspable(*bars) and _graspable(*bars[::-1])
            red, blue = bar_footprint(bars[0], APART), bar_footprint(bars[1])
            apart = not (overlap(red, blue) or overlap(red, outline) or overlap(blue, outline))
            if familiar == (split == 'in') and graspable and apart:
                return dict(zip(('red_bar', 'blue_bar'), bars, strict=True)) | trays

    @staticmethod
    def _start(rng: np.random.Generator, split: str) -> Float64:
        x, y = (rng.uniform(*span) for span in SPREAD[split])
        # a bar's own x axis is its length
        return upright_pose(x, y, HALF[2], np.pi / 2 + rng.uniform(-YAW[split], YAW[split]))

    def scramble(self, rng: np.random.Generator) -> Mapping[str, Float64]:
        places = dict(self.layout(rng, 'in' if rng.random() < 0.5 else 'held_out'))
        for name, tray in (('red_bar', 'red_tray'), ('blue_bar', 'blue_tray')):
            lie = rng.random()
            yaw = np.pi / 2 + rng.uniform(-np.pi / 4, np.pi / 4)
            if lie < 0.25:
                x, y = places[tray][:2] + rng.normal(0.0, (0.015, 0.008))
                places[name] = upright_pose(x, y, FLOOR + HALF[2], np.pi / 2 + rng.normal(0.0, 0.1))
            elif lie < 0.65:
                places[name] = upright_pose(rng.uniform(0.43, 0.62), rng.uniform(-0.28, 0.28), HALF[2], yaw)
            elif lie < 0.75:
                tilt = rng.uniform(-0.3, 0.3)
                pose = upright_pose(rng.uniform(0.40, 0.55), rng.normal(0.0, 0.05), rng.uniform(0.08, 0.22), yaw)
                turned = np.empty(4)
                mujoco.mju_mulQuat(turned, pose[3:], np.array([np.cos(tilt / 2), 0.0, np.sin(tilt / 2), 0.0]))
                places[name] = np.concatenate([pose[:3], turned])
        return places

    def grips(self) -> Mapping[str, Sequence[Grip]]:
        # the tool's x axis lies along the bar; the cameras, and so the other end of the bar, are on its positive side
        ends = [
            Grip(np.array([GRIP, 0.0, TOOL_ABOVE, 0.0, way[0], way[1], 0.0]), HELD, (0.010, 0.0, 0.004))
            for way in ((1.0, 0.0), (0.0, 1.0))
        ]
        return {name: ends for name in ('red_bar', 'blue_bar')}

    def folds(self, name: str) -> int:
        return 2

    def predicates(self) -> Mapping[str, Callable[[Scene], bool]]:
        return {
            'grasp_red': partial(_held_up, bar='red_bar', arm=LEFT),
            'bring_red': _brought,
            'share_red': _shared,
            'hand_red': _handed,
            'carry_red': _carried,
            'place_red': partial(_placed, bar='red_bar', tray='red_tray'),
            'grasp_blue': _grasped_blue,
            'place_blue': partial(_placed, bar='blue_bar', tray='blue_tray'),
        }

    def success(self, scene: Scene) -> bool:
        placed = all(_placed(scene, bar, tray) for bar, tray, _ in JOBS)
        bars = [scene.poses[bar][:3] for bar, *_ in JOBS]
        away = all(np.linalg.norm(tool[:3] - bar) > 0.05 for tool in scene.tools for bar in bars)
        return placed and away and bool((scene.openings > 0.7).all())

    def lost(self, state: TaskState) -> bool:
        bars = [state.pose(bar) for bar, *_ in JOBS]
        # in the air a bar may be where no arm could pick it up
        return super().lost(state) or any(
            bar[2] < RAISED and not any(reaches(arm, bar) for arm in (LEFT, RIGHT)) for bar in bars
        )

    def trouble(self, state: TaskState, tools: Float64, openings: Float64) -> str:
        (near, far), beside, high = ASTRAY
        away = (tools[:, 0] < near) | (tools[:, 0] > far) | (np.abs(tools[:, 1]) > beside) | (tools[:, 2] > high)
        if away.any():
            return f'the {("left", "right")[int(np.argmax(away))]} arm has gone astray'
        done = dict(zip(self.subtasks, state.subtasks, strict=True))
        for name, tray, _ in JOBS:
            colour, bar = name.removesuffix('_bar'), state.pose(name)
            other = next(state.pose(other) for _, other, _ in JOBS if other != tray)
            safe = in_tray(bar, state.pose(tray))
            if in_tray(bar, other):
                return f'the {colour} bar is in the wrong tray'
            if done[f'place_{colour}'] and not safe:
                return f'the {colour} bar left its tray'
            if done[f'grasp_{colour}'] and not safe and not any(place_of(tool, bar).around for tool in tools):
                return f'the {colour} bar was lost'
            if abs(bar[1]) > ASTRAY[1] or not near < bar[0] < far:
                return f'the {colour} bar was pushed away'
        return ''

    def expert(self, rng: np.random.Generator, noise: float = 1.0) -> Expert:
        return HandOverExpert(rng, noise)


def _familiar(bar: Float64) -> bool:
    """It lies where the demonstrations' bars do."""
    (near, far), (low, high) = SPREAD['in']
    return near <= bar[0] <= far and low <= bar[1] <= high and abs(heading_of(bar) - np.pi / 2) <= YAW['in']


def _graspable(bar: Float64, other: Float64) -> bool:
    """The left arm has room to grip its end of the bar."""
    return room_to_grip(bar, SIDES[LEFT] * GRIP, other)


def _held_up(scene: Scene, bar: str, arm: int) -> bool:
    height = float(scene.poses[bar][2])
    return scene.held(bar, arm) and not scene.touch(bar, 'table') and height > HALF[2] + 0.008


def _brought(scene: Scene) -> bool:
    bar = scene.poses['red_bar']
    return _held_up(scene, 'red_bar', LEFT) and bool(abs(bar[1]) < MIDDLE and bar[2] > RAISED)


def _shared(scene: Scene) -> bool:
    # an arm that picked it up from the table instead has done what sharing is for
    return scene.held('red_bar', RIGHT) and (scene.held('red_bar', LEFT) or _handed(scene))


def _handed(scene: Scene) -> bool:
    return _held_up(scene, 'red_bar', RIGHT) and not scene.gripper_touches('red_bar', LEFT)


def _carried(scene: Scene) -> bool:
    return _handed(scene) and over_tray(scene.poses['red_bar'], scene.poses['red_tray'])


def _placed(scene: Scene, bar: str, tray: str) -> bool:
    lies = in_tray(scene.poses[bar], scene.poses[tray]) and scene.velocities[bar] < 0.05
    return lies and scene.touch(bar, tray) and not scene.gripper_touches(bar)


def _grasped_blue(scene: Scene) -> bool:
    # the left arm is free before the right one has placed the red bar, and may be done with the blue one by then
    return _held_up(scene, 'blue_bar', LEFT) or _placed(scene, 'blue_bar', 'blue_tray')
