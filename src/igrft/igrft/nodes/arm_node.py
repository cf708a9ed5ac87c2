# SPDX-License-Identifier: Apache-2.0
"""Moves the arm to named poses or joint positions (action `arm_node/move_to`), only while nobody drives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.node import Node
from rclpy.task import Future

from igrft.config import ConfigError, RobotConfig, named, nearest
from igrft.control.motion import MotionError, MotionLimits
from igrft.ros import qos
from igrft.ros.clocks import ControlClock
from igrft.ros.diagnostics import Diagnostics, Status
from igrft.ros.movers import MoveItMover, Mover, RuckigMover
from igrft.ros.parameters import Common, declare, parameter
from igrft.ros.runtime import spin
from igrft_msgs.action import MoveTo
from igrft_msgs.msg import Intervention


@dataclass(frozen=True)
class Parameters(Common):
    backend: str = parameter('ruckig', 'how to move: straight in joint space, or planned', choices=('ruckig', 'moveit'))
    group: str = parameter('manipulator', "MoveIt's planning group (backend moveit)")
    velocity: float = parameter(1.0, 'of every joint (backend ruckig)', unit='rad/s', minimum=0.01, maximum=3.0)
    acceleration: float = parameter(
        2.0, 'of every joint (backend ruckig)', unit='rad/s^2', minimum=0.01, maximum=20.0
    )
    jerk: float = parameter(10.0, 'of every joint (backend ruckig)', unit='rad/s^3', minimum=0.1, maximum=1000.0)


class ArmNode(Node):
    """One motion at a time; a takeover, an episode or a cancel brakes it."""

    def __init__(self) -> None:
        super().__init__('arm_node')
        self.parameters = p = declare(self, Parameters)
        self.robot = named('robots', p.robot, RobotConfig)
        self._mover: Mover
        if p.backend == 'moveit':
            self._mover = MoveItMover(self, self.robot, p.group)
        else:
            limits = MotionLimits(velocity=p.velocity, acceleration=p.acceleration, jerk=p.jerk)
            self._mover = RuckigMover(self, self.robot, limits)
        self._mode = Intervention.MODE_HOLD
        self._goal: Any = None
        self._finished: Future | None = None
        self._problem = ''
        qos.create_subscription(self, Intervention, 'intervention', self._on_intervention, qos.LATCHED)
        self._timer = ControlClock(self).timer(1.0 / self.robot.control_rate, self._on_timer)
        self._timer.cancel()
        self._server = ActionServer(
            self,
            MoveTo,
            '~/move_to',
            execute_callback=self._execute,
            goal_callback=self._on_goal,
            cancel_callback=self._on_cancel,
        )
        self._diagnostics = Diagnostics(self, self.robot.name, {'arm': self._status})

    def _on_intervention(self, message: Intervention) -> None:
        self._mode = message.mode
        if self._goal is not None and self._mode != Intervention.MODE_HOLD:
            self._problem = f'somebody drives now ({message.reason})'
            self._mover.brake()

    def _on_goal(self, request: MoveTo.Goal) -> GoalResponse:
        try:
            self._check()
            self._target(request)
        except (ConfigError, MotionError) as error:
            self.get_logger().error(f'move_to refused: {error}')
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _check(self) -> None:
        if self.parameters.lockstep:
            raise MotionError('in lock-step the cell stands still between episodes; call its reset')
        if self._goal is not None:
            raise MotionError('the arm is moving already')
        if self._mode != Intervention.MODE_HOLD:
            raise MotionError('somebody drives; end the episode first')

    def _target(self, request: MoveTo.Goal) -> list[float]:
        if request.pose:
            if request.pose not in self.robot.poses:
                raise ConfigError(f"unknown pose '{request.pose}'; {nearest(request.pose, self.robot.poses)}")
            return [float(v) for v in self.robot.poses[request.pose]]
        if len(request.positions) != len(self.robot.joints):
            raise MotionError(f'{len(request.positions)} positions for {len(self.robot.joints)} joints')
        return [float(v) for v in request.positions]

    def _on_cancel(self, goal: Any) -> CancelResponse:
        self._problem = 'cancelled'
        self._mover.brake()
        return CancelResponse.ACCEPT

    async def _execute(self, goal: Any) -> MoveTo.Result:
        """The timer moves the arm; this only waits for it, so the executor stays free."""
        self._goal, self._problem = goal, ''
        self._finished = Future()
        try:
            self._check_still()
            self._mover.begin(self._target(goal.request))
            self._timer.reset()
            await self._finished
        except MotionError as error:
            self._problem = str(error)
        finally:
            self._timer.cancel()
            self._goal = None
        if not self._problem:
            goal.succeed()
            return MoveTo.Result(success=True, message='arrived')
        if goal.is_cancel_requested:
            goal.canceled()
        else:
            goal.abort()
        self.get_logger().error(f'move_to: {self._problem}')
        return MoveTo.Result(success=False, message=self._problem)

    def _check_still(self) -> None:
        """The mode may have changed since the goal was accepted."""
        if self._mode != Intervention.MODE_HOLD:
            raise MotionError('somebody drives; end the episode first')

    def _on_timer(self) -> None:
        progress = self._mover.step()
        self._problem = progress.problem or self._problem
        if self._goal is not None and not progress.done:
            self._goal.publish_feedback(MoveTo.Feedback(progress=float(progress.fraction)))
        if progress.done and self._finished is not None and not self._finished.done():
            self._finished.set_result(None)

    def _status(self) -> Status:
        return Status('ok', 'moving' if self._goal is not None else 'at rest', {'backend': self.parameters.backend})


def main(argv: Sequence[str] | None = None) -> int:
    return spin(ArmNode, argv)
