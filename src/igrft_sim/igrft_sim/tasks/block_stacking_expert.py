# SPDX-License-Identifier: Apache-2.0
"""The expert that builds the tower, from whatever it finds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from igrft_sim.expert import CLOSED, OPEN, Hand, grasp_yaw, tool_yaw
from igrft_sim.scene import FINGER_TRAVEL
from igrft_sim.tasks.base import Expert, Float64, TaskState

EDGE = 0.045
"""[m] of a block."""

ON_TOP = 0.020
"""[m] between the blocks' centres, seen from above, up to which one rests on the other."""

PAIRS = (('red_block', 'blue_block'), ('green_block', 'red_block'))
"""What goes on what, in this order."""

FINGERS = 0.06
"""[m] from the tool's axis to the outside of an open finger."""

BESIDE = 0.038
"""[m] from the fingers' plane at which a block's centre is out of their way."""

PALM = (0.13, 0.058, 0.05)
"""[m] from the tool's axis, along and beside the fingers' plane, and above the tool: nearer to it and higher than
that, a block's top meets the palm."""

NEAR = 0.075
"""[m] seen from above, within which what is carried could meet a block."""

STUCK = 6
"""Policy steps without motion after which an approach is begun anew."""

HELD = EDGE / (2 * FINGER_TRAVEL)
"""Opening of the gripper around a block."""

PARKING = tuple((0.48 + x, y) for x in (0.0, -0.10, 0.10) for y in (0.0, 0.11, -0.11, 0.2, -0.2))
"""[m] where a block that is in the way may be put down."""


def aside(a: Float64, b: Float64) -> float:
    """Distance seen from above [m]."""
    return float(np.hypot(a[0] - b[0], a[1] - b[1]))


def resting(block: Float64, base: Float64) -> bool:
    """One block lies on another."""
    return aside(block, base) < ON_TOP * 0.75 and abs(block[2] - base[2] - EDGE) < 0.005


def _on(block: Float64, base: Float64) -> bool:
    """Something of one block lies on another."""
    return aside(block, base) < EDGE and 0.6 * EDGE < block[2] - base[2] < 1.4 * EDGE


def _free_yaw(block: Float64, others: list[Float64]) -> float:
    """Yaw [rad] to hold a block so that neither finger nor palm comes down on another one."""
    first = grasp_yaw(block)
    across = first - np.pi / 2 if first > 0 else first + np.pi / 2

    def room(yaw: float) -> float:
        """How far the nearest block is beside the plane in which the fingers move."""
        along = np.array([np.sin(yaw), -np.cos(yaw)])
        found = np.inf
        for other in others:
            way = other[:2] - block[:2]
            distance = abs(way @ along)
            beside = float(np.linalg.norm(way - along * (way @ along)))
            low = other[2] + EDGE / 2 < block[2] - 0.0125
            tall = other[2] + EDGE / 2 > block[2] + PALM[2]
            if not low and distance < FINGERS + EDGE * 0.7:
                found = min(found, beside / BESIDE)
            if tall and distance < PALM[0]:
                found = min(found, beside / PALM[1])
        return found

    return first if room(first) > 1 or room(first) >= room(across) else across


class TowerExpert(Expert):
    """Chooses from the state alone, so it can begin anywhere; it only remembers how long it has squeezed."""

    def __init__(self, rng: np.random.Generator, noise: float) -> None:
        self._hand = Hand(rng, noise)
        self._squeezed = 0
        self._stuck = 0
        self._last = np.zeros(3)

    def act(self, state: TaskState, tools: Float64, openings: Float64) -> npt.NDArray[np.float32]:
        tool, opening = tools[0], float(openings[0])
        blocks = {name: state.pose(name) for name in state.objects}
        done = [name for name, base in PAIRS if resting(blocks[name], blocks[base])]
        around = [name for name, pose in blocks.items() if _around(tool, pose, 0.03)]
        if len(done) == len(PAIRS) or (around and around[0] in done and self._fits(done)):
            return self._let_go(tool, blocks[around[0] if around else PAIRS[-1][0]], opening)
        name, goal = self._next(blocks, around[0] if around and abs(opening - HELD) < 0.06 else '')
        others = [pose for other, pose in blocks.items() if other != name]
        block = blocks[name]
        if aside(block, goal) < ON_TOP * 0.75 and abs(block[2] - goal[2]) < 0.008:
            return self._let_go(tool, block, opening)
        if _around(tool, block, 0.018) and opening > HELD - 0.06:
            if self._squeezed >= 2 and opening < HELD + 0.06:
                return self._carry(tool, block, goal, others)
            if self._squeezed or opening < HELD + 0.06 or _around(tool, block, 0.008):
                self._squeezed += 1
                return self._hand.hold(CLOSED)
        self._squeezed = 0
        return self._approach(tool, block, others, opening)

    @staticmethod
    def _fits(done: list[str]) -> bool:
        """What rests where it should does so on what rests where it should."""
        return done == [name for name, _ in PAIRS[: len(done)]]

    @staticmethod
    def _next(blocks: dict[str, Float64], held: str) -> tuple[str, Float64]:
        """The block to move, and where its centre shall be [3]."""
        name, base = next((pair for pair in PAIRS if not resting(blocks[pair[0]], blocks[pair[1]])), PAIRS[-1])

        def top_of(low: str) -> str:
            return next((top_of(up) for up in blocks if up != low and _on(blocks[up], blocks[low])), low)

        in_the_way = [top for top in (held or name, top_of(name), top_of(base)) if top not in (name, base)]
        if base == PAIRS[0][1] and blocks[base][2] > EDGE:
            in_the_way.append(top_of(base))
        parked = bool(in_the_way)
        name = in_the_way[0] if parked else name
        if not parked:
            return name, blocks[base][:3] + [0, 0, EDGE]
        rest = [pose for other, pose in blocks.items() if other != name]
        free = [spot for spot in PARKING if all(np.hypot(*(spot - pose[:2])) > 0.1 for pose in rest)]
        nearest = min(free or PARKING, key=lambda spot: float(np.hypot(*(spot - blocks[name][:2]))))
        return name, np.array([*nearest, EDGE / 2])

    def _let_go(self, tool: Float64, block: Float64, opening: float) -> npt.NDArray[np.float32]:
        self._squeezed = 0
        if opening < 0.8 and aside(tool, block) < 0.04 and tool[2] - block[2] < 0.05:
            return self._hand.hold(OPEN)
        above = np.array([tool[0], tool[1], block[2] + 0.10])
        return self._hand.towards(tool, above, tool_yaw(tool), OPEN)

    def _approach(
        self, tool: Float64, block: Float64, others: list[Float64], opening: float
    ) -> npt.NDArray[np.float32]:
        """Down a funnel: the nearer to the block's axis, the lower; never down with the gripper shut."""
        moved = float(np.linalg.norm(tool[:3] - self._last))
        self._last = tool[:3].copy()
        if self._stuck < STUCK:
            self._stuck = self._stuck + 1 if moved < 0.003 else 0
        else:
            # something is in the way: up, and down again from there
            self._stuck = 0 if tool[2] > block[2] + 0.08 else self._stuck
            above = np.array([block[0], block[1], block[2] + 0.10])
            return self._hand.towards(tool, above, tool_yaw(tool), OPEN)
        yaw = _free_yaw(block, others)
        turn = abs(yaw - tool_yaw(tool))
        distance = aside(tool, block) + 0.05 * max(0.0, turn - 0.1)
        height = np.clip(3.0 * (distance - 0.010), 0.0, 0.07)
        if (opening < 0.8 and distance > 0.015) or opening < 0.62:
            height = 0.07
        goal = np.array([block[0], block[1], max(block[2] + height, 0.012)])
        return self._over(tool, goal, yaw, OPEN, others, 0.02 if distance > 0.02 else -1.0)

    def _carry(self, tool: Float64, block: Float64, target: Float64, others: list[Float64]) -> npt.NDArray[np.float32]:
        """Up, across and down a funnel onto the target."""
        apart = aside(block, target)
        clearance = np.clip(3.0 * (apart - 0.006), 0.001, 0.045)
        goal = target + [0, 0, clearance] + (tool[:3] - block[:3])
        if block[2] - target[2] < 0.008 and apart > 0.012 and target[2] > EDGE:
            return self._hand.towards(tool, goal, tool_yaw(tool), CLOSED, 0.3)
        beside = [other for other in others if aside(other, target) > NEAR and not _on(other, block)]
        return self._over(tool, goal, tool_yaw(tool), CLOSED, beside, EDGE / 2 + 0.01)

    def _over(
        self, tool: Float64, goal: Float64, yaw: float, opening: float, others: list[Float64], margin: float
    ) -> npt.NDArray[np.float32]:
        """Towards a goal, over the blocks on the way: above one, the tool stays ``margin`` [m] over its top."""
        tops = [other[2] + EDGE / 2 + margin for other in others if aside(other, tool) < NEAR]
        if margin > 0 and tops:
            goal = np.array([goal[0], goal[1], max(goal[2], *tops, 0.0)])
        # low beside something: gain height before going sideways
        share = 0.25 if goal[2] - tool[2] > 0.02 else 1.0
        return self._hand.towards(tool, goal, yaw, opening, share)


def _around(tool: Float64, block: Float64, within: float) -> bool:
    """The gripper is where it holds the block."""
    return aside(tool, block) < within and abs(tool[2] - block[2]) < within
