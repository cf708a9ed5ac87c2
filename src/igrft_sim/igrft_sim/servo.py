# SPDX-License-Identifier: Apache-2.0
"""The servo's core: a twist of the tool becomes a joint target, by differential inverse kinematics."""

from __future__ import annotations

from dataclasses import dataclass

import mink
import numpy as np
import numpy.typing as npt

from igrft.control.servo_status import ServoCode
from igrft_sim import scene

Float64 = npt.NDArray[np.float64]


COMFORTABLE = (0.0, -0.09, 0.0, -2.54, 0.0, 2.45, 0.785)
"""[rad]"""

POSTURE_GAIN = 0.03
"""Share of the way to the comfortable posture that a linearisation goes, where the tool allows it."""


@dataclass(frozen=True, slots=True)
class ServoLimits:
    """Where the servo slows down and stops.

    Attributes:
        joint_velocity: [7] rad/s.
        joint_margin: [rad] kept from the joint limits.
        singularity: condition number of the Jacobian (m and rad) from which motion is slowed. Before that the
            joints' own velocity limits slow the tool down.
        hard_singularity: at which it stops; leaving is allowed.
        lead: [rad] that the target may run ahead of the arm before it waits for it.
    """

    joint_velocity: tuple[float, ...] = (2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61)
    joint_margin: float = 0.05
    singularity: float = 150.0
    hard_singularity: float = 1000.0
    lead: float = 0.15


class Servo:
    """Integrates twists from its own last target, and from the arm itself after :meth:`reset`.

    Args:
        limits: see there.
        substep: [s] at most of one linearisation.
        posture: [7] rad that the arm prefers where the tool leaves it a choice.
    """

    def __init__(
        self,
        limits: ServoLimits = ServoLimits(),
        substep: float = 0.02,
        posture: npt.ArrayLike = COMFORTABLE,
    ) -> None:
        spec = scene.arm_spec()
        for finger in ('left_finger', 'right_finger'):
            spec.delete(spec.joint(f'{finger}_joint'))
        for element in (*spec.tendons, *spec.equalities, *spec.actuators):
            spec.delete(element)
        self._model = spec.compile()
        self._limits = limits
        self._substep = substep
        self._configuration = mink.Configuration(self._model)
        self._tool = mink.FrameTask('tool0', 'site', position_cost=1.0, orientation_cost=0.3)
        # the arm's spare degree of freedom drifts back to a comfortable posture, far from limits
        self._rest = mink.PostureTask(self._model, cost=1e-3, gain=POSTURE_GAIN)
        self._rest.set_target(np.asarray(posture, np.float64))
        self._tasks = [self._tool, self._rest]
        names = [self._model.joint(index).name for index in range(self._model.njnt)]
        self._bounds = [
            mink.ConfigurationLimit(self._model, min_distance_from_limits=limits.joint_margin),
            mink.VelocityLimit(self._model, dict(zip(names, limits.joint_velocity, strict=True))),
        ]
        self._low = self._model.jnt_range[:, 0] + limits.joint_margin
        self._high = self._model.jnt_range[:, 1] - limits.joint_margin
        self._target: Float64 | None = None
        self.code = ServoCode.NO_WARNING

    def reset(self) -> None:
        """Forget the last target: the next step begins at the arm."""
        self._target = None

    def forward(self, joints: npt.ArrayLike) -> Float64:
        """Pose [7] of tool0 at joint positions [7]."""
        self._configuration.update(np.asarray(joints, np.float64))
        transform = self._configuration.get_transform_frame_to_world('tool0', 'site')
        return np.concatenate([transform.translation(), transform.rotation().wxyz])

    def step(self, twist: npt.ArrayLike, joints: npt.ArrayLike, dt: float) -> Float64:
        """The joint target [7] after moving the tool with ``twist`` for ``dt`` seconds.

        Args:
            twist: [6] vx vy vz [m/s], wx wy wz [rad/s] in base_link. Not finite: the arm holds, code INVALID.
            joints: [7] measured now [rad].
            dt: [s].
        """
        measured = np.asarray(joints, np.float64)
        if self._target is None:
            self._target = np.clip(measured, self._low, self._high)
        velocity = np.asarray(twist, np.float64).ravel()
        if velocity.shape != (6,) or not np.isfinite(velocity).all():
            self.code = ServoCode.INVALID
            return self._target.copy()
        self.code = ServoCode.NO_WARNING
        start = measured + np.clip(self._target - measured, -self._limits.lead, self._limits.lead)
        self._configuration.update(np.clip(start, self._low, self._high))
        if np.any(velocity):
            count = max(1, int(np.ceil(dt / self._substep - 1e-9)))
            condition = self._condition()
            for _ in range(count):
                condition = self._integrate(velocity, dt / count, condition)
        self._target = self._configuration.q.copy()
        return self._target.copy()

    def _integrate(self, twist: Float64, dt: float, before: float) -> float:
        """Move the configuration; takes and returns the condition number of the Jacobian."""
        pose = self._configuration.get_transform_frame_to_world('tool0', 'site')
        goal = mink.SE3.from_rotation_and_translation(
            mink.SO3.exp(twist[3:] * dt).multiply(pose.rotation()),
            pose.translation() + twist[:3] * dt,
        )
        self._tool.set_target(goal)
        start = self._configuration.q.copy()
        velocity = mink.solve_ik(self._configuration, self._tasks, dt, solver='daqp', damping=1e-6, limits=self._bounds)
        self._configuration.integrate_inplace(velocity, dt)
        after = self._condition()
        share = self._singularity_share(before, after)
        if share < 1.0:
            self._configuration.update(start + share * (self._configuration.q - start))
            after = self._condition()
        joints = self._configuration.q
        blocked = (joints <= self._low + 1e-3) | (joints >= self._high - 1e-3)
        if self.code == ServoCode.NO_WARNING and blocked.any():
            self.code = ServoCode.JOINT_BOUND
        return after

    def _condition(self) -> float:
        jacobian = self._configuration.get_frame_jacobian('tool0', 'site')
        singular = np.linalg.svd(jacobian, compute_uv=False)
        return float(singular[0] / max(singular[-1], 1e-9))

    def _singularity_share(self, before: float, after: float) -> float:
        """Share of the motion that is done: less towards a singularity, all of it away from one."""
        soft, hard = self._limits.singularity, self._limits.hard_singularity
        if after <= soft:
            return 1.0
        if after <= before:
            self.code = ServoCode.DECELERATE_FOR_LEAVING_SINGULARITY
            return 1.0
        share = (hard - after) / (hard - soft)
        if share < 0.05:  # creeping nearer for ever is a halt, too
            self.code = ServoCode.HALT_FOR_SINGULARITY
            return 0.0
        self.code = ServoCode.DECELERATE_FOR_APPROACHING_SINGULARITY
        return share
