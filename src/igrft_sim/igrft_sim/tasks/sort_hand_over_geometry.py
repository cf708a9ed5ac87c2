# SPDX-License-Identifier: Apache-2.0
"""Bars, trays and grips of the hand-over: sizes, and who is where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from igrft_sim.scene import FINGER_TRAVEL
from igrft_sim.tasks.base import Float64

LEFT, RIGHT = 0, 1
"""The arms, in the order of the robot."""

SIDES = (1.0, -1.0)
"""Sign of y on which each arm stands, and on which it holds a bar."""

HALF = (0.07, 0.0175, 0.0175)
"""[m] half sizes of a bar; its own x axis is its length."""

HELD = HALF[1] / FINGER_TRAVEL
"""Opening of a gripper around a bar."""

GRIP = 0.042
"""[m] along a bar from its centre to where an arm holds it: two hands, 48 mm thick, fit beside each other."""

BASES = (0.60, -0.60)
"""[m] y of the arms' bases, which stand at x = 0 (config/robots/sim_dual.yaml)."""

REACH = 0.80
"""[m] from an arm's base, up to which its tool can point down at the table."""

NEAREST = 0.25
"""[m] x of a bar's centre, nearer than which no arm picks it up."""

TOOL_ABOVE = 0.006
"""[m] of the tool above a held bar's centre line, so that the fingers pass over a tray's rim."""

FLOOR = 0.003
"""[m] thickness of a tray's floor."""

TRAY = (0.062, 0.092)
"""[m] half of a tray's inside in x and y: a bar lies in it, turned a little."""

JOBS = (('red_bar', 'red_tray', RIGHT), ('blue_bar', 'blue_tray', LEFT))
"""Which bar goes where, and the arm that reaches the tray; in this order."""

FINGER_ROOM = (0.016, 0.066)
"""[m] half of what an open gripper needs around its grip, along and across the bar."""

_CORNERS = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]], np.float64)


@dataclass(frozen=True, slots=True)
class Place:
    """A tool seen from a bar.

    Attributes:
        along: [m] from the bar's centre, positive on the left arm's side.
        beside: [m] from its centre line, seen from above.
        above: [m] over its centre line.
    """

    along: float
    beside: float
    above: float

    @property
    def around(self) -> bool:
        """Fingers that close here close on the bar."""
        return abs(self.along) < HALF[0] + 0.008 and abs(self.beside) < 0.02 and abs(self.above) < 0.02

    @property
    def near(self) -> bool:
        """The fingers are beside the bar, or on it: a bar that moves would take them along."""
        return abs(self.along) < HALF[0] + 0.02 and abs(self.beside) < 0.06 and self.above < 0.045


def axis_of(bar: Float64) -> Float64:
    """[3] unit vector along a bar of pose [7], towards the left arm's side."""
    _, x, y, z = bar[3:7]
    w = bar[3]
    axis = np.array([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)])
    return axis if axis[1] > 0 else -axis


def place_of(tool: Float64, bar: Float64) -> Place:
    """Where a tool [>=3] is, seen from a bar [7]."""
    axis, way = axis_of(bar), tool[:3] - bar[:3]
    along = float(way @ axis)
    rest = way - along * axis
    return Place(along, float(np.hypot(rest[0], rest[1])), float(rest[2]))


def held_by(tool: Float64, opening: float, bar: Float64) -> bool:
    """As far as one can see without touching, that gripper holds the bar."""
    return place_of(tool, bar).around and abs(opening - HELD) < 0.06


def footprint(centre: Float64, half: tuple[float, float], heading: float) -> Float64:
    """[4, 2] corners of a rectangle on the table, its first half size along the heading [rad]."""
    c, s = np.cos(heading), np.sin(heading)
    return np.asarray(centre)[:2] + (_CORNERS * half) @ np.array([[c, s], [-s, c]])


def heading_of(bar: Float64) -> float:
    """Direction of :func:`axis_of` seen from above [rad], in [0, pi]."""
    axis = axis_of(bar)
    return float(np.arctan2(axis[1], axis[0]))


def bar_footprint(bar: Float64, margin: float = 0.0) -> Float64:
    """[4, 2] corners of a lying bar, and of a margin [m] around it."""
    return footprint(bar, (HALF[0] + margin, HALF[1] + margin), heading_of(bar))


def reaches(arm: int, bar: Float64) -> bool:
    """That arm can pick a lying bar up by its own end."""
    end = bar[:2] + SIDES[arm] * GRIP * axis_of(bar)[:2]
    return bool(np.hypot(end[0], end[1] - BASES[arm]) < REACH and bar[0] > NEAREST)


def room_to_grip(bar: Float64, along: float, other: Float64) -> bool:
    """An open gripper around a place of the bar, ``along`` its axis [m], does not meet another bar on the table."""
    fingers = footprint(bar[:3] + along * axis_of(bar), FINGER_ROOM, heading_of(bar))
    return not overlap(fingers, bar_footprint(other))


def overlap(first: Float64, second: Float64) -> bool:
    """Whether two rectangles [4, 2] overlap: no line along a side of one of them separates them."""
    for corners in (first, second):
        for side in (corners[1] - corners[0], corners[2] - corners[1]):
            a, b = first @ side, second @ side
            if a.max() < b.min() or b.max() < a.min():
                return False
    return True


def over_tray(bar: Float64, tray: Float64) -> bool:
    """A bar's centre is above the middle of a tray."""
    return bool((np.abs(bar[:2] - tray[:2]) < [TRAY[0] - 0.015, TRAY[1] - 0.04]).all())


def in_tray(bar: Float64, tray: Float64, height: float = 0.006, tilt: float = 0.1) -> bool:
    """A bar lies in a tray with all corners, up to ``height`` [m] too high and with one end up by ``tilt`` [rad]."""
    inside = bool((np.abs(bar_footprint(bar) - tray[:2]) < np.array(TRAY) + 0.003).all())
    above = float(bar[2] - tray[2]) - FLOOR - HALF[2]
    return inside and abs(above) < height and abs(float(axis_of(bar)[2])) < tilt
