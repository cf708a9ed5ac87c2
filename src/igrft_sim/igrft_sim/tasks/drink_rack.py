# SPDX-License-Identifier: Apache-2.0
"""Two drinks and the rack that they belong into: sizes, and what stands where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from igrft_sim.scene import FINGER_TRAVEL
from igrft_sim.tasks.base import Float64, yaw_of

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

SEATED = 0.006
"""[m] above the board, up to which a drink stands on it."""


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
