# SPDX-License-Identifier: Apache-2.0
"""The expert that shelves the drinks from whatever it finds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from igrft_sim.expert import Hand
from igrft_sim.tasks.base import Expert, Float64, TaskState, yaw_of
from igrft_sim.tasks.drink_rack import DRINKS, PITCH, SHELF, SLOT, TOPPLED, WALL, Drink, off_slot, stands_in, tilt
from igrft_sim.tasks.drink_righting import Righter, tipped
from igrft_sim.tasks.pick_place import Load, Obstacle, Picker, aside

ALIGNED = 0.006
"""[m] each way along the rack's axes, within which a held drink may be lowered into its slot."""

NEARLY = 0.020
"""[m] each way, within which the hand corrects for how the drink sits in it."""

ROOM = 0.12
"""[m] between a fallen drink and a standing one, which the hand needs to grip the fallen one."""

NUDGE = 0.3
"""Share of what is missing that a step adds to the correction."""

HOVER = 0.016
"""[m] above the walls of a slot, where a held drink waits until it is aligned."""

PRESS = 0.003
"""[m] below the board, which a drink's foot is lowered to so that it is released on the board and not above."""

CLEAR = 0.016
"""[m] above a drink, at which the tool's fingers have left it."""

PARKING = tuple((0.50 + x, y) for x in (0.0, -0.05, 0.08) for y in (0.0, 0.11, -0.11, 0.16, -0.16))
"""[m] where a drink that is in the way may be put down."""


class ShelvingExpert(Expert):
    """Chooses which drink to move where from the state alone; it only remembers how it nudges one over its slot."""

    def __init__(self, rng: np.random.Generator, noise: float) -> None:
        self._picker = Picker(Hand(rng, noise))
        self._righter = Righter(self._picker)
        self._nudge = np.zeros(2)

    def act(self, state: TaskState, tools: Float64, openings: Float64) -> npt.NDArray[np.float32]:
        tool, opening = tools[0], float(openings[0])
        rack = state.pose('rack')
        poses = {name: state.pose(name) for name in DRINKS}
        fallen = self._fallen(tool, opening, poses)
        if fallen:
            others = [pose for name, pose in poses.items() if name != fallen]
            return self._righter.act(tool, opening, DRINKS[fallen], poses[fallen], others)
        loads = {name: _load(DRINKS[name], pose, yaw_of(rack)) for name, pose in poses.items()}
        done = [name for name, drink in DRINKS.items() if stands_in(drink, poses[name], rack)]
        waiting = [name for name in DRINKS if name not in done]
        held = [name for name in waiting if self._picker.holds(tool, loads[name], opening)]
        free = [name for name in waiting if not self._taken(name, poses, rack) and tilt(poses[name]) < TOPPLED]
        name = (held or free or waiting or list(DRINKS)[-1:])[0]
        beside = [other for other in DRINKS if _among_fingers(tool, DRINKS[other], poses[other])]
        if not waiting or (beside and beside[0] != name):
            return self._picker.let_go(tool, opening, loads[(beside or [name])[0]])
        others = {other: pose for other, pose in poses.items() if other != name}
        if self._taken(name, poses, rack):
            load, goal = loads[name], self._parking(poses[name], others) + [0.0, 0.0, DRINKS[name].grip]
        else:
            load, goal = self._into_slot(DRINKS[name], loads[name], poses[name], rack)
        obstacles = [
            Obstacle(pose, DRINKS[other].along(pose, DRINKS[other].height)[2]) for other, pose in others.items()
        ]
        return self._picker.move(tool, opening, load, goal, obstacles)

    def _fallen(self, tool: Float64, opening: float, poses: dict[str, Float64]) -> str:
        """The drink to stand up before anything else, if there is one."""
        if tipped(tool):
            return min(poses, key=lambda name: float(np.linalg.norm(poses[name][:3] - tool[:3])))
        lying = [name for name, pose in poses.items() if tilt(pose) > TOPPLED]
        held = [name for name, drink in DRINKS.items() if self._righter.holds(tool, opening, drink, poses[name])]
        if held:
            return held[0] if held[0] in lying else ''
        # one that stands close by on the table would be in the hand's way: it is shelved first
        standing = [pose for pose in poses.values() if tilt(pose) < TOPPLED and pose[2] < SHELF]
        free = [name for name in lying if all(aside(poses[name], pose) > ROOM for pose in standing)]
        return (free or [''])[0]

    @staticmethod
    def _taken(name: str, poses: dict[str, Float64], rack: Float64) -> bool:
        """Another drink is in the way of this one's slot."""
        slot = DRINKS[name].slot(rack)
        return any(aside(pose, slot) < PITCH / 2 and pose[2] > SHELF for other, pose in poses.items() if other != name)

    @staticmethod
    def _parking(pose: Float64, others: dict[str, Float64]) -> Float64:
        """[3] m, the nearest free place on the table."""
        free = [spot for spot in PARKING if all(np.hypot(*(spot - other[:2])) > 0.11 for other in others.values())]
        return np.array([*min(free or PARKING, key=lambda spot: float(np.hypot(*(spot - pose[:2])))), 0.0])

    def _into_slot(self, drink: Drink, load: Load, pose: Float64, rack: Float64) -> tuple[Load, Float64]:
        """What to grip, and where that shall be [3]: over the slot until the foot is aligned with it, then down."""
        goal = drink.slot(rack) + [0.0, 0.0, drink.grip]
        x, y, z = off_slot(drink, pose, rack)
        far = max(abs(x), abs(y))
        # between the walls there is nowhere else to go than down
        if far < (ALIGNED if z > WALL else SLOT / 2 - drink.radius + 0.003):
            return load, goal - [0.0, 0.0, PRESS]
        # it is the foot that has to fit, however the drink sits in the hand: nudge it until it is right
        missing = goal[:2] - drink.along(pose, 0.0)[:2]
        self._nudge = np.clip(self._nudge + NUDGE * missing, -NEARLY, NEARLY) if far < NEARLY else np.zeros(2)
        goal[:2] += self._nudge
        waiting = Load(load.pose, load.opening, below=load.below, tolerance=0.0, yaw=load.yaw)
        return waiting, goal + [0.0, 0.0, WALL + HOVER]


def _load(drink: Drink, pose: Float64, yaw: float) -> Load:
    """The point of the drink that the fingers hold, as what is moved."""
    point = np.concatenate([drink.along(pose, drink.grip), pose[3:7]])
    return Load(point, drink.opening, below=drink.grip, tolerance=0.009, yaw=yaw)


def _among_fingers(tool: Float64, drink: Drink, pose: Float64) -> bool:
    """The fingers are still around the drink."""
    top = drink.along(pose, drink.height)
    return aside(tool, top) < 0.04 and tool[2] < top[2] + CLEAR
