# SPDX-License-Identifier: Apache-2.0
"""The drivers' joint states as the graph wants them: arm joints and gripper opening in one message, and `ee_pose`."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from igrft.config import ConfigError, RobotConfig, named
from igrft.control.kinematics import Chain, KinematicsError, chain_from_urdf
from igrft.ros import messages, qos
from igrft.ros.diagnostics import Diagnostics, Rate, Status
from igrft.ros.parameters import Common, declare, parameter
from igrft.ros.runtime import spin


@dataclass(frozen=True)
class Parameters(Common):
    timeout: float = parameter(
        0.5,
        "without the gripper's joint after which its opening counts as unknown",
        unit='s',
        minimum=0.05,
        maximum=10.0,
    )
    max_clock_offset: float = parameter(
        0.1,
        "between the driver's stamps and this clock from which a warning is given",
        unit='s',
        minimum=0.001,
        maximum=10.0,
    )


class RobotStateNode(Node):
    """One message out for each arm message in, at most at the control rate, with the driver's stamp.

    Topics: ``robot/joint_states`` (the launch files map ``joint_states`` of every other node to it, since drivers
    publish on that name) and ``ee_pose``.
    """

    def __init__(self) -> None:
        super().__init__('robot_state_node')
        self.parameters = declare(self, Parameters)
        self.robot = named('robots', self.parameters.robot, RobotConfig)
        if self.robot.hardware is None:
            raise ConfigError(f"robot '{self.robot.name}' has no hardware; the simulated cell publishes its own states")
        self._gripper = self.robot.hardware.gripper
        self._positions: dict[str, float] = {}
        self._heard: dict[str, float] = {}
        self._chain: Chain | None = None
        self._problem = ''
        self._offset = 0.0
        self._due = -math.inf
        self._rate = Rate()
        self._joints = qos.create_publisher(self, JointState, 'robot/joint_states', qos.SENSOR)
        self._pose = qos.create_publisher(self, PoseStamped, 'ee_pose', qos.SENSOR)
        description = self.robot.hardware.description
        qos.create_subscription(self, String, description, self._on_description, qos.LATCHED)
        for topic in self.robot.hardware.joint_states:
            qos.create_subscription(self, JointState, topic, lambda m, t=topic: self._on_joints(m, t), qos.SENSOR)
        self._diagnostics = Diagnostics(self, self.robot.name, {'state': self._component, 'joint limits': self._limits})

    def _on_description(self, message: String) -> None:
        base, tool = self.robot.base_frame, self.robot.tool_frame
        try:
            chain = chain_from_urdf(message.data, base, tool)
            missing = [name for name in chain.joints if name not in self.robot.joints]
            if missing:
                raise KinematicsError(
                    f"joint '{missing[0]}' lies between {base} and {tool} but is not in the configuration"
                )
        except KinematicsError as error:
            self._problem = str(error)
            self.get_logger().error(f'{self.robot.hardware.description}: {error}')  # type: ignore[union-attr]
            return
        self._chain, self._problem = chain, ''

    def _on_joints(self, message: JointState, topic: str) -> None:
        if len(message.name) != len(message.position):
            text = f'{topic}: {len(message.name)} names but {len(message.position)} positions; the driver is faulty'
            self.get_logger().error(text, throttle_duration_sec=2.0)
            return
        now = time.monotonic()
        for name, position in zip(message.name, message.position, strict=True):
            if math.isfinite(position):
                self._positions[name] = float(position)
                self._heard[name] = now
        if all(self._heard.get(name) == now for name in self.robot.joints):
            self._publish(message, now)

    def _publish(self, source: JointState, now: float) -> None:
        self._offset = abs(self.get_clock().now().nanoseconds * 1e-9 - messages.seconds_of(source.header.stamp))
        # A tenth of a period early counts as due: a driver at exactly the control rate must not lose every other.
        if now < self._due or self._chain is None or self._missing(now):
            return
        period = 1.0 / self.robot.control_rate
        self._due = now + 0.9 * period
        arm = [self._positions[name] for name in self.robot.joints]
        opening = self._gripper.opening(self._positions[self._gripper.joint])
        stamp, frame = source.header.stamp, self.robot.base_frame
        position, quaternion = self._chain.pose(self._positions)
        self._pose.publish(messages.pose_msg(position, quaternion, stamp, frame))
        self._joints.publish(messages.joint_state_msg(self.robot.joints, arm, [opening], stamp, frame))
        self._rate.tick()

    def _missing(self, now: float) -> str:
        """What has not been heard of lately, '' when everything has."""
        for name in (*self.robot.joints, self._gripper.joint):
            if now - self._heard.get(name, -math.inf) > self.parameters.timeout:
                topics = ', '.join(self.robot.hardware.joint_states)  # type: ignore[union-attr]
                return f"no joint '{name}' on {topics}; is its driver running, and is that what it calls the joint?"
        return ''

    def _component(self) -> Status:
        values = self._rate.report('state') | {'clock offset [s]': f'{self._offset:.3f}'}
        missing = self._missing(time.monotonic())
        if self._problem or missing:
            return Status('error', self._problem or missing, values)
        if self._chain is None:
            text = f'no robot description on {self.robot.hardware.description}'  # type: ignore[union-attr]
            return Status('error', f'{text}; start robot_state_publisher (the driver does)', values)
        if self._offset > self.parameters.max_clock_offset:
            text = f"the driver's stamps are {self._offset:.3f} s off; synchronise the clocks (chrony, PTP)"
            return Status('warn', text, values)
        return Status('ok', 'ok', values)

    def _limits(self) -> Status:
        positions = [self._positions.get(name, math.nan) for name in self.robot.joints]
        if any(map(math.isnan, positions)) or self.robot.joint_limits is None:
            return Status('ok', 'not known yet')
        text = self.robot.joint_limits.violation(positions, self.robot.joints)
        return Status('warn' if text else 'ok', text or 'within')


def main(argv: Sequence[str] | None = None) -> int:
    return spin(RobotStateNode, argv, urgent=True)
