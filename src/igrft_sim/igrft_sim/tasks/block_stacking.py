# SPDX-License-Identifier: Apache-2.0
"""Stack the red block on the blue block."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import mujoco
import numpy as np
import numpy.typing as npt

from igrft_sim.expert import CLOSED, OPEN, Hand, grasp_yaw, tool_yaw
from igrft_sim.scene import FINGER_TRAVEL
from igrft_sim.tasks.base import Expert, Float64, Grip, Scene, Task, TaskState, upright_pose

EDGE = 0.045
"""[m] of a block."""

CENTRE = (0.48, 0.0)
"""[m] middle of the area where the blocks start."""

SPREAD = 0.08
"""[m] each way, in the demonstrations' layouts."""

HELD_OUT_SPREAD = 0.115
"""[m] each way; a held-out layout has a block outside the demonstrations' area."""

APART = 0.10
"""[m] between the blocks at least, so that the open gripper fits around one."""

YAW = np.pi / 6
"""[rad] each way."""

ON_TOP = 0.020
"""[m] between the blocks' centres, seen from above, up to which one rests on the other."""


ASTRAY = 0.28
"""[m] from the middle of the area, beyond which neither tool nor block is where it should be."""


REACH = (0.25, 0.37)
"""[m] each way from the middle of the area, beyond which the arm cannot fetch a block."""

FINGERS = 0.06
"""[m] from the tool's axis to the outside of an open finger."""

BESIDE = 0.038
"""[m] from the fingers' plane at which a block's centre is out of their way."""

STUCK = 6
"""Policy steps without motion after which an approach is begun anew."""


class BlockStacking(Task):
    """reach, grasp, align, stack."""

    name = 'block_stacking'
    objects = ('red_block', 'blue_block')
    area = ((0.30, 0.66), (-0.18, 0.18))

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        for name, colour in zip(self.objects, ([0.83, 0.16, 0.15, 1], [0.13, 0.33, 0.78, 1]), strict=True):
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
            offsets = rng.uniform(-spread, spread, (2, 2))
            yaws = rng.uniform(-YAW, YAW, 2)
            familiar = bool((np.abs(offsets) <= SPREAD).all())
            if familiar == (split == 'in') and np.linalg.norm(offsets[0] - offsets[1]) >= APART:
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
        if rng.random() < 0.25:
            upper, lower = rng.permutation(self.objects)
            places[upper][:3] = places[lower][:3] + [*rng.normal(0, 0.007, 2), EDGE]
        return places

    def grips(self) -> Mapping[str, Sequence[Grip]]:
        grip = Grip(np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]), EDGE / (2 * FINGER_TRAVEL))
        return {name: [grip] for name in self.objects}

    def predicates(self) -> Mapping[str, Callable[[Scene], bool]]:
        return {'reach': _reached, 'grasp': _grasped, 'align': _aligned, 'stack': _stacked}

    def success(self, scene: Scene) -> bool:
        red, tool = scene.poses['red_block'], scene.tool
        away = bool(np.linalg.norm(tool[:3] - red[:3]) > 0.05)
        return _stacked(scene) and scene.touch('blue_block', 'table') and scene.opening > 0.7 and away

    def lost(self, state: TaskState) -> bool:
        away = np.abs(state.poses[:, :2] - CENTRE) > REACH
        return super().lost(state) or bool(away.any())

    def trouble(self, state: TaskState, tools: Float64, openings: Float64) -> str:
        tool = tools[0]
        red, blue = state.pose('red_block'), state.pose('blue_block')
        if np.linalg.norm(tool[:2] - CENTRE) > ASTRAY or tool[2] > ASTRAY:
            return 'the arm has gone astray'
        if max(np.linalg.norm(red[:2] - CENTRE), np.linalg.norm(blue[:2] - CENTRE)) > ASTRAY:
            return 'a block was pushed away'
        grasped, stacked = (state.subtasks[self.subtasks.index(name)] for name in ('grasp', 'stack'))
        resting = _aside(red, blue) < ON_TOP and red[2] - blue[2] > EDGE / 2
        if grasped and not stacked and not resting and np.linalg.norm(tool[:3] - red[:3]) > 0.04:
            return 'the red block was lost'
        return ''

    def expert(self, rng: np.random.Generator, noise: float = 1.0) -> Expert:
        return StackingExpert(rng, noise)


def _aside(a: Float64, b: Float64) -> float:
    """Distance seen from above [m]."""
    return float(np.linalg.norm(a[:2] - b[:2]))


def _rise(a: Float64, b: Float64) -> float:
    """How much higher ``b`` is [m]."""
    return float(b[2] - a[2])


def _reached(scene: Scene) -> bool:
    red, tool = scene.poses['red_block'], scene.tool
    return scene.opening > 0.7 and _aside(tool, red) < 0.015 and abs(_rise(red, tool)) < 0.015


def _grasped(scene: Scene) -> bool:
    red = scene.poses['red_block']
    return scene.held('red_block') and not scene.touch('red_block', 'table') and float(red[2]) > EDGE / 2 + 0.008


def _aligned(scene: Scene) -> bool:
    red, blue = scene.poses['red_block'], scene.poses['blue_block']
    return scene.held('red_block') and _aside(red, blue) < ON_TOP and _rise(blue, red) > EDGE - 0.005


def _stacked(scene: Scene) -> bool:
    red, blue = scene.poses['red_block'], scene.poses['blue_block']
    return (
        scene.touch('red_block', 'blue_block')
        and _aside(red, blue) < ON_TOP
        and abs(_rise(blue, red) - EDGE) < 0.006
        and not scene.gripper_touches('red_block')
        and scene.velocities['red_block'] < 0.05
    )


def _free_yaw(red: Float64, blue: Float64) -> float:
    """Yaw [rad] to hold the red block so that no finger comes down on the blue one."""
    first = grasp_yaw(red)
    across = first - np.pi / 2 if first > 0 else first + np.pi / 2
    way = blue[:2] - red[:2]

    def room(yaw: float) -> float:
        """How far the blue block is beside the plane in which the fingers move."""
        along = np.array([np.sin(yaw), -np.cos(yaw)])
        beside = float(np.linalg.norm(way - along * (way @ along)))
        return beside if abs(way @ along) < FINGERS + EDGE * 0.7 else np.inf

    return first if room(first) > BESIDE or room(first) >= room(across) else across


class StackingExpert(Expert):
    """Chooses from the state alone, so it can begin anywhere; it only remembers how long it has squeezed."""

    _block_opening = EDGE / (2 * FINGER_TRAVEL)

    def __init__(self, rng: np.random.Generator, noise: float) -> None:
        self._hand = Hand(rng, noise)
        self._squeezed = 0
        self._stuck = 0
        self._last = np.zeros(3)

    def act(self, state: TaskState, tools: Float64, openings: Float64) -> npt.NDArray[np.float32]:
        tool, opening = tools[0], float(openings[0])
        red, blue = state.pose('red_block'), state.pose('blue_block')
        apart, rise = _aside(red, blue), float(red[2] - blue[2])
        if apart < ON_TOP * 0.75 and abs(rise - EDGE) < 0.005:
            return self._let_go(tool, red, opening)
        around = _aside(tool, red) < 0.018 and abs(tool[2] - red[2]) < 0.018
        if around and opening > self._block_opening - 0.06:
            if self._squeezed >= 2 and opening < self._block_opening + 0.06:
                return self._carry(tool, red, blue)
            if self._squeezed or opening < self._block_opening + 0.06 or self._ready(tool, red):
                self._squeezed += 1
                return self._hand.hold(CLOSED)
        self._squeezed = 0
        return self._approach(tool, red, blue, opening)

    def _let_go(self, tool: Float64, red: Float64, opening: float) -> npt.NDArray[np.float32]:
        self._squeezed = 0
        if opening < 0.8 and _aside(tool, red) < 0.04 and tool[2] - red[2] < 0.05:
            return self._hand.hold(OPEN)
        above = np.array([tool[0], tool[1], red[2] + 0.10])
        return self._hand.towards(tool, above, tool_yaw(tool), OPEN)

    def _ready(self, tool: Float64, red: Float64) -> bool:
        return _aside(tool, red) < 0.008 and abs(tool[2] - red[2]) < 0.008

    def _approach(self, tool: Float64, red: Float64, blue: Float64, opening: float) -> npt.NDArray[np.float32]:
        """Down a funnel: the nearer to the block's axis, the lower; never down with the gripper shut."""
        moved = float(np.linalg.norm(tool[:3] - self._last))
        self._last = tool[:3].copy()
        if self._stuck < STUCK:
            self._stuck = self._stuck + 1 if moved < 0.003 else 0
        else:
            # something is in the way: up, and down again from there
            self._stuck = 0 if tool[2] > red[2] + 0.08 else self._stuck
            above = np.array([red[0], red[1], red[2] + 0.10])
            return self._hand.towards(tool, above, tool_yaw(tool), OPEN)
        yaw = _free_yaw(red, blue)
        turn = abs(yaw - tool_yaw(tool))
        aside = _aside(tool, red) + 0.02 * max(0.0, turn - 0.15)
        height = np.clip(3.0 * (aside - 0.010), 0.0, 0.07)
        if (opening < 0.8 and aside > 0.015) or opening < 0.62:
            height = 0.07
        goal = np.array([red[0], red[1], max(red[2] + height, 0.012)])
        # low beside the block: gain height before going sideways
        share = 0.25 if goal[2] - tool[2] > 0.02 else 1.0
        return self._hand.towards(tool, goal, yaw, OPEN, share)

    def _carry(self, tool: Float64, red: Float64, blue: Float64) -> npt.NDArray[np.float32]:
        """Up, across and down a funnel onto the blue block."""
        grip = tool[:3] - red[:3]
        apart = _aside(red, blue)
        clearance = np.clip(3.0 * (apart - 0.006), 0.001, 0.045)
        goal = np.array([blue[0], blue[1], blue[2] + EDGE + clearance]) + grip
        low = red[2] - blue[2] - EDGE < 0.008 and apart > 0.012
        return self._hand.towards(tool, goal, tool_yaw(tool), CLOSED, 0.3 if low else 1.0)
