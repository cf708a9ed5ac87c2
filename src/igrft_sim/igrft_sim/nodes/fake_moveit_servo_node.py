# SPDX-License-Identifier: Apache-2.0
"""Stands in for MoveIt Servo (2.12, `moveit_servo/servo_node`) in tests: topics, services, time-outs, status codes.

What is copied: commands are refused until the type is switched; a twist whose stamp is older than the time-out
ends in a halt; NaN and an unknown frame are INVALID; nothing goes out while INVALID or HALT_FOR_COLLISION;
the last code stays in the status until the next command; a paused Servo says nothing at all. The kinematics are those
of the simulated arm; collisions are what the parameter ``collision_scale`` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from geometry_msgs.msg import TwistStamped
from moveit_msgs.msg import ServoStatus
from moveit_msgs.srv import ServoCommandType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool
from trajectory_msgs.msg import JointTrajectory

from igrft.config import ConfigError, RobotConfig, named
from igrft.control.servo_status import ServoCode
from igrft.ros.messages import seconds_of
from igrft.ros.parameters import Common, declare, parameter
from igrft.ros.runtime import spin
from igrft_sim.nodes.messages import trajectory_msg, twist_values
from igrft_sim.servo import Servo, ServoLimits

WORDS = {
    ServoCode.INVALID: 'Invalid',
    ServoCode.NO_WARNING: 'No warnings',
    ServoCode.DECELERATE_FOR_APPROACHING_SINGULARITY: 'Moving closer to a singularity, decelerating',
    ServoCode.HALT_FOR_SINGULARITY: 'Very close to a singularity, emergency stop',
    ServoCode.DECELERATE_FOR_LEAVING_SINGULARITY: 'Moving away from a singularity, decelerating',
    ServoCode.DECELERATE_FOR_COLLISION: 'Close to a collision, decelerating',
    ServoCode.HALT_FOR_COLLISION: 'Collision detected, emergency stop',
    ServoCode.JOINT_BOUND: 'Close to a joint bound (position or velocity), halting',
}
"""Servo's own (SERVO_STATUS_CODE_MAP)."""


@dataclass(frozen=True)
class Parameters(Common):
    collision_scale: float = parameter(
        1.0,
        "the collision monitor's velocity scale: 1 nothing is near, 0 a collision",
        minimum=0.0,
        maximum=1.0,
        read_only=False,
    )


class FakeMoveItServoNode(Node):
    """Servo's loop on a timer."""

    def __init__(self) -> None:
        super().__init__('servo_node')
        self.parameters = declare(self, Parameters, self._on_parameters)
        robot = named('robots', self.parameters.robot, RobotConfig)
        if robot.hardware is None or robot.joint_limits is None or len(robot.joints) != 7:
            raise ConfigError(f"robot '{robot.name}': the fake has the kinematics of a Panda; take fr3")
        self._robot, self._settings = robot, robot.hardware.servo
        limits = ServoLimits(
            joint_margin=robot.joint_limits.margin,
            singularity=self._settings.singularity_slow,
            hard_singularity=self._settings.singularity_stop,
        )
        self._servo = Servo(limits, posture=robot.poses['home'])
        self._type = ServoCommandType.Request.JOINT_JOG
        self._paused = False
        self._twist: TwistStamped | None = None
        self._moving = False
        self._joints: np.ndarray | None = None
        self._code = ServoCode.NO_WARNING
        defaults = QoSProfile(depth=10)
        self.create_subscription(TwistStamped, '~/delta_twist_cmds', self._on_twist, defaults)
        self.create_subscription(JointState, robot.hardware.joint_states[0], self._on_joints, defaults)
        self._status = self.create_publisher(ServoStatus, '~/status', defaults)
        self._output = self.create_publisher(JointTrajectory, self._settings.output, defaults)
        self.create_service(ServoCommandType, '~/switch_command_type', self._on_switch)
        self.create_service(SetBool, '~/pause_servo', self._on_pause)
        self.create_timer(self._settings.publish_period, self._loop)

    def _on_parameters(self, parameters: Parameters) -> None:
        self.parameters = parameters

    def _on_twist(self, message: TwistStamped) -> None:
        self._twist = message

    def _on_joints(self, message: JointState) -> None:
        at = dict(zip(message.name, message.position, strict=True))
        if all(name in at for name in self._robot.joints):
            self._joints = np.array([at[name] for name in self._robot.joints])

    def _on_switch(
        self, request: ServoCommandType.Request, response: ServoCommandType.Response
    ) -> ServoCommandType.Response:
        if request.command_type in (request.JOINT_JOG, request.TWIST, request.POSE):
            self._type = request.command_type
        response.success = request.command_type == self._type
        return response

    def _on_pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        if self._paused and not request.data:
            self._servo.reset()
        self._paused, response.success = request.data, True
        response.message = 'Servoing disabled' if request.data else 'Servoing enabled'
        return response

    def _loop(self) -> None:
        if self._paused or self._joints is None:
            return
        if self._twist is not None:
            if self._type == ServoCommandType.Request.TWIST:
                self._process(self._twist, self._joints)
            else:
                self._twist = None
                self.get_logger().warning('Command type has not been set, cannot accept input')
        self._status.publish(ServoStatus(code=int(self._code), message=WORDS[self._code]))

    def _process(self, message: TwistStamped, joints: np.ndarray) -> None:
        age = self.get_clock().now().nanoseconds * 1e-9 - seconds_of(message.header.stamp)
        twist = twist_values(message)
        if age >= self._settings.command_timeout:
            self._twist = None
            self._servo.reset()
            twist = np.zeros(6)
        else:
            self._code = self._judge(message.header.frame_id, twist)
        if self._code is ServoCode.INVALID:
            self._twist = None
        if self._code in (ServoCode.INVALID, ServoCode.HALT_FOR_COLLISION):
            self._servo.reset()
            return
        target = self._servo.step(twist * self.parameters.collision_scale, joints, self._settings.publish_period)
        if self._code is ServoCode.NO_WARNING and age < self._settings.command_timeout:
            self._code = self._servo.code
        period, stamp = self._settings.publish_period, self.get_clock().now().to_msg()
        self._output.publish(trajectory_msg(self._robot.joints, target, period, stamp, self._robot.base_frame))

    def _judge(self, frame: str, twist: np.ndarray) -> ServoCode:
        if frame != self._robot.base_frame or not np.isfinite(twist).all():
            return ServoCode.INVALID
        scale = self.parameters.collision_scale
        if scale < 1.0:
            return ServoCode.HALT_FOR_COLLISION if scale == 0.0 else ServoCode.DECELERATE_FOR_COLLISION
        return ServoCode.NO_WARNING


def main(argv: Sequence[str] | None = None) -> int:
    return spin(FakeMoveItServoNode, argv)


if __name__ == '__main__':
    raise SystemExit(main())
