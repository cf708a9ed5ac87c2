# SPDX-License-Identifier: Apache-2.0
"""The loop in process, at policy rate: what the lock-step graph does, without the graph."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from igrft.types import Float32, Observation, proprioception
from igrft_sim.cell import Cell
from igrft_sim.servo import Servo
from igrft_sim.tasks.base import Float64, SuccessHold, TaskState

Safety = Callable[[Float32, Float64, float], Float32]
"""(action [7], tool position [3], dt) -> the action [7] that is let through."""


class CellEnv:
    """Servo and cell as one environment; a safety filter with a ``restart`` is restarted at a reset.

    Args:
        cell: the simulated cell.
        servo: turns twists into joint targets.
        safety: filters actions as the safety node does; None lets all through.

    Attributes:
        executed: [7] action that the last step carried out.
        succeeded: success has held long enough in this episode.
    """

    def __init__(self, cell: Cell, servo: Servo | None = None, safety: Safety | None = None) -> None:
        self.cell = cell
        self.servo = servo or Servo()
        self.executed = np.zeros(7, np.float32)
        self.succeeded = False
        self._safety = safety
        self._hold = SuccessHold()

    @property
    def dt(self) -> float:
        """[s] of a step."""
        return self.cell.control_dt

    def reset(self, seed: int, split: str = 'in') -> Observation:
        """Start an episode."""
        self.cell.reset(seed, split)
        self.servo.reset()
        restart = getattr(self._safety, 'restart', None)
        if restart is not None:
            restart()
        self._hold = SuccessHold()
        self.executed = np.zeros(7, np.float32)
        self.succeeded = self._hold.update(self.cell.task_state().success)
        return self.observe()

    def step(self, action: npt.ArrayLike) -> tuple[Observation, TaskState]:
        """Carry out one action [7] for one policy step, and look."""
        state = self.act(action)
        return self.observe(), state

    def act(self, action: npt.ArrayLike) -> TaskState:
        """As :meth:`step`, without rendering."""
        wanted = np.asarray(action, np.float32).ravel()
        position = self.cell.ee_pose[:3]
        executed = wanted if self._safety is None else self._safety(wanted, position, self.dt)
        self.executed = np.asarray(executed, np.float32)
        twist = self.executed[:6].astype(np.float64)
        target = self.servo.step(twist, self.cell.joint_positions, self.dt)
        self.cell.advance(target, self.executed[6:7], self.dt)
        state = self.cell.task_state()
        self.succeeded = self._hold.update(state.success) or self.succeeded
        return state

    def observe(self) -> Observation:
        """What the policy sees now, in the precision in which it sees it over topics."""
        cell = self.cell
        pose = cell.ee_pose
        quaternion = (pose[3:] / np.linalg.norm(pose[3:])).astype(np.float32)
        return Observation(
            stamp=cell.time,
            images={camera: cell.render(camera) for camera in cell.cameras},
            proprio=proprioception(
                cell.joint_positions.astype(np.float32),
                np.float32(cell.opening),
                pose[:3].astype(np.float32),
                quaternion,
            ),
            instruction=cell.task.config.instruction,
        )
