# SPDX-License-Identifier: Apache-2.0
"""Puts the cell's arms where a scene wants their tools, without physics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from igrft.training.targets import rotation

if TYPE_CHECKING:
    from igrft_sim.cell import Cell

Float64 = npt.NDArray[np.float64]

LOWEST = 0.012
"""[m] of a tool above the table."""
POSTURE = 0.05
"""[rad] spread of the joints from which the arm sets out."""
TILT = 0.01
"""Spread of a quaternion's components around the wanted one."""
ITERATIONS = 30
DAMPING = 1e-4
REACHED = (0.003, 0.05)
"""[m] and [rad] each axis, within which a tool is where it should be."""
DOWN = np.diag([1.0, -1.0, -1.0])
"""Rotation of a tool that points down."""


class Arm:
    """One arm of a cell.

    Args:
        cell: whose data is changed.
        prefix: of the arm's names.
        joints: names, base first.
        home: [7] rad from where it sets out.

    Attributes:
        hand: geoms of the gripper.
        side: [m] y of the base.
        yaw: [rad] of the tool at home.
    """

    def __init__(self, cell: Cell, prefix: str, joints: Sequence[str], home: Float64) -> None:
        import mujoco

        from igrft_sim.scene import FINGER_TRAVEL

        self._mujoco: Any = mujoco
        self._travel: float = FINGER_TRAVEL
        self._data, self._model, self._home = cell.data, cell.model, home
        found = [cell.model.joint(name) for name in joints]
        self._q = np.array([joint.qposadr[0] for joint in found])
        self._v = np.array([joint.dofadr[0] for joint in found])
        self._low, self._high = np.array([joint.range for joint in found]).T
        sides = ('left', 'right')
        self._fingers = [cell.model.joint(f'{prefix}{side}_finger_joint').qposadr[0] for side in sides]
        self._site = cell.model.site(f'{prefix}tool0').id
        bodies = ('hand', 'left_finger', 'right_finger')
        self.hand = frozenset(geom for body in bodies for geom in geoms(cell.model, prefix + body))
        self._data.qpos[self._q] = home
        self._mujoco.mj_kinematics(self._model, self._data)
        self.yaw = heading(self._data.site_xmat[self._site].reshape(3, 3))
        self.side = float(cell.model.body(f'{prefix}base_link').pos[1])

    def open(self, opening: float, rng: np.random.Generator) -> None:
        """Set the gripper to about an opening in [0, 1]."""
        self._data.qpos[self._fingers] = np.clip(opening + rng.normal(0, 0.01), 0, 1) * self._travel

    def reach(self, position: Float64, wanted: Float64, rng: np.random.Generator) -> bool:
        """Damped least squares to a tool position [3] and rotation [3, 3], a little off; whether it got there."""
        data, model, mj = self._data, self._model, self._mujoco
        position = np.maximum(position, [-np.inf, -np.inf, LOWEST])
        goal = np.empty(4)
        mj.mju_mat2Quat(goal, np.ascontiguousarray(wanted).ravel())
        goal += rng.normal(0, TILT, 4)
        wanted = rotation(goal / np.linalg.norm(goal))
        data.qpos[self._q] = self._home + rng.normal(0, POSTURE, len(self._home))
        jacobian = np.zeros((6, model.nv))
        error = np.empty(6)
        for _ in range(ITERATIONS):
            mj.mj_kinematics(model, data)
            mj.mj_comPos(model, data)
            error[:3] = position - data.site_xpos[self._site]
            rest = wanted @ data.site_xmat[self._site].reshape(3, 3).T
            error[3:] = 0.5 * (rest[[2, 0, 1], [1, 2, 0]] - rest[[1, 2, 0], [2, 0, 1]])
            if np.abs(error).max() < 1e-4:
                break
            mj.mj_jacSite(model, data, jacobian[:3], jacobian[3:], self._site)
            own = jacobian[:, self._v]
            step = own.T @ np.linalg.solve(own @ own.T + DAMPING * np.eye(6), error)
            data.qpos[self._q] = np.clip(data.qpos[self._q] + step, self._low, self._high)
        mj.mj_kinematics(model, data)
        return bool(np.abs(error[:3]).max() < REACHED[0] and np.abs(error[3:]).max() < REACHED[1])


def geoms(model: Any, body: str) -> frozenset[int]:
    """Geoms of one body."""
    return frozenset(np.flatnonzero(model.geom_bodyid == model.body(body).id).tolist())


def turn(yaw: float) -> Float64:
    """Rotation [3, 3] about z."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def heading(tool: Float64) -> float:
    """Yaw [rad] about z by which a tool's rotation [3, 3] is turned from one that points down, tilted or not."""
    turned = tool @ DOWN.T
    return float(np.arctan2(turned[1, 0] - turned[0, 1], turned[0, 0] + turned[1, 1]))


def level(tool: Float64) -> Float64:
    """A tool's rotation without its yaw."""
    return turn(-heading(tool)) @ tool
