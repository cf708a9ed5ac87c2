# SPDX-License-Identifier: Apache-2.0
"""Stand a drink up that fell over: grip it across, lift it, tilt the hand back, put it down on its foot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from igrft_sim.expert import CLOSED, OPEN, STEP, tool_yaw
from igrft_sim.tasks.base import Float64
from igrft_sim.tasks.drink_rack import Drink, axis, tilt
from igrft_sim.tasks.pick_place import Action, Load, Obstacle, Picker

TIPPED = 0.25
"""[rad] from pointing down, from which the hand counts as tilted."""

STANDING = 0.12
"""[rad] from the vertical, within which a held drink may be put down."""

HIGH = 0.19
"""[m] of the tool above the table when it tilts."""

LIFTED = 0.09
"""[m] of the tool above the table, from which the hand may turn a drink that lies across it."""

RISE = 0.13
"""[m] that a lying drink is lifted."""

SPOTS = tuple((0.46, y) for y in (0.0, 0.12, -0.12, 0.20, -0.20))
"""[m] where a drink is stood up: the arm reaches there with the hand behind it, pointing to the robot."""

ROOM = 0.14
"""[m] to other drinks across, which the hand needs to come down beside them."""

CLEAR = 0.025
"""[m] of the tilted tool above a drink, from which it may point down again."""

TURNABLE = 2.0
"""[rad] each way that the hand turns about the vertical."""

REGRIP = 1.8
"""[rad] each way from which a drink that was turned can be gripped the right way round."""

TURNED = 1.6
"""[rad] to which a drink that lies the wrong way round is turned."""

TURNING = 1.5
"""[rad/s] at most."""


def frame(pose: Float64) -> Float64:
    """[3, 3] rotation of a pose."""
    w, x, y, z = pose[3:7]
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def tipped(tool: Float64) -> bool:
    """The hand does not point down."""
    return bool(-frame(tool)[2, 2] < np.cos(TIPPED))


class Righter:
    """Chooses from the state alone. Tilted, the hand points to the robot: there the arm reaches down to the table."""

    def __init__(self, picker: Picker) -> None:
        self._picker = picker

    def holds(self, tool: Float64, opening: float, drink: Drink, pose: Float64) -> bool:
        """The gripper is shut around the drink, across its axis."""
        near = float(np.linalg.norm(tool[:3] - drink.along(pose, drink.grip))) < 0.035
        across = abs(float(frame(tool)[:, 1] @ axis(pose))) < 0.4
        return near and across and -0.09 < opening - drink.opening < 0.015

    def act(self, tool: Float64, opening: float, drink: Drink, pose: Float64, others: Sequence[Float64]) -> Action:
        """The action [7] that brings the drink nearer to standing on the table, and the hand away from it.

        Args:
            tool: [7] pose of tool0 in base_link.
            opening: of the gripper in [0, 1].
            drink: what.
            pose: [7] of it.
            others: poses of the other drinks.
        """
        foot = float(drink.along(pose, 0.0)[2])
        point = np.concatenate([drink.along(pose, drink.grip), pose[3:7]])
        yaw = tool_yaw(tool)
        if self.holds(tool, opening, drink, pose):
            if tipped(tool) and tilt(pose) < STANDING:
                return self._picker.hand.hold(OPEN) if foot < 0.004 else self._lower(tool, foot, tilted=True)
            if not tipped(tool) and abs(_foot_yaw(pose)) < REGRIP and self._reversed(tool, pose):
                low = float(pose[2]) - drink.radius
                return self._picker.hand.hold(OPEN) if low < 0.004 else self._lower(tool, low)
            if tipped(tool) or tool[2] > LIFTED:
                return self._turn(tool, pose, others)
        elif tipped(tool):
            return self._leave(tool, opening, drink, pose)
        wanted = _grasp_yaw(pose)
        if abs(_wrapped(wanted - yaw)) > np.pi / 2 and np.linalg.norm(tool[:3] - point[:3]) < 0.06:
            away = np.array([tool[0], tool[1], tool[2] + 0.08])
            return self._picker.hand.towards(tool, away, yaw, OPEN)
        # the last joint does not turn all the way round
        wanted = 0.0 if abs(wanted - yaw) > 2.6 else wanted
        load = Load(point, drink.opening, below=drink.radius, tolerance=0.0, yaw=wanted)
        obstacles = [Obstacle(other, other[2] + drink.height / 2) for other in others]
        return self._picker.move(tool, opening, load, point[:3] + [0.0, 0.0, RISE], obstacles)

    @staticmethod
    def _reversed(tool: Float64, pose: Float64) -> bool:
        """Tilting back would stand the drink on its head."""
        return abs(_wrapped(_foot_yaw(pose) - tool_yaw(tool))) > np.pi / 2

    def _turn(self, tool: Float64, pose: Float64, others: Sequence[Float64]) -> Action:
        """Held and off the table: turn it about the vertical first, then upright."""
        hand, yaw = self._picker.hand, tool_yaw(tool)
        spot = np.array([*_spot(pose, others), HIGH])
        if not tipped(tool):
            share = 0.2 if tool[2] < HIGH - 0.03 else 1.0
            if self._reversed(tool, pose):
                # held the wrong way round: turn it until it can be put down and gripped the other way
                return hand.towards(tool, spot, float(np.copysign(TURNED, yaw)), CLOSED, share)
            if abs(yaw) > 0.1 or np.linalg.norm(tool[:3] - spot) > 0.02:
                return hand.towards(tool, spot, 0.0, CLOSED, share)
        lever = np.cross(axis(pose), [0.0, 0.0, 1.0])
        spin = lever * (tilt(pose) / max(float(np.linalg.norm(lever)), 1e-6))
        return _with_spin(hand.towards(tool, spot, yaw, CLOSED), spin)

    def _lower(self, tool: Float64, height: float, tilted: bool = False) -> Action:
        """Straight down, by the height of what is held."""
        down = np.array([tool[0], tool[1], tool[2] - height - 0.004])
        action = self._picker.hand.towards(tool, down, tool_yaw(tool), CLOSED)
        return _with_spin(action, np.zeros(3)) if tilted else action

    def _leave(self, tool: Float64, opening: float, drink: Drink, pose: Float64) -> Action:
        """Open, leave upwards, and only then point down again."""
        hand, top = self._picker.hand, float(drink.along(pose, drink.height)[2])
        beside = float(np.hypot(*(tool[:2] - pose[:2]))) < 0.10 and tool[2] < top + CLEAR
        if beside and opening < 0.8:
            return hand.hold(OPEN)
        up = np.array([tool[0], tool[1], max(tool[2], top + CLEAR + 0.03)])
        action = hand.towards(tool, up, 0.0, OPEN)
        return _with_spin(action, np.zeros(3)) if beside else action


def _with_spin(action: Action, turn: Float64) -> Action:
    """The same motion with another rotation [3] rad left to go."""
    spin = turn * (0.5 / STEP)
    spin *= min(1.0, TURNING / max(float(np.linalg.norm(spin)), 1e-9))
    action[3:6] = spin
    return action


def _foot_yaw(pose: Float64) -> float:
    """Yaw [rad] of a hand whose x axis points to the drink's foot: tilting back stands the drink up."""
    x, y, _ = -axis(pose)
    return float(np.arctan2(y, x))


def _grasp_yaw(pose: Float64) -> float:
    """Yaw [rad] to grip a lying drink across, the right way round if the hand turns that far."""
    yaw = _foot_yaw(pose)
    return yaw if abs(yaw) < TURNABLE else yaw - float(np.copysign(np.pi, yaw))


def _wrapped(angle: float) -> float:
    """The same angle in [-pi, pi]."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def _spot(pose: Float64, others: Sequence[Float64]) -> tuple[float, float]:
    """The nearest place [m] to stand a drink up where the hand meets no other."""
    free = [spot for spot in SPOTS if all(abs(other[1] - spot[1]) > ROOM for other in others if other[0] > 0.40)]
    return min(free or SPOTS, key=lambda spot: abs(spot[1] - float(pose[1])))
