# SPDX-License-Identifier: Apache-2.0
"""Moves the arm to named poses or joint positions, only while nobody drives.

Action `arm_node/move_to`; on a robot also the service `reset`, which moves home.
"""

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
from igrft.ros.home_reset import HomeReset
from igrft.ros.moveit_mover import MoveItMover
from igrft.ros.movers import Mover, RuckigMover
from igrft.ros.parameters import Common, declare, parameter
from igrft.ros.runtime import spin
from igrft_msgs.action import MoveTo
from igrft_msgs.msg import Intervention, SafetyStatus


@dataclass(frozen=True)
class Parameters(Common):
    backend: str = parameter('ruckig', 'how to move: straight in joint space, or planned', choices=('ruckig', 'moveit'))
    moveit_parameters: str = parameter('', "YAML file with MoveIt's parameters (backend moveit; launch files write it)")
    serve_reset: bool = parameter(False, 'serve `reset` by moving to the pose home')
    scene_time: float = parameter(
        0.0, 'after a reset has moved the arm home, for people to set the scene', unit='s', minimum=0.0, maximum=600.0
    )
    velocity: float = parameter(1.0, 'of every joint (backend ruckig)', unit='rad/s', minimum=0.01, maximum=3.0)
    acceleration: float = parameter(
        2.0, 'of every joint (backend ruckig)', unit='rad/s^2', minimum=0.01, maximum=20.0
    )
    jerk: float = parameter(10.0, 'of every joint (backend ruckig)', unit='rad/s^3', minimum=0.1, maximum=1000.0)


class ArmNode(Node):
    """One motion at a time; a takeover, an episode, an emergency stop or a cancel brakes it."""

    def __init__(self) -> None:
        super().__init__('arm_node')
        self.parameters = p = declare(self, Parameters)
        self.robot = named('robots', p.robot, RobotConfig)
        self._mover: Mover
        if p.backend == 'moveit':
            self._mover = MoveItMover(self, self.robot, p.moveit_parameters)
        else:
            limits = MotionLimits(velocity=p.velocity, acceleration=p.acceleration, jerk=p.jerk)
            self._mover = RuckigMover(self, self.robot, limits)
        self._mode = Intervention.MODE_HOLD
        self._stopped = False
        self._goal: Any = None
        self._moving = False
        self._finished: Future | None = None
        self._problem = ''
        qos.create_subscription(self, Intervention, 'intervention', self._on_intervention, qos.LATCHED)
        qos.create_subscription(self, SafetyStatus, 'safety/status', self._on_safety, qos.LATCHED)
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
        if p.serve_reset:
            if 'home' not in self.robot.poses:
                raise ConfigError(f"robot '{self.robot.name}' has no pose 'home', which reset moves to")
            self._reset = HomeReset(self, self._go_home, p.scene_time)
        self._diagnostics = Diagnostics(self, self.robot.name, {'arm': self._status})

    def _on_intervention(self, message: Intervention) -> None:
        self._mode = message.mode
        if self._mode != Intervention.MODE_HOLD:
            self._interrupt(f'somebody drives now ({message.reason})')

    def _on_safety(self, message: SafetyStatus) -> None:
        self._stopped = message.state == SafetyStatus.STATE_E_STOP
        if self._stopped:
            self._interrupt(message.text)

    def _interrupt(self, problem: str) -> None:
        if self._moving and not self._problem:
            self._problem = problem
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
        if self._stopped:
            raise MotionError('emergency stop; reset it first')
        if self._moving:
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
        target, limits = [float(v) for v in request.positions], self.robot.joint_limits
        problem = limits.violation(target, self.robot.joints) if limits is not None else ''
        if problem:
            raise MotionError(problem)
        return target

    def _on_cancel(self, goal: Any) -> CancelResponse:
        self._interrupt('cancelled')
        return CancelResponse.ACCEPT

    async def _execute(self, goal: Any) -> MoveTo.Result:
        self._goal = goal
        try:
            problem = await self._move(self._target(goal.request))
        finally:
            self._goal = None
        if not problem:
            goal.succeed()
            return MoveTo.Result(success=True, message='arrived')
        if goal.is_cancel_requested:
            goal.canceled()
        else:
            goal.abort()
        self.get_logger().error(f'move_to: {problem}')
        return MoveTo.Result(success=False, message=problem)

    async def _go_home(self) -> str:
        problem = await self._move([float(v) for v in self.robot.poses['home']])
        if problem:
            self.get_logger().error(f'reset: {problem}')
        return problem

    async def _move(self, target: list[float]) -> str:
        """Why the arm did not arrive, '' when it did. The timer moves it; this only waits."""
        try:
            self._check()  # once more: what was accepted may have changed before it begins
            self._moving, self._problem, self._finished = True, '', Future()
            try:
                self._mover.begin(target)
                self._timer.reset()
                await self._finished
            finally:
                self._timer.cancel()
                self._moving = False
        except MotionError as error:
            return str(error)
        return self._problem

    def _on_timer(self) -> None:
        progress = self._mover.step()
        self._problem = self._problem or progress.problem  # why it was stopped says more than that it was
        if self._goal is not None and not progress.done:
            self._goal.publish_feedback(MoveTo.Feedback(progress=float(progress.fraction)))
        if progress.done and self._finished is not None and not self._finished.done():
            self._finished.set_result(None)

    def _status(self) -> Status:
        return Status('ok', 'moving' if self._moving else 'at rest', {'backend': self.parameters.backend})

    def close(self) -> None:
        """A motion does not outlive the node that can brake it."""
        close = getattr(self._mover, 'close', None)
        if close is not None:
            close()


def main(argv: Sequence[str] | None = None) -> int:
    return spin(ArmNode, argv)
