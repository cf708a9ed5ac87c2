# SPDX-License-Identifier: Apache-2.0
"""The expert that packs the parcel, from whatever it finds; it also opens a lid that is shut too early."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from igrft_sim.expert import CLOSED, OPEN, Hand, grasp_yaw, tool_yaw
from igrft_sim.tasks.base import Expert, Float64, TaskState, yaw_of
from igrft_sim.tasks.parcel_packing_geometry import (
    AJAR,
    HINGE,
    INSIDE,
    ITEMS,
    OPENED,
    RIM,
    SHUT,
    TAB,
    TAB_GRIP,
    THICK,
    at_lid,
    beside_lid,
    into,
    lid_angle,
    opening_for,
    out_of,
    over,
    packed,
    yaw_near,
)
from igrft_sim.tasks.pick_place import Action, Load, Obstacle, Picker

WIDE_OPEN = AJAR - 0.12
"""[rad] to which the lid is lifted by its tab; from there it falls back."""

FINGER = (0.010, 0.005)
"""[m] from the tool to the shut fingers' front and lowest faces."""

SWEEP = 0.10
"""[m] from the axis, where the fingers push the lid."""

LEAD = 0.4
"""[rad] ahead of the lid, where the fingers go while they push it."""

LIFT = 0.25
"""[rad] ahead of the lid, where they go while they lift it."""

PRESS = 0.003
"""[m] into the lid, where they go when it is shut."""

CLEAR = 0.016
"""[m] above or behind the upright lid, where the hand passes it."""

HOVER = 0.014
"""[m] above the rim, where an item waits until it is over its slot."""

ALIGNED = 0.012
"""[m] from its slot, within which an item may be lowered into the parcel."""

BESIDE = 0.062
"""[m] from a side wall to an item's middle, below which an open finger meets the wall."""

PARKING = tuple((x, y) for x in (0.57, 0.50, 0.62) for y in (0.16, -0.16, 0.05, -0.05))
"""[m] where an item is put down while the lid is shut."""


class PackingExpert(Expert):
    """Chooses what to move where from the state alone."""

    def __init__(self, rng: np.random.Generator, noise: float) -> None:
        self._hand = Hand(rng, noise)
        self._picker = Picker(self._hand)
        self._squeezed = 0

    def act(self, state: TaskState, tools: Float64, openings: Float64) -> Action:
        tool, opening = tools[0], float(openings[0])
        parcel = state.pose('parcel')
        angle = lid_angle(state.pose('lid'), parcel)
        poses = {name: state.pose(name) for name in ITEMS}
        loads = {name: _load(name, pose, parcel, tool, opening) for name, pose in poses.items()}
        inside = [name for name in ITEMS if packed(poses[name], parcel)]
        held = [name for name in ITEMS if self._picker.holds(tool, loads[name], opening)]
        for name in inside:
            if self._picker.around(tool, loads[name], 0.03) and opening < 0.8:
                goal = self._slot(name, poses, parcel)
                if name in held and poses[name][2] - goal[2] > 0.008:
                    return self._picker.move(tool, opening, loads[name], goal)
                return self._picker.let_go(tool, opening, loads[name])
        if len(inside) == len(ITEMS):
            return self._shut(tool, parcel, angle)
        waiting = [name for name in ITEMS if name not in inside]
        name = next((name for name in held if name in waiting), waiting[0])
        if self._tab_held(tool, opening, parcel, angle) and angle < WIDE_OPEN:
            return self._lift(tool, opening, parcel, angle)
        self._squeezed = 0
        others = [other for other in ITEMS if other != name]
        obstacles = [Obstacle(poses[o], poses[o][2] + ITEMS[o].half_height(poses[o])) for o in others]
        obstacles.append(Obstacle(parcel, RIM if angle > OPENED else RIM + 0.03, 0.05))
        if angle < OPENED:
            on_lid = [name for name in waiting if over(poses[name], parcel, (0.04, 0.04)) and poses[name][2] > RIM]
            if name not in held and not on_lid:
                return self._lift(tool, opening, parcel, angle)
            name = name if name in held else on_lid[0]
            return self._picker.move(tool, opening, *self._parking(name, poses, loads[name], parcel), obstacles)
        if name not in held:
            way_out = self._way_out(tool, opening, parcel, loads[name], angle)
            if way_out is not None:
                return way_out
        return self._picker.move(tool, opening, *self._errand(name, poses, loads[name], parcel), obstacles)

    @staticmethod
    def _slot(name: str, poses: dict[str, Float64], parcel: Float64) -> Float64:
        """[3] m, where an item is let go: its middle, above what is in the parcel already."""
        tops = [
            pose[2] + ITEMS[other].half_height(pose)
            for other, pose in poses.items()
            if other != name and packed(pose, parcel)
        ]
        height = max([ITEMS[name].drop, *(top + 0.017 for top in tops)])
        return out_of(parcel, *ITEMS[name].slot, height)

    def _errand(self, name: str, poses: dict[str, Float64], load: Load, parcel: Float64) -> tuple[Load, Float64]:
        """What to grip, and where that shall be [3]."""
        pose, slot = poses[name], self._slot(name, poses, parcel)
        low = pose[2] - load.below < RIM + 0.004
        inside = over(pose, parcel)
        if float(np.linalg.norm(pose[:2] - slot[:2])) < ALIGNED or (low and inside):
            return load, slot
        waiting = replace(load, tolerance=0.0)
        height = RIM + HOVER + load.below
        if low and over(pose, parcel, (0.06, 0.06)):
            # beside a wall there is nowhere else to go than up
            return replace(waiting, turned=None), np.array([*pose[:2], height])
        return waiting, np.array([*slot[:2], height])

    @staticmethod
    def _parking(name: str, poses: dict[str, Float64], load: Load, parcel: Float64) -> tuple[Load, Float64]:
        """What to grip, and the nearest free place on the table for it [3]."""
        pose = poses[name]
        if over(pose, parcel, (0.04, 0.04)) and pose[2] - load.below < RIM + THICK + 0.02:
            return replace(load, tolerance=0.0, turned=None), np.array([*pose[:2], RIM + 0.05 + load.below])
        others = [other for key, other in poses.items() if key != name]
        free = [
            spot
            for spot in PARKING
            if all(np.hypot(*(spot - other[:2])) > 0.11 for other in others)
            and not over(np.array([*spot, 0.0]), parcel, (0.06, 0.08))
        ]
        nearest = min(free or PARKING, key=lambda spot: float(np.hypot(*(spot - pose[:2]))))
        return load, np.array([*nearest, load.below])

    def _way_out(self, tool: Float64, opening: float, parcel: Float64, load: Load, angle: float) -> Action | None:
        """Out of the parcel and from behind its open lid, the way that the hand got there."""
        x, y, z = into(parcel, tool)
        here = float(np.hypot(*(tool[:2] - load.pose[:2])))
        tip = HINGE[1] + TAB[0] * np.sin(angle) + FINGER[1] + CLEAR
        if x < HINGE[0] + 0.012 and abs(y) < INSIDE[1] + 0.06:
            if z < tip - 0.02 or opening < 0.8:
                return self._hand.towards(tool, np.array([*tool[:2], tip]), tool_yaw(tool), OPEN)
            return self._hand.towards(tool, out_of(parcel, 0.02, y, tip), tool_yaw(tool), OPEN)
        if here > 0.03 and over(tool, parcel, (0.04, 0.04)) and z < RIM + FINGER[1]:
            return self._hand.towards(tool, np.array([*tool[:2], RIM + 0.06]), tool_yaw(tool), OPEN)
        return None

    def _shut(self, tool: Float64, parcel: Float64, angle: float) -> Action:
        """Go behind the lid, push it over with shut fingers and press it onto the rim."""
        yaw = yaw_near(yaw_of(parcel), tool)
        along, left, away = beside_lid(tool, parcel, angle)
        if angle < SHUT:
            return self._hand.towards(tool, np.array([*tool[:2], RIM + 0.11]), tool_yaw(tool), CLOSED)
        tip_x = HINGE[0] + min(0.0, TAB[0] * np.cos(angle))
        if away > 0.002 and along < TAB[0] - 0.015 and abs(left) < 0.5 * INSIDE[1]:
            ahead = max(0.0, angle - LEAD)
            # the corner of the fingers that is nearest to the lid
            corner = FINGER[0] * np.sin(ahead) + FINGER[1] * np.cos(ahead)
            return self._hand.towards(tool, at_lid(parcel, ahead, SWEEP, corner - PRESS), yaw, CLOSED)
        x = into(parcel, tool)[0]
        behind = tip_x - FINGER[0] - CLEAR
        if x < behind + 0.6 * CLEAR:
            goal = out_of(parcel, behind, 0.0, HINGE[1] + SWEEP * np.sin(angle))
            return self._hand.towards(tool, goal, yaw, CLOSED)
        top = max(RIM, HINGE[1] + TAB[0] * np.sin(angle)) + FINGER[1] + CLEAR
        goal = out_of(parcel, behind - 0.01, 0.0, top + 0.01)
        return self._hand.towards(tool, goal, yaw, CLOSED, 0.15 if tool[2] < top - 0.008 else 1.0)

    @staticmethod
    def _tab(parcel: Float64, angle: float, tool: Float64) -> Load:
        """The tab of the lid, as what is gripped."""
        pose = np.concatenate([at_lid(parcel, angle, TAB_GRIP, -THICK / 2), parcel[3:7]])
        return Load(pose, opening_for(2 * TAB[1]), grip=-0.004, below=THICK / 2, yaw=yaw_near(yaw_of(parcel), tool))

    def _tab_held(self, tool: Float64, opening: float, parcel: Float64, angle: float) -> bool:
        tab = self._tab(parcel, angle, tool)
        return self._picker.around(tool, tab, 0.04) and abs(opening - tab.opening) < 0.09

    def _lift(self, tool: Float64, opening: float, parcel: Float64, angle: float) -> Action:
        """Grip the tab and lift the lid up and back, until it leans by itself."""
        tab = self._tab(parcel, angle, tool)
        if not self._tab_held(tool, opening, parcel, angle):
            self._squeezed = 0
            return self._picker.move(tool, opening, tab, np.array([*tab.pose[:2], 1.0]))
        self._squeezed += 1
        if self._squeezed < 3:
            return self._hand.hold(CLOSED)
        ahead = min(angle + LIFT, AJAR)
        # upright, the fingers stay clear of the lid's edge beside the tab
        grip = at_lid(parcel, ahead, TAB_GRIP + 0.004 * np.sin(ahead), -THICK / 2)
        return self._hand.towards(tool, grip + [0.0, 0.0, tab.grip * np.cos(ahead)], tab.yaw, CLOSED)


def _load(name: str, pose: Float64, parcel: Float64, tool: Float64, opening: float) -> Load:
    """An item, gripped so that neither wall nor lid is in the way, and carried as the parcel is turned."""
    item = ITEMS[name]
    heading = yaw_of(parcel)
    yaw = heading if item.round else grasp_yaw(pose)
    x, y, z = into(parcel, pose)
    if z < RIM and abs(x) < INSIDE[0] + 0.03 and INSIDE[1] < abs(y) < INSIDE[1] + THICK + BESIDE:
        # no room for a finger between item and side wall: along it
        yaw = heading + np.pi / 2 if item.round else yaw + np.pi / 2
    yaw = yaw_near(yaw, tool)
    if abs(yaw) > 1.9:
        yaw -= np.sign(yaw) * np.pi
    now = opening_for(item.width(pose, tool_yaw(tool)))
    if np.linalg.norm(tool[:3] - pose[:3]) < 0.025 and abs(opening - now) < 0.06:
        # gripped as it is, which need not be as it would be
        yaw = tool_yaw(tool)
    below = item.half_height(pose)
    return Load(
        pose,
        opening_for(item.width(pose, yaw)),
        grip=max(-0.006, 0.011 - below),
        below=below,
        tolerance=0.016,
        yaw=yaw,
        turned=yaw_near(heading, tool),
    )
