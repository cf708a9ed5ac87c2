# SPDX-License-Identifier: Apache-2.0
"""The cell's stand-in for MoveIt Servo: twists in, joint targets out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TwistStamped
from rclpy.node import Node
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from igrft.config import ConfigError, RobotConfig, named, nearest
from igrft.control.servo_status import LEVELS, MESSAGES, ServoCode
from igrft.ros.diagnostics import Diagnostics, Rate, Status
from igrft.ros.executor import event_driven
from igrft.ros.messages import MessageError, nanoseconds_of
from igrft.ros.parameters import Common, declare, parameter
from igrft.ros.qos import COMMAND, LATCHED, SENSOR, create_publisher, create_subscription
from igrft.ros.runtime import spin
from igrft_msgs.msg import ServoStatus
from igrft_sim.nodes.messages import joint_state_values, trajectory_msg, twist_values
from igrft_sim.servo import Servo, ServoLimits

DEFAULTS = ServoLimits()

JUMP = 0.5
"""[s] between joint states that only a reset of the cell makes."""


@dataclass(frozen=True)
class Parameters(Common):
    """Parameters of the node."""

    arm: str = parameter('', "which arm; its name comes before its topics'. Empty: the only one")
    incoming_command_timeout: float = parameter(
        0.1, 'age of the last twist beyond which the arm halts', unit='s', minimum=0.01, maximum=1.0
    )
    lower_singularity_threshold: float = parameter(
        DEFAULTS.singularity, 'condition number of the Jacobian from which the arm slows down', minimum=1.0
    )
    hard_stop_singularity_threshold: float = parameter(
        DEFAULTS.hard_singularity, 'condition number of the Jacobian at which the arm halts', minimum=1.0
    )
    joint_limit_margin: float = parameter(
        DEFAULTS.joint_margin, 'distance kept from the joint limits', unit='rad', minimum=0.0, maximum=0.5
    )

    def __post_init__(self) -> None:
        if self.lower_singularity_threshold >= self.hard_stop_singularity_threshold:
            raise ValueError('lower_singularity_threshold must lie below hard_stop_singularity_threshold')


class SimServoNode(Node):
    """Answers each twist in lock-step; runs on its own timer in real time."""

    def __init__(self) -> None:
        super().__init__('sim_servo_node')
        self.parameters = declare(self, Parameters)
        self._robot = named('robots', self.parameters.robot, RobotConfig)
        limits = ServoLimits(
            joint_margin=self.parameters.joint_limit_margin,
            singularity=self.parameters.lower_singularity_threshold,
            hard_singularity=self.parameters.hard_stop_singularity_threshold,
        )
        arms, arm = self._robot.arms, self.parameters.arm or self._robot.arms[0]
        if arm not in arms or (len(arms) > 1 and not self.parameters.arm):
            raise ConfigError(f"robot '{self._robot.name}': arm '{self.parameters.arm}'; {nearest(arm, arms)}")
        index, prefix = arms.index(arm), '' if len(arms) == 1 else f'{arm}/'
        size = len(self._robot.joints) // len(arms)
        own = slice(index * size, (index + 1) * size)
        self._names = self._robot.joints[own]
        self._servo = Servo(limits, posture=self._robot.poses['home'][own])
        self._joints: np.ndarray | None = None
        self._joints_stamp, self._twist_stamp, self._handled = -1, -2, -3
        self._answer = JointTrajectory()
        self._stamp = Time()
        self._twist = np.zeros(6)
        self._received = -np.inf
        self._halted = True
        self._code: ServoCode | None = None
        self._rate = Rate()
        self._targets = create_publisher(self, JointTrajectory, f'{prefix}joint_command', COMMAND)
        self._status = create_publisher(self, ServoStatus, f'{prefix}servo/status', LATCHED)
        create_subscription(self, JointState, 'joint_states', self._on_joints, SENSOR)
        create_subscription(self, TwistStamped, f'{prefix}servo_node/delta_twist_cmds', self._on_twist, COMMAND)
        self._diagnostics = Diagnostics(self, self._robot.name, {'servo': self._health})
        if not self.parameters.lockstep:
            self.create_timer(1.0 / self._robot.control_rate, self._control)

    def _on_joints(self, message: JointState) -> None:
        try:
            self._joints = joint_state_values(message, self._names)
        except MessageError as error:
            self.get_logger().error(str(error), throttle_duration_sec=1.0)
            return
        stamp = nanoseconds_of(message.header.stamp)
        if not 0 <= stamp - self._joints_stamp < JUMP * 1e9:
            self._servo.reset()
        self._joints_stamp = stamp
        self._advance()

    def _on_twist(self, message: TwistStamped) -> None:
        frame = message.header.frame_id
        if frame not in ('', self._robot.base_frame):
            self.get_logger().error(
                f"servo_node/delta_twist_cmds: frame '{frame}', expected '{self._robot.base_frame}'",
                throttle_duration_sec=1.0,
            )
            self._twist = np.full(6, np.nan)
        else:
            self._twist = twist_values(message)
        self._stamp = message.header.stamp
        self._twist_stamp = nanoseconds_of(self._stamp)
        self._received = time.monotonic()
        self._advance()

    def _advance(self) -> None:
        """In lock-step: answer the twist of a tick when the joints of that tick are there.

        A tick that the cell repeats was answered already, but the answer may have been lost.
        """
        if not self.parameters.lockstep or self._twist_stamp != self._joints_stamp:
            return
        if self._twist_stamp == self._handled:
            self._targets.publish(self._answer)
            return
        self._handled = self._twist_stamp
        self._move(self._twist, 1.0 / self._robot.policy_rate, self._stamp)

    def _control(self) -> None:
        """In real time: follow the last twist while it is fresh."""
        age = time.monotonic() - self._received
        if age > self.parameters.incoming_command_timeout:
            if not self._halted:
                self._servo.reset()
                self.get_logger().warning(f'no twist for {age:.2f} s: the arm halts')
            self._halted = True
            return
        if self._joints is None:
            return
        self._halted = False
        self._move(self._twist, 1.0 / self._robot.control_rate, self.get_clock().now().to_msg())

    def _move(self, twist: np.ndarray, dt: float, stamp: Time) -> None:
        target = self._servo.step(twist, self._joints, dt)
        frame = self._robot.base_frame
        self._answer = trajectory_msg(self._names, target, dt, stamp, frame)
        self._targets.publish(self._answer)
        self._rate.tick()
        if self._servo.code != self._code:
            self._code = self._servo.code
            status = ServoStatus(code=int(self._code), message=MESSAGES[self._code])
            status.header.stamp = stamp
            status.header.frame_id = frame
            self._status.publish(status)

    def _health(self) -> Status:
        values = self._rate.report('target')
        if self._code is None:
            return Status('ok', 'no twist yet', values)
        return Status(LEVELS[self._code], MESSAGES[self._code], values)


def main(argv: Sequence[str] | None = None) -> int:
    return spin(SimServoNode, argv, event_driven, urgent=True)


if __name__ == '__main__':
    raise SystemExit(main())
