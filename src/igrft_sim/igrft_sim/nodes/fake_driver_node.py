# SPDX-License-Identifier: Apache-2.0
"""Stands in for a real arm's drivers in tests: robot description, joint states, trajectory topic, gripper action."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from control_msgs.action import GripperCommand, ParallelGripperCommand
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.task import Future
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from igrft.config import ConfigError, RobotConfig, named
from igrft.ros.parameters import Common, declare, parameter
from igrft.ros.qos import LATCHED, create_publisher
from igrft.ros.runtime import spin
from igrft_sim.urdf import PATH

ARM_SPEED = 2.0
"""[rad/s] of a joint at most."""
GRIPPER_TIME = 0.3
"""[s] from open to closed."""


def description(robot: RobotConfig) -> str:
    """The simulated arm's URDF with the names of ``robot``."""
    root = ET.parse(PATH).getroot()
    links = {'base_link': robot.base_frame, 'tool0': robot.tool_frame}
    joints = {f'joint{index + 1}': name for index, name in enumerate(robot.joints)}
    for element in root.iter():
        if element.tag == 'joint':
            element.set('name', joints.get(element.get('name', ''), element.get('name', '')))
        for key in ('name', 'link'):
            if element.get(key) in links and element.tag in ('link', 'parent', 'child'):
                element.set(key, links[element.get(key, '')])
    return ET.tostring(root, encoding='unicode')


@dataclass(frozen=True)
class Parameters(Common):
    rate: float = parameter(100.0, 'of the joint states', unit='Hz', minimum=1.0, maximum=1000.0)
    object_width: float = parameter(
        0.0, 'opening at which the gripper meets an object and stalls', minimum=0.0, maximum=1.0, read_only=False
    )
    refuse_goals: bool = parameter(False, 'the gripper refuses every goal', read_only=False)


class FakeDriverNode(Node):
    """An arm that follows the newest point, and a gripper that closes until it meets something."""

    def __init__(self) -> None:
        super().__init__('fake_driver_node')
        self.parameters = declare(self, Parameters, self._on_parameters)
        self.robot = named('robots', self.parameters.robot, RobotConfig)
        if self.robot.hardware is None or len(self.robot.joints) != 7:
            raise ConfigError(f"robot '{self.robot.name}': the fake has the kinematics of a Panda; take fr3")
        self._hardware = self.robot.hardware
        self._gripper = self._hardware.gripper
        self._joints = np.array(self.robot.poses['home'])
        self._target = self._joints.copy()
        self._opening = self._wanted = 1.0
        self._goal: tuple[Any, Future] | None = None
        self._states = self.create_publisher(JointState, self._hardware.joint_states[0], QoSProfile(depth=10))
        self._description = create_publisher(self, String, self._hardware.description, LATCHED)
        self._description.publish(String(data=description(self.robot)))
        self.create_subscription(
            JointTrajectory, self._hardware.servo.output, self._on_trajectory, QoSProfile(depth=10)
        )
        self._server = ActionServer(
            self,
            GripperCommand if self._gripper.type == 'single' else ParallelGripperCommand,
            self._gripper.action,
            execute_callback=self._execute,
            goal_callback=self._on_goal,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )
        self.create_timer(1.0 / self.parameters.rate, self._on_timer)

    def _on_parameters(self, parameters: Parameters) -> None:
        self.parameters = parameters

    def _on_trajectory(self, message: JointTrajectory) -> None:
        at = dict(zip(message.joint_names, message.points[-1].positions, strict=True))
        self._target = np.array([at[name] for name in self.robot.joints])

    def _on_goal(self, request: Any) -> GoalResponse:
        return GoalResponse.REJECT if self.parameters.refuse_goals else GoalResponse.ACCEPT

    async def _execute(self, handle: Any) -> Any:
        """The newest goal wins; the one before ends as the drivers end it, aborted."""
        request, result = handle.request, self._server.action_type.Result()
        single = self._gripper.type == 'single'
        position = request.command.position if single else request.command.position[0]
        if self._goal is not None:
            self._goal[1].set_result('overtaken')
        self._wanted, own = self._gripper.opening(position), Future()
        self._goal = (handle, own)
        outcome = await own
        if self._goal is not None and self._goal[0] is handle:
            self._goal = None
        result.reached_goal, result.stalled = outcome == 'reached', outcome == 'stalled'
        if outcome == 'overtaken':
            handle.abort()
        else:
            handle.succeed()
        return result

    def _on_timer(self) -> None:
        period = 1.0 / self.parameters.rate
        step = ARM_SPEED * period
        self._joints = self._joints + np.clip(self._target - self._joints, -step, step)
        step = period / GRIPPER_TIME
        wanted = max(self._wanted, self.parameters.object_width)
        self._opening += float(np.clip(wanted - self._opening, -step, step))
        if self._goal is not None and self._opening == wanted and not self._goal[1].done():
            self._goal[1].set_result('reached' if wanted == self._wanted else 'stalled')
        message = JointState(
            name=[*self.robot.joints, self._gripper.joint],
            position=array('d', [*self._joints, self._gripper.position(self._opening)]),
        )
        message.header.stamp = self.get_clock().now().to_msg()
        self._states.publish(message)


def main(argv: Sequence[str] | None = None) -> int:
    return spin(FakeDriverNode, argv)


if __name__ == '__main__':
    raise SystemExit(main())
