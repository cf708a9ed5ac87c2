# SPDX-License-Identifier: Apache-2.0
"""How an arm is moved to joint positions: the interface, and the way without a planner (`moveit_mover` plans)."""

from __future__ import annotations

import time
from array import array
from dataclasses import dataclass
from typing import Protocol

from rclpy.node import Node
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from igrft.config import RobotConfig
from igrft.control.motion import JointMotion, MotionError, MotionLimits
from igrft.ros import messages, qos

JOINT_STATE_TIMEOUT = 0.5
"""[s] A motion begins from where the arm is, not from where it was."""


@dataclass(frozen=True, slots=True)
class Progress:
    """fraction: 0 to 1; done: the motion has ended; problem: why it failed, '' when it did not."""

    fraction: float
    done: bool = False
    problem: str = ''


class Mover(Protocol):
    """Moves an arm; ``step`` is called at the control rate and never blocks."""

    def begin(self, target: list[float]) -> None:
        """Start to move to joint positions [rad].

        Raises:
            MotionError: it cannot be done, with the reason.
        """
        ...

    def step(self) -> Progress: ...

    def brake(self) -> None:
        """End the motion early; ``step`` goes on until it is done."""
        ...


class RuckigMover:
    """Streams `joint_command` itself: jerk-limited, straight in joint space, blind to obstacles."""

    def __init__(self, node: Node, robot: RobotConfig, limits: MotionLimits) -> None:
        self._robot = robot
        self._limits = limits
        self._clock = node.get_clock()
        self._dt = 1.0 / robot.control_rate
        self._joints: JointState | None = None
        self._received = float('-inf')
        self._motion: JointMotion | None = None
        self._publisher = qos.create_publisher(node, JointTrajectory, 'joint_command', qos.COMMAND)
        qos.create_subscription(node, JointState, 'joint_states', self._on_joints, qos.SENSOR)

    def _on_joints(self, message: JointState) -> None:
        self._joints = message
        self._received = time.monotonic()

    def begin(self, target: list[float]) -> None:
        silence = time.monotonic() - self._received
        if self._joints is None or silence > JOINT_STATE_TIMEOUT:
            raise MotionError('joint_states: nothing received lately; is the robot driver running?')
        try:
            positions, _ = messages.joints_from(
                self._joints, self._robot.joints, len(self._robot.arms), 'joint_states'
            )
        except messages.MessageError as error:
            raise MotionError(str(error)) from error
        self._motion = JointMotion([float(v) for v in positions], target, self._limits, self._dt)

    def step(self) -> Progress:
        if self._motion is None:
            return Progress(1.0, done=True)
        try:
            point = self._motion.step()
        except MotionError as error:
            self._motion = None
            return Progress(0.0, done=True, problem=str(error))
        message = JointTrajectory(joint_names=list(self._robot.joints))
        message.header.stamp = self._clock.now().to_msg()
        message.header.frame_id = self._robot.base_frame
        message.points = [
            JointTrajectoryPoint(positions=array('d', point.positions), velocities=array('d', point.velocities))
        ]
        self._publisher.publish(message)
        if point.done:
            self._motion = None
        return Progress(point.progress, done=point.done)

    def brake(self) -> None:
        if self._motion is not None:
            self._motion.brake()
