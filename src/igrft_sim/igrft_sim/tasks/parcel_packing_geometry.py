# SPDX-License-Identifier: Apache-2.0
"""The parcel, its lid and what goes into it: bodies, numbers, and the parcel's own frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from igrft_sim.expert import tool_yaw
from igrft_sim.scene import FINGER_TRAVEL
from igrft_sim.tasks.base import Float64, yaw_of

INSIDE = (0.050, 0.063)
"""[m] each way inside the parcel: along x, away from the robot, and along y, in which the open gripper fits."""

THICK = 0.004
"""[m] of walls, floor and lid."""

RIM = 0.067
"""[m] of the walls' upper edge above the table. Both items fit below it, also one on the other."""

BELOW_RIM = 0.008
"""[m] at least, of the middle of an item that is in the parcel."""

HINGE = (-INSIDE[0] - THICK - 0.001, RIM + THICK / 2)
"""[m] x and z of the lid's axis in the parcel's frame."""

LID = INSIDE[0] + THICK - HINGE[0]
"""[m] from the axis to the front wall's outer face."""

TAB = (LID + 0.028, 0.017)
"""[m] from the axis to the tip of the tab that juts out over the front wall, and half its width."""

TAB_GRIP = LID + 0.0135
"""[m] from the axis, where the fingers hold the tab clear of the front wall."""

AJAR = 1.75
"""[rad] of the open lid: it leans back, on the robot's side."""

SHUT = 0.05
"""[rad] below which the lid is shut."""

OPENED = 1.3
"""[rad] below which nothing can be put into the parcel."""

TIPPED = np.pi / 2 - 0.25
"""[rad] below which the lid falls shut by itself."""

LID_MASS, LID_DAMPING, LID_ARMATURE = 0.05, 0.015, 0.002
"""[kg], [N m s/rad], [kg m^2]: it takes about a second to fall shut, and does not bounce."""

BLUE, GREEN = (0.14, 0.32, 0.78, 1.0), (0.20, 0.66, 0.24, 1.0)
CARDBOARD, INNER, FLAP = (0.60, 0.43, 0.26, 1.0), (0.50, 0.35, 0.21, 1.0), (0.70, 0.52, 0.33, 1.0)


@dataclass(frozen=True, slots=True)
class Item:
    """What is packed.

    Attributes:
        size: [3] m, edges, or a ball's diameter three times.
        slot: [2] m, in the parcel's frame, where it is let go.
        drop: [m] of its middle above the table when it is let go: the fingers are in the parcel by then.
        round: it is a ball.
        give: [m] that it is narrower between the pads.
    """

    size: tuple[float, float, float]
    slot: tuple[float, float]
    drop: float
    round: bool = False
    give: float = 0.0

    def half_height(self, pose: Float64) -> float:
        """[m] from its middle to its lowest point, however it lies."""
        if self.round:
            return self.size[2] / 2
        return float(np.abs(edges(pose)[:, 2]) @ self.size) / 2

    def width(self, pose: Float64, yaw: float) -> float:
        """[m] between the pads of a gripper that is turned by ``yaw`` [rad]: along the edge nearest to its fingers."""
        if self.round:
            return self.size[0] - self.give
        rows = edges(pose)
        along = rows @ np.array([np.sin(yaw), -np.cos(yaw), 0.0])
        return self.size[int(np.argmax(np.abs(along)))]


ITEMS = {
    'brick': Item(size=(0.050, 0.040, 0.026), slot=(0.019, 0.0), drop=0.040),
    'ball': Item(size=(0.034, 0.034, 0.034), slot=(-0.027, 0.0), drop=0.045, round=True, give=0.0025),
}
"""In the order in which they are packed."""


def edges(pose: Float64) -> Float64:
    """[3, 3] directions of a body's own axes in base_link, one a row."""
    w, x, y, z = pose[3:7]
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)],
            [2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)],
            [2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def opening_for(width: float) -> float:
    """Of a gripper that holds something so wide [m]."""
    return width / (2 * FINGER_TRAVEL)


def into(parcel: Float64, point: Float64) -> Float64:
    """[3] m of a point, in the parcel's frame."""
    yaw, way = yaw_of(parcel), point[:3] - parcel[:3]
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([cos * way[0] + sin * way[1], cos * way[1] - sin * way[0], way[2]])


def out_of(parcel: Float64, x: float, y: float, z: float) -> Float64:
    """[3] m in base_link, of a point of the parcel's frame."""
    yaw = yaw_of(parcel)
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([parcel[0] + cos * x - sin * y, parcel[1] + sin * x + cos * y, parcel[2] + z])


def packed(pose: Float64, parcel: Float64) -> bool:
    """The item is between the walls and below the rim."""
    x, y, z = into(parcel, pose)
    return bool(abs(x) < INSIDE[0] and abs(y) < INSIDE[1] and z < RIM - BELOW_RIM)


def over(pose: Float64, parcel: Float64, margin: Sequence[float] = (0.0, 0.0)) -> bool:
    """Seen from above, it is within the walls, or so far [m] beside them in x and in y."""
    x, y, _ = into(parcel, pose)
    return bool(abs(x) < INSIDE[0] + margin[0] and abs(y) < INSIDE[1] + margin[1])


def lid_angle(lid: Float64, parcel: Float64) -> float:
    """[rad] of the lid: 0 lies on the rim, pi/2 upright, AJAR open."""
    along = edges(lid)[0]
    yaw = yaw_of(parcel)
    return float(np.arctan2(along[2], np.cos(yaw) * along[0] + np.sin(yaw) * along[1]))


def beside_lid(tool: Float64, parcel: Float64, angle: float) -> tuple[float, float, float]:
    """Where a point is, seen from the lid [m].

    Returns:
        Its distance from the axis along the lid, to the lid's left, and from the lid's outer face, negative inside.
    """
    x, y, z = into(parcel, tool)
    x, z = x - HINGE[0], z - HINGE[1]
    along, away = x * np.cos(angle) + z * np.sin(angle), z * np.cos(angle) - x * np.sin(angle)
    return float(along), float(y), float(away - THICK / 2)


def at_lid(parcel: Float64, angle: float, along: float, away: float) -> Float64:
    """[3] m in base_link, of a point so far from the axis along the lid and from its outer face."""
    away += THICK / 2
    x = HINGE[0] + along * np.cos(angle) - away * np.sin(angle)
    z = HINGE[1] + along * np.sin(angle) + away * np.cos(angle)
    return out_of(parcel, x, 0.0, z)


def yaw_near(yaw: float, tool: Float64) -> float:
    """The same heading of a gripper that may be turned by half a turn, nearest to its heading now [rad]."""
    turned = tool_yaw(tool)
    return turned + (yaw - turned + np.pi / 2) % np.pi - np.pi / 2


def add_items(spec: mujoco.MjSpec) -> None:
    """Brick and ball, free."""
    for name, item in ITEMS.items():
        body = spec.worldbody.add_body(name=name, pos=[0, 0, item.size[2] / 2])
        body.add_freejoint(name=name)
        body.add_geom(
            name=name,
            type=mujoco.mjtGeom.mjGEOM_SPHERE if item.round else mujoco.mjtGeom.mjGEOM_BOX,
            size=[edge / 2 for edge in item.size],
            mass=0.08,
            rgba=GREEN if item.round else BLUE,
            # a ball that rolled for ever would not be one of soft rubber
            condim=6 if item.round else 4,
            friction=[1.0, 0.02, 0.003 if item.round else 0.0005],
            solref=[0.01, 1],
        )


def add_parcel(spec: mujoco.MjSpec) -> None:
    """Floor, four walls, and the lid on the edge that is nearest to the robot."""
    parcel = spec.worldbody.add_body(name='parcel', pos=[0, 0, 0])
    (x, y), half = INSIDE, THICK / 2
    outer, rise = y + THICK, (RIM - THICK) / 2

    def box(body: mujoco.MjsBody, size: Sequence[float], place: Sequence[float], colour: Sequence[float]) -> None:
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=size,
            pos=place,
            rgba=colour,
            mass=LID_MASS * size[0] * size[1] / (LID * outer / 2),
            friction=[0.6, 0.01, 0.0005],
            solref=[0.01, 1],
        )

    box(parcel, [x + THICK, outer, half], [0, 0, half], INNER)
    for side in (-1, 1):
        box(parcel, [half, outer, rise], [side * (x + half), 0, THICK + rise], CARDBOARD)
        box(parcel, [x, half, rise], [0, side * (y + half), THICK + rise], CARDBOARD)
    lid = parcel.add_body(name='lid', pos=[HINGE[0], 0, HINGE[1]])
    lid.add_joint(
        name='lid',
        type=mujoco.mjtJoint.mjJNT_HINGE,
        axis=[0, -1, 0],
        limited=mujoco.mjtLimited.mjLIMITED_TRUE,
        # shut, it is the rim that holds it
        range=[-0.1, AJAR],
        damping=LID_DAMPING,
        armature=LID_ARMATURE,
    )
    gap = 0.004
    box(lid, [(LID - gap) / 2, outer, half], [(LID + gap) / 2, 0, 0], FLAP)
    box(lid, [(TAB[0] - LID) / 2, TAB[1], half], [(TAB[0] + LID) / 2, 0, 0], FLAP)
