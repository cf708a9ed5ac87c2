# SPDX-License-Identifier: Apache-2.0
"""Pick something up from above and put it down elsewhere: what the experts have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from igrft_sim.expert import CLOSED, OPEN, Hand, tool_yaw
from igrft_sim.tasks.base import Float64

NEAR = 0.075
"""[m] seen from above, within which the hand could meet an obstacle."""

AHEAD = 0.03
"""[m] more than ``NEAR``, within which a load must be high enough."""

ON_AXIS = 0.008
"""[m] from the grip, within which the fingers may close."""

STUCK = 6
"""Policy steps without motion after which an approach is begun anew."""

RELEASE = 0.008
"""[m] above where it belongs, from which a load may be dropped."""

Action = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be moved.

    Attributes:
        pose: [7] now.
        opening: of the gripper that holds it.
        grip: [m] of the tool above the load's centre when it holds it.
        below: [m] from the load's centre to its lowest point.
        tolerance: [m] seen from above, within which it is where it belongs.
        yaw: [rad] of the tool that grips it.
        turned: [rad] of the tool that carries it; None keeps the yaw that it has.
    """

    pose: Float64
    opening: float
    grip: float = 0.0
    below: float = 0.0225
    tolerance: float = 0.015
    yaw: float = 0.0
    turned: float | None = None


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What neither hand nor load may touch on the way.

    Attributes:
        place: [>=2] x, y of its middle.
        top: [m] its highest point.
        radius: [m] beyond ``NEAR`` that it reaches.
    """

    place: Float64
    top: float
    radius: float = 0.0


def aside(a: Float64, b: Float64) -> float:
    """Distance seen from above [m]."""
    return float(np.hypot(a[0] - b[0], a[1] - b[1]))


class Picker:
    """Chooses from the state alone, so it can begin anywhere; it only remembers how long it has squeezed."""

    def __init__(self, hand: Hand) -> None:
        self.hand = hand
        self._squeezed = 0
        self._stuck = 0
        self._last = np.zeros(3)

    def around(self, tool: Float64, load: Load, within: float = 0.018) -> bool:
        """The gripper is where it holds the load."""
        return aside(tool, load.pose) < within and abs(tool[2] - load.pose[2] - load.grip) < within

    def holds(self, tool: Float64, load: Load, opening: float) -> bool:
        """It is there and shut around it."""
        return self.around(tool, load, 0.03) and abs(opening - load.opening) < 0.06

    def there(self, load: Load, goal: Float64) -> bool:
        """The load is where it may be released."""
        return aside(load.pose, goal) < load.tolerance and abs(load.pose[2] - goal[2]) < RELEASE

    def move(
        self, tool: Float64, opening: float, load: Load, goal: Float64, obstacles: Sequence[Obstacle] = ()
    ) -> Action:
        """The action [7] that brings the load nearer to where its centre shall be.

        Args:
            tool: [7] pose of tool0 in base_link.
            opening: of the gripper in [0, 1].
            load: what.
            goal: [3] for the load's centre.
            obstacles: to pass over.
        """
        if self.there(load, goal):
            return self.let_go(tool, opening, load)
        if self.around(tool, load) and opening > load.opening - 0.06:
            if self._squeezed >= 2 and opening < load.opening + 0.06:
                return self._carry(tool, load, goal, obstacles)
            if self._squeezed or opening < load.opening + 0.06 or self.around(tool, load, ON_AXIS):
                self._squeezed += 1
                return self.hand.hold(CLOSED)
        self._squeezed = 0
        return self._approach(tool, opening, load, obstacles)

    def let_go(self, tool: Float64, opening: float, load: Load) -> Action:
        """Open and leave upwards."""
        self._squeezed = 0
        grip = load.pose[2] + load.grip
        if opening < 0.8 and aside(tool, load.pose) < 0.04 and tool[2] - grip < 0.05:
            return self.hand.hold(OPEN)
        return self.hand.towards(tool, np.array([tool[0], tool[1], grip + 0.10]), tool_yaw(tool), OPEN)

    def _approach(self, tool: Float64, opening: float, load: Load, obstacles: Sequence[Obstacle]) -> Action:
        """Down a funnel: the nearer to the load's axis, the lower; never down with the gripper shut."""
        moved = float(np.linalg.norm(tool[:3] - self._last))
        self._last = tool[:3].copy()
        grip = load.pose[:3] + [0.0, 0.0, load.grip]
        if self._stuck < STUCK:
            self._stuck = self._stuck + 1 if moved < 0.003 else 0
        else:
            # something is in the way: up, and down again from there
            self._stuck = 0 if tool[2] > grip[2] + 0.08 else self._stuck
            return self.hand.towards(tool, grip + [0, 0, 0.10], tool_yaw(tool), OPEN)
        turn = abs(load.yaw - tool_yaw(tool))
        distance = aside(tool, grip) + 0.05 * max(0.0, turn - 0.1)
        height = np.clip(3.0 * (distance - 0.010), 0.0, 0.07)
        if (opening < 0.8 and distance > 0.015) or opening < min(0.62, load.opening + 0.07):
            height = 0.07
        goal = np.array([grip[0], grip[1], max(grip[2] + height, 0.012)])
        return self._over(tool, goal, load.yaw, OPEN, obstacles if distance > 0.02 else (), 0.02)

    def _carry(self, tool: Float64, load: Load, goal: Float64, obstacles: Sequence[Obstacle]) -> Action:
        """Up, across and down a funnel onto the goal."""
        apart = aside(load.pose, goal)
        clearance = np.clip(3.0 * (apart - 0.006), 0.001, 0.045)
        place = goal + [0.0, 0.0, clearance] + (tool[:3] - load.pose[:3])
        raised = goal[2] - load.below > 0.01  # it goes onto something
        low = raised and load.pose[2] - goal[2] < 0.008 and apart > 0.012
        way = [o for o in obstacles if aside(o.place, goal) > 0.06] if apart > 0.025 else []
        margin = load.below + load.grip + 0.02
        yaw = tool_yaw(tool) if load.turned is None else load.turned
        return self._over(tool, place, yaw, CLOSED, way, margin, 0.3 if low else 1.0)

    def _over(
        self,
        tool: Float64,
        goal: Float64,
        yaw: float,
        grip: float,
        obstacles: Sequence[Obstacle],
        margin: float,
        share: float = 1.0,
    ) -> Action:
        """Towards a goal, over what is on the way: above it, the tool stays ``margin`` [m] over its top."""
        loaded = grip == CLOSED
        tops = [o.top + margin for o in obstacles if aside(o.place, tool) < NEAR + o.radius + loaded * AHEAD]
        height = max([goal[2], *tops])
        # low beside something: gain height before going sideways
        low = height - tool[2] > (0.012 if loaded else 0.02)
        place = np.array([goal[0], goal[1], height])
        return self.hand.towards(tool, place, yaw, grip, min(share, 0.12 if loaded else 0.25) if low else share)
