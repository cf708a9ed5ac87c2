# SPDX-License-Identifier: Apache-2.0
"""The loop in process, at policy rate: what the lock-step graph does, without the graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from igrft.types import Float32, Observation, proprioception
from igrft_sim.cell import Cell
from igrft_sim.servo import Servo
from igrft_sim.tasks.base import Float64, SuccessHold, TaskState

Safety = Callable[[Float32, Float64, float], Float32]
"""(action [n_arms * 7], tool positions [n_arms, 3], dt) -> the action that is let through."""


class CellEnv:
    """Servo and cell as one environment; a safety filter with a ``restart`` is restarted at a reset.

    Args:
        cell: the simulated cell.
        servos: of each arm, turn twists into joint targets; by default they prefer the robot's home.
        safety: filters actions as the safety node does; None lets all through.

    Attributes:
        executed: [n_arms * 7] action that the last step carried out.
        succeeded: success has held long enough in this episode.
    """

    def __init__(self, cell: Cell, servos: Sequence[Servo] = (), safety: Safety | None = None) -> None:
        self.cell = cell
        homes = np.split(np.asarray(cell.robot.poses['home']), len(cell.robot.arms))
        self.servos = tuple(servos) or tuple(Servo(posture=home) for home in homes)
        self.executed = np.zeros(cell.robot.action_dim, np.float32)
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
        for servo in self.servos:
            servo.reset()
        restart = getattr(self._safety, 'restart', None)
        if restart is not None:
            restart()
        self._hold = SuccessHold()
        self.executed = np.zeros_like(self.executed)
        self.succeeded = self._hold.update(self.cell.task_state().success)
        return self.observe()

    def step(self, action: npt.ArrayLike) -> tuple[Observation, TaskState]:
        """Carry out one action [n_arms * 7] for one policy step, and look."""
        state = self.act(action)
        return self.observe(), state

    def act(self, action: npt.ArrayLike) -> TaskState:
        """As :meth:`step`, without rendering."""
        wanted = np.asarray(action, np.float32).ravel()
        positions = self.cell.tools[:, :3]
        executed = wanted if self._safety is None else self._safety(wanted, positions, self.dt)
        self.executed = np.asarray(executed, np.float32)
        actions = self.executed.reshape(len(self.servos), -1)
        joints = np.split(self.cell.joint_positions, len(self.servos))
        targets = [
            servo.step(action[:6].astype(np.float64), measured, self.dt)
            for servo, action, measured in zip(self.servos, actions, joints, strict=True)
        ]
        self.cell.advance(np.concatenate(targets), actions[:, 6], self.dt)
        state = self.cell.task_state()
        self.succeeded = self._hold.update(state.success) or self.succeeded
        return state

    def observe(self) -> Observation:
        """What the policy sees now, in the precision in which it sees it over topics."""
        cell = self.cell
        joints = np.split(cell.joint_positions.astype(np.float32), len(self.servos))
        states = []
        for measured, opening, tool in zip(joints, cell.openings, cell.tools, strict=True):
            quaternion = (tool[3:] / np.linalg.norm(tool[3:])).astype(np.float32)
            states.append(proprioception(measured, np.float32(opening), tool[:3].astype(np.float32), quaternion))
        return Observation(
            stamp=cell.time,
            images={camera: cell.render(camera) for camera in cell.cameras},
            proprio=np.concatenate(states),
            instruction=cell.task.config.instruction,
        )
