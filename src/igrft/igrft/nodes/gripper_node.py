# SPDX-License-Identifier: Apache-2.0
"""`gripper/command` becomes goals of the gripper driver's action."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from action_msgs.msg import GoalStatus
from control_msgs.action import GripperCommand as SingleAction
from control_msgs.action import ParallelGripperCommand as ParallelAction
from rclpy.action import ActionClient
from rclpy.node import Node
from rclpy.task import Future

from igrft.config import ConfigError, RobotConfig, named
from igrft.control.gripper import PERIOD, GripperGoals
from igrft.hardware import GripperConfig
from igrft.ros import qos
from igrft.ros.clocks import ControlClock
from igrft.ros.diagnostics import Diagnostics, Status
from igrft.ros.parameters import Common, declare
from igrft.ros.runtime import spin
from igrft_msgs.msg import GripperCommand

ENDED = (GoalStatus.STATUS_SUCCEEDED, GoalStatus.STATUS_CANCELED)


@dataclass(frozen=True)
class Parameters(Common):
    pass


def goal_of(config: GripperConfig, position: float) -> Any:
    """The goal message for a joint position, of the action that the driver has."""
    if config.type == 'single':
        goal = SingleAction.Goal()
        goal.command.position, goal.command.max_effort = position, config.effort
        return goal
    goal = ParallelAction.Goal()
    command = goal.command
    command.name, command.position, command.effort = [config.joint], [position], [config.effort]
    if config.velocity:
        command.velocity = [config.velocity]
    return goal


class GripperNode(Node):
    """The newest goal counts: the driver's controller drops the one before."""

    def __init__(self) -> None:
        super().__init__('gripper_node')
        self.robot = named('robots', declare(self, Parameters).robot, RobotConfig)
        if self.robot.hardware is None:
            raise ConfigError(f"robot '{self.robot.name}' has no hardware; the simulated cell moves its own gripper")
        self.config = self.robot.hardware.gripper
        self.goals = GripperGoals(self.config)
        self._steady = ControlClock(self)
        self._number = 0
        kind = SingleAction if self.config.type == 'single' else ParallelAction
        self._client = ActionClient(self, kind, self.config.action)
        qos.create_subscription(self, GripperCommand, 'gripper/command', self._on_command, qos.COMMAND)
        self._steady.timer(PERIOD / 2, self._advance)
        self._diagnostics = Diagnostics(self, self.robot.name, {'gripper': self._component})

    def _on_command(self, message: GripperCommand) -> None:
        if len(message.opening) != 1:
            self.get_logger().error(
                f'gripper/command: {len(message.opening)} openings for one gripper', throttle_duration_sec=1.0
            )
            return
        reason = self.goals.command(float(message.opening[0]))
        if reason:
            self.get_logger().error(f'gripper/command refused: {reason}', throttle_duration_sec=1.0)
        self._advance()

    def _advance(self) -> None:
        if not self._client.server_is_ready():
            self.goals.absent()
            return
        position = self.goals.due(self._steady.now())
        if position is None:
            return
        self._number += 1
        number = self._number
        future = self._client.send_goal_async(goal_of(self.config, position))
        future.add_done_callback(lambda done: self._on_acceptance(number, done))

    def _on_acceptance(self, number: int, future: Future) -> None:
        handle: Any = future.result()
        if number != self._number:
            return
        if not handle.accepted:
            self._fail('the driver refused the goal')
            return
        self.goals.accepted()
        handle.get_result_async().add_done_callback(lambda done: self._on_result(number, done))

    def _on_result(self, number: int, future: Future) -> None:
        answer: Any = future.result()
        if number != self._number:
            return  # the goal was overtaken by a newer one
        if answer.status in ENDED or answer.result.stalled:
            self.goals.finished(answer.result.reached_goal, answer.result.stalled)
        else:
            self._fail("the goal was aborted; see the driver's log")

    def _fail(self, reason: str) -> None:
        self.goals.failed(reason, self._steady.now())
        self.get_logger().error(self.goals.state.text, throttle_duration_sec=5.0)

    def _component(self) -> Status:
        state = self.goals.state
        return Status(state.level, state.text, {'action': self.config.action, 'goals': self._number})


def main(argv: Sequence[str] | None = None) -> int:
    return spin(GripperNode, argv)
