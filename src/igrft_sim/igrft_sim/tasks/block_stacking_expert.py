# SPDX-License-Identifier: Apache-2.0
"""The expert that builds the tower, from whatever it finds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from igrft_sim.expert import Hand, grasp_yaw
from igrft_sim.scene import FINGER_TRAVEL
from igrft_sim.tasks.base import Expert, Float64, TaskState
from igrft_sim.tasks.pick_place import RELEASE, Load, Obstacle, Picker, aside

EDGE = 0.045
"""[m] of a block."""

ON_TOP = 0.020
"""[m] between the blocks' centres, seen from above, up to which one rests on the other."""

PAIRS = (('red_block', 'blue_block'), ('green_block', 'red_block'))
"""What goes on what, in this order."""

LOWEST = PAIRS[0][1]
"""What stands on the table."""

FINGERS = 0.06
"""[m] from the tool's axis to the outside of an open finger."""

BESIDE = 0.038
"""[m] from the fingers' plane at which a block's centre is out of their way."""

PALM = (0.13, 0.058, 0.05)
"""[m] from the tool's axis, along and beside the fingers' plane, and above the tool: nearer to it and higher than
that, a block's top meets the palm."""

HELD = EDGE / (2 * FINGER_TRAVEL)
"""Opening of the gripper around a block."""

PARKING = tuple((0.48 + x, y) for x in (0.0, -0.10, 0.10) for y in (0.0, 0.11, -0.11, 0.2, -0.2))
"""[m] where a block that is in the way may be put down."""


def resting(block: Float64, base: Float64) -> bool:
    """One block lies on another."""
    return aside(block, base) < ON_TOP * 0.75 and abs(block[2] - base[2] - EDGE) < 0.005


def _on(block: Float64, base: Float64) -> bool:
    """Something of one block lies on another."""
    return aside(block, base) < EDGE and 0.6 * EDGE < block[2] - base[2] < 1.4 * EDGE


def _raised(block: Float64) -> bool:
    """It is not flat on the table."""
    return bool(block[2] > EDGE / 2 + RELEASE)


def _built(blocks: dict[str, Float64]) -> list[str]:
    """The blocks that rest where they belong, on what rests where it belongs."""
    done: list[str] = []
    for name, base in PAIRS:
        if _raised(blocks[LOWEST]) or not resting(blocks[name], blocks[base]):
            break
        done.append(name)
    return done


def _load(block: Float64, yaw: float = 0.0) -> Load:
    return Load(block, HELD, tolerance=ON_TOP * 0.75, below=EDGE / 2, yaw=yaw)


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
    """Chooses what to move where from the state alone."""

    def __init__(self, rng: np.random.Generator, noise: float) -> None:
        self._picker = Picker(Hand(rng, noise))

    def act(self, state: TaskState, tools: Float64, openings: Float64) -> npt.NDArray[np.float32]:
        tool, opening = tools[0], float(openings[0])
        blocks = {name: state.pose(name) for name in state.objects}
        done = _built(blocks)
        around = [name for name, pose in blocks.items() if self._picker.around(tool, _load(pose), 0.03)]
        if len(done) == len(PAIRS) or (around and around[0] in done):
            return self._picker.let_go(tool, opening, _load(blocks[around[0] if around else PAIRS[-1][0]]))
        held = around[0] if around and abs(opening - HELD) < 0.06 else ''
        name, goal = self._next(blocks, held)
        if held and held != name:
            return self._picker.let_go(tool, opening, _load(blocks[held]))
        block = blocks[name]
        others = [pose for other, pose in blocks.items() if other != name and not _on(pose, block)]
        obstacles = [Obstacle(other, other[2] + EDGE / 2) for other in others]
        return self._picker.move(tool, opening, _load(block, _free_yaw(block, others)), goal, obstacles)

    @staticmethod
    def _next(blocks: dict[str, Float64], held: str) -> tuple[str, Float64]:
        """The block to move, and where its centre shall be [3]."""
        name, base = PAIRS[len(_built(blocks))]

        def on_top(low: str) -> list[str]:
            """What stands on a block, the lowest first."""
            above = next((name for name in blocks if name != low and _on(blocks[name], blocks[low])), None)
            return [] if above is None else [above, *on_top(above)]

        up = [block for block, pose in blocks.items() if _raised(pose)]
        in_the_way = [held] if held in up and held != name else []
        for pile in (on_top(name), on_top(base), [LOWEST, *on_top(LOWEST)] if LOWEST in up else []):
            # on its own base the block itself only lies askew
            in_the_way += pile[-1:] if pile != [name] else []
        if not in_the_way:
            return name, blocks[base][:3] + [0, 0, EDGE]
        name = held if held in up else in_the_way[0]
        rest = [pose for other, pose in blocks.items() if other != name]
        free = [spot for spot in PARKING if all(np.hypot(*(spot - pose[:2])) > 0.1 for pose in rest)]
        nearest = min(free or PARKING, key=lambda spot: float(np.hypot(*(spot - blocks[name][:2]))))
        return name, np.array([*nearest, EDGE / 2])
