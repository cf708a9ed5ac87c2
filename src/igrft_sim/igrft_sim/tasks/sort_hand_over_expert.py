# SPDX-License-Identifier: Apache-2.0
"""The expert of the hand-over: drives both arms, each from what it sees of both."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from igrft_sim.expert import CLOSED, OPEN, Hand, tool_yaw
from igrft_sim.tasks.base import Expert, Float64, TaskState
from igrft_sim.tasks.sort_hand_over_geometry import (
    FLOOR,
    GRIP,
    HALF,
    HELD,
    JOBS,
    SIDES,
    TOOL_ABOVE,
    axis_of,
    bar_footprint,
    heading_of,
    held_by,
    in_tray,
    over_tray,
    overlap,
    place_of,
    reaches,
    room_to_grip,
)

Action = npt.NDArray[np.float32]
Move = Callable[[], Action]

MEETING = np.array([0.46, 0.0, 0.13])
"""[m] where a bar's centre is when it is passed on."""

WAITING = (0.44, 0.16, 0.22)
"""[m] x, |y|, z of the tool that will take it."""

PARKING = (0.37, 0.25, 0.20)
"""[m] x, |y|, z of a tool without work."""

NOMINAL = (-np.pi / 2, np.pi / 2)
"""[rad] yaw of each tool: fingers close along x, the wrist camera is on the inside."""

LEAST_TURN = (-0.9, -np.pi / 2)
"""[rad] from there, the turn to the one side that the wrist allows; half a turn more is the other limit."""

ON_AXIS = (0.008, 0.015)
"""[m] beside and along the bar from where the fingers should be, within which they may close."""

STUCK = 6
"""Policy steps without motion after which an arm backs off and begins anew."""

BACKING = 7
"""Policy steps for which it does."""

IN_VAIN = 6
"""Policy steps of squeezing without holding anything, after which it does, too."""

RELEASE = (0.010, 0.2)
"""[m] above a tray's floor and [rad] of tilt, from which a bar may fall into place."""

PASSING = 0.15
"""[m] of height between two tools whose hands pass each other."""

REACH_ACROSS = 0.03
"""[m] beyond the middle, up to which the arm that reaches the tray fetches a bar itself."""

FIRM = 2
"""Policy steps of squeezing after which a grip holds."""


class Pilot:
    """One arm's hand and how long it has squeezed, stood still or backed off; everything else it sees.

    Args:
        arm: LEFT or RIGHT.
        hand: its motion.
    """

    def __init__(self, arm: int, hand: Hand) -> None:
        self.arm, self.hand, self.side = arm, hand, SIDES[arm]
        self._nominal, self._least = NOMINAL[arm], LEAST_TURN[arm]
        self._squeezed = self._still = self._backing = 0
        self._last = np.zeros(3)
        self.tool, self.opening = np.zeros(7), 1.0

    def look(self, tool: Float64, opening: float) -> None:
        """Begin a step."""
        moved = float(np.linalg.norm(tool[:3] - self._last))
        self._still = self._still + 1 if moved < 0.003 else 0
        self.tool, self.opening, self._last = tool, opening, tool[:3].copy()

    def firm(self, bar: Float64) -> bool:
        """It holds the bar, and has squeezed for long enough."""
        return held_by(self.tool, self.opening, bar) and self._squeezed >= FIRM

    def stay(self) -> Action:
        """Go on holding what it holds."""
        self._still = 0
        return self.hand.hold(CLOSED)

    def squeeze(self) -> Action:
        """Stand still and close."""
        self._squeezed, self._still = self._squeezed + 1, 0
        return self.hand.hold(CLOSED)

    def rest(self, place: tuple[float, float, float]) -> Action:
        """Go to a place on its own side and open."""
        self._squeezed = self._still = 0
        goal = np.array([place[0], self.side * place[1], place[2]])
        low = self.tool[2] < 0.10
        return self.hand.towards(self.tool, goal, self._nominal, OPEN, 0.2 if low else 1.0)

    def let_go(self) -> Action:
        """Open, and leave upwards."""
        self._squeezed = 0
        if self.opening < 0.8 and self._still < STUCK:  # a finger may have no room to open before it is higher
            return self.hand.hold(OPEN)
        return self.rise()

    def rise(self) -> Action:
        """Straight up, open."""
        return self.hand.towards(self.tool, self.tool[:3] + [0.0, 0.0, 0.10], tool_yaw(self.tool), OPEN)

    def take(self, bar: Float64, along: float) -> Action:
        """Down a funnel onto a place of the bar, ``along`` its axis [m], and close."""
        here = place_of(self.tool, bar)
        beside, aside = here.beside, abs(here.along - along)
        there = here.around and beside < ON_AXIS[0] and aside < ON_AXIS[1] and abs(here.above - TOOL_ABOVE) < 0.010
        closing = there or self._squeezed or self.opening < HELD + 0.06
        if here.around and aside < 0.03 and self.opening > HELD - 0.06 and closing and self._squeezed < IN_VAIN:
            return self.squeeze()
        if self._still >= STUCK or self._squeezed >= IN_VAIN:
            self._backing = BACKING
        self._squeezed = 0
        if self._backing:
            # something is in the way, or the arm is stretched out: home, and down again from there
            self._backing -= 1
            return self.rest(PARKING)
        grip = bar[:3] + along * axis_of(bar) + [0.0, 0.0, TOOL_ABOVE]
        yaw = self._yaw(heading_of(bar))
        distance = float(np.hypot(*(grip[:2] - self.tool[:2]))) + 0.05 * max(0.0, _turn(tool_yaw(self.tool), yaw) - 0.1)
        height = float(np.clip(3.0 * (distance - 0.010), 0.0, 0.07))
        if self.opening < 0.62 or (self.opening < 0.8 and distance > 0.015):
            height = 0.07
        goal = np.array([grip[0], grip[1], max(grip[2] + height, 0.016)])
        return self.hand.towards(self.tool, goal, yaw, OPEN, 0.25 if goal[2] - self.tool[2] > 0.02 else 1.0)

    def carry(self, bar: Float64, goal: Float64) -> Action:
        """Move a held bar's centre to a goal [3], across the robot; up, across and down a funnel."""
        self._still = 0
        here = place_of(self.tool, bar)
        way = goal[:2] - bar[:2]
        apart = float(np.hypot(*way))
        lift = float(np.clip(3.0 * (apart - 0.006), 0.0, 0.05)) if goal[2] < 0.1 else 0.0
        place = goal + [0.0, here.along, lift + self.tool[2] - bar[2]]
        turn = np.pi / 2 - heading_of(bar)
        low = place[2] - self.tool[2] > 0.03 and bar[2] < 0.06
        return self.hand.towards(self.tool, place, tool_yaw(self.tool) + turn, CLOSED, 0.3 if low else 1.0)

    def _yaw(self, heading: float) -> float:
        """Of the tool that holds a bar with that heading, its own end outside."""
        turn = heading - np.pi / 2
        return self._nominal + self._least + (turn - self._least) % np.pi


class HandOverExpert(Expert):
    """Chooses what each arm does from the state alone."""

    def __init__(self, rng: np.random.Generator, noise: float) -> None:
        self._pilots = [Pilot(arm, Hand(rng, noise)) for arm in range(len(SIDES))]

    def act(self, state: TaskState, tools: Float64, openings: Float64) -> Action:
        for pilot, tool, opening in zip(self._pilots, tools, openings, strict=True):
            pilot.look(tool, float(opening))
        poses = {name: state.pose(name) for name in state.objects}
        moves = self._uncross()
        for job in sorted(JOBS, key=lambda job: self._rank(poses, *job[:2])):
            for arm, move in self._job(poses, *job).items():
                moves.setdefault(arm, move)
        return np.concatenate(
            [moves.get(pilot.arm, partial(pilot.rest, PARKING))() for pilot in self._pilots], dtype=np.float32
        )

    def _uncross(self) -> dict[int, Move]:
        """Of two hands on each other's side, the higher one goes up until they pass each other."""
        left, right = self._pilots
        higher, lower = (left, right) if left.tool[2] > right.tool[2] else (right, left)
        if left.tool[1] > right.tool[1] or higher.tool[2] - lower.tool[2] > PASSING:
            return {}
        return {higher.arm: higher.rise, lower.arm: partial(lower.hand.hold, OPEN)}

    def _rank(self, poses: dict[str, Float64], name: str, tray: str) -> tuple[bool, bool]:
        """Sorts the jobs: a bar below the other or whose tray is taken comes last, one that is held comes first."""
        bar, other = poses[name], _other(poses, name)
        below = other[2] > bar[2] + HALF[2] and overlap(bar_footprint(other), bar_footprint(bar))
        held = any(held_by(pilot.tool, pilot.opening, bar) for pilot in self._pilots)
        return bool(below) or over_tray(other, poses[tray]), not held or in_tray(bar, poses[tray])

    def _job(self, poses: dict[str, Float64], name: str, tray: str, arm: int) -> dict[int, Move]:
        """What one bar asks of the arms, the more important one first; ``arm`` reaches its tray."""
        bar, taker, giver = poses[name], self._pilots[arm], self._pilots[1 - arm]
        near = [pilot for pilot in (taker, giver) if place_of(pilot.tool, bar).near]
        taken, given = (held_by(pilot.tool, pilot.opening, bar) for pilot in (taker, giver))
        if in_tray(bar, poses[tray], *RELEASE):
            return {pilot.arm: pilot.let_go for pilot in near}
        if taken and giver in near:
            return {taker.arm: taker.squeeze, giver.arm: giver.let_go if taker.firm(bar) else giver.stay}
        if taken:
            goal = poses[tray][:3] + [0.0, 0.0, FLOOR + HALF[2]]
            return {taker.arm: partial(taker.carry, bar, goal) if taker.firm(bar) else taker.squeeze}
        waiting: Move = partial(taker.rest, WAITING)
        if not given and (taker.side * bar[1] > -REACH_ACROSS and reaches(taker.arm, bar)):
            return {taker.arm: partial(taker.take, bar, self._along(taker, poses, name))}
        if not given:
            return {giver.arm: partial(giver.take, bar, self._along(giver, poses, name)), taker.arm: waiting}
        if not giver.firm(bar):
            return {giver.arm: giver.squeeze, taker.arm: waiting}
        if giver.side * place_of(giver.tool, bar).along < GRIP / 2:
            # held where the other arm should take it: put it down where there is room and begin anew
            other = _other(poses, name)
            goal = np.array([0.56 if other[0] < 0.5 else 0.46, giver.side * 0.18, HALF[2]])
            down = float(np.linalg.norm(bar[:3] - goal)) < 0.02
            return {giver.arm: giver.let_go if down else partial(giver.carry, bar, goal), taker.arm: waiting}
        if _offered(bar, within=0.05 if taker in near else 0.02):
            return {giver.arm: giver.stay, taker.arm: partial(taker.take, bar, taker.side * GRIP)}
        return {giver.arm: partial(giver.carry, bar, MEETING), taker.arm: waiting}

    @staticmethod
    def _along(pilot: Pilot, poses: dict[str, Float64], name: str) -> float:
        """Where along a bar [m] to grip it: at its own end, elsewhere if the other bar is in the way there."""
        bar, other = poses[name], _other(poses, name)
        places = [pilot.side * GRIP * share for share in (1.0, 1.3, 0.7, 0.0, -0.7, -1.3)]
        return next((place for place in places if room_to_grip(bar, place, other)), places[0])


def _other(poses: dict[str, Float64], name: str) -> Float64:
    return next(poses[other] for other, *_ in JOBS if other != name)


def _offered(bar: Float64, within: float) -> bool:
    """The bar is where it is passed on, give or take [m], and lies across."""
    return bool(np.abs(bar[:3] - MEETING).max() < within) and abs(heading_of(bar) - np.pi / 2) < 0.15


def _turn(start: float, goal: float) -> float:
    """Angle between two yaws [rad], the short way."""
    return abs((goal - start + np.pi) % (2 * np.pi) - np.pi)
