# SPDX-License-Identifier: Apache-2.0
"""The drinks and their rack, and the expert that shelves them from whatever it finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from igrft_sim.expert import Hand
from igrft_sim.scene import FINGER_TRAVEL
from igrft_sim.tasks.base import Expert, Float64, TaskState, yaw_of
from igrft_sim.tasks.pick_place import Load, Obstacle, Picker, aside

SHELF = 0.060
"""[m] of the rack's board above the table."""

SLOT = 0.064
"""[m] each way inside a slot; a drink has 7 mm to spare on each side."""

PITCH = 0.096
"""[m] between the slots' middles; the open gripper fits between a drink in its slot and its neighbour."""

WALL = 0.028
"""[m] that a slot's walls rise above the board."""

UPRIGHT = np.deg2rad(12.0)
"""[rad] from the vertical, up to which a drink stands."""

TOPPLED = np.deg2rad(35.0)
"""[rad] from the vertical, from which it does not get up by itself."""

ALIGNED = 0.006
"""[m] each way along the rack's axes, within which a held drink may be lowered into its slot."""

HOVER = 0.016
"""[m] above the walls of a slot, where a held drink waits until it is aligned."""

SEATED = 0.006
"""[m] above the board, up to which a drink stands on it."""

PRESS = 0.003
"""[m] below the board, which a drink's foot is lowered to so that it is released on the board and not above."""

CLEAR = 0.030
"""[m] above a drink, at which the tool's fingers have left it."""

PARKING = tuple((0.48 + x, y) for x in (0.0, -0.06, 0.08) for y in (0.0, 0.11, -0.11, 0.16, -0.16))
"""[m] where a drink that is in the way may be put down."""


@dataclass(frozen=True, slots=True)
class Drink:
    """What is shelved. Its frame is at half its height, z along its axis.

    Attributes:
        side: +1 the left slot, seen from the robot, -1 the right one.
        radius: [m] of its foot.
        height: [m]
        grip: [m] of the tool above its foot.
        width: [m] between the pads that hold it there.
    """

    side: int
    radius: float
    height: float
    grip: float
    width: float

    @property
    def opening(self) -> float:
        """Of the gripper that holds it."""
        return self.width / (2 * FINGER_TRAVEL)

    def slot(self, rack: Float64, side: int = 0) -> Float64:
        """[3] m, the middle of its own slot's floor, or of the one on ``side``."""
        yaw, offset = yaw_of(rack), (side or self.side) * PITCH / 2
        return np.array([rack[0] - np.sin(yaw) * offset, rack[1] + np.cos(yaw) * offset, rack[2] + SHELF])

    def along(self, pose: Float64, height: float) -> Float64:
        """[3] m, the point of its axis ``height`` above its foot."""
        return pose[:3] + axis(pose) * (height - self.height / 2)


DRINKS = {
    'can': Drink(side=1, radius=0.025, height=0.090, grip=0.067, width=0.050),
    'bottle': Drink(side=-1, radius=0.025, height=0.110, grip=0.091, width=0.026),
}
"""In the order in which they are shelved."""


def axis(pose: Float64) -> Float64:
    """[3] direction of a body's z axis."""
    w, x, y, z = pose[3:7]
    return np.array([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)])


def tilt(pose: Float64) -> float:
    """[rad] from the vertical."""
    return float(np.arccos(np.clip(axis(pose)[2], -1.0, 1.0)))


def off_slot(drink: Drink, pose: Float64, rack: Float64, side: int = 0) -> Float64:
    """[3] m from the middle of a slot's floor to the drink's foot, along the rack's axes."""
    way = drink.along(pose, 0.0) - drink.slot(rack, side)
    yaw = yaw_of(rack)
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([cos * way[0] + sin * way[1], cos * way[1] - sin * way[0], way[2]])


def stands_in(drink: Drink, pose: Float64, rack: Float64, side: int = 0) -> bool:
    """The drink stands upright on the floor of its own slot, or of the one on ``side``."""
    x, y, z = np.abs(off_slot(drink, pose, rack, side))
    return bool(max(x, y) < SLOT / 2 - drink.radius + 0.002 and z < SEATED and tilt(pose) < UPRIGHT)


class ShelvingExpert(Expert):
    """Chooses which drink to move where from the state alone."""

    def __init__(self, rng: np.random.Generator, noise: float) -> None:
        self._picker = Picker(Hand(rng, noise))

    def act(self, state: TaskState, tools: Float64, openings: Float64) -> npt.NDArray[np.float32]:
        tool, opening = tools[0], float(openings[0])
        rack = state.pose('rack')
        poses = {name: state.pose(name) for name in DRINKS}
        loads = {name: _load(DRINKS[name], pose, yaw_of(rack)) for name, pose in poses.items()}
        done = [name for name, drink in DRINKS.items() if stands_in(drink, poses[name], rack)]
        beside = [name for name in done if _among_fingers(tool, DRINKS[name], poses[name])]
        if len(done) == len(DRINKS) or beside:
            return self._picker.let_go(tool, opening, loads[(beside or list(DRINKS))[-1]])
        waiting = [name for name in DRINKS if name not in done]
        held = [name for name in waiting if self._picker.holds(tool, loads[name], opening)]
        name = (held or waiting)[0]
        others = {other: pose for other, pose in poses.items() if other != name}
        load, goal = self._errand(name, loads[name], poses[name], rack, others)
        obstacles = [
            Obstacle(pose, DRINKS[other].along(pose, DRINKS[other].height)[2]) for other, pose in others.items()
        ]
        return self._picker.move(tool, opening, load, goal, obstacles)

    @staticmethod
    def _errand(
        name: str, load: Load, pose: Float64, rack: Float64, others: dict[str, Float64]
    ) -> tuple[Load, Float64]:
        """What to grip, and where that shall be [3]."""
        drink = DRINKS[name]
        lift = np.array([0.0, 0.0, drink.grip])
        slot = drink.slot(rack)
        if any(aside(other, slot) < PITCH / 2 and other[2] > SHELF for other in others.values()):
            free = [spot for spot in PARKING if all(np.hypot(*(spot - other[:2])) > 0.11 for other in others.values())]
            nearest = min(free or PARKING, key=lambda spot: float(np.hypot(*(spot - pose[:2]))))
            return load, np.array([*nearest, 0.0]) + lift
        x, y, z = off_slot(drink, pose, rack)
        # between the walls there is nowhere else to go than down
        if max(abs(x), abs(y)) < (ALIGNED if z > WALL else SLOT / 2 - drink.radius + 0.003):
            return load, slot + lift - [0.0, 0.0, PRESS]
        waiting = Load(load.pose, load.opening, below=load.below, tolerance=0.0, yaw=load.yaw)
        return waiting, slot + lift + [0.0, 0.0, WALL + HOVER]


def _load(drink: Drink, pose: Float64, yaw: float) -> Load:
    """The point of the drink that the fingers hold, as what is moved."""
    point = np.concatenate([drink.along(pose, drink.grip), pose[3:7]])
    return Load(point, drink.opening, below=drink.grip, tolerance=0.009, yaw=yaw)


def _among_fingers(tool: Float64, drink: Drink, pose: Float64) -> bool:
    """The fingers are still around the drink."""
    top = drink.along(pose, drink.height)
    return aside(tool, top) < 0.04 and tool[2] < top[2] + CLEAR
