# SPDX-License-Identifier: Apache-2.0
"""The simulated cell on topics: in real time, N times as fast, or in lock-step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory

from igrft.config import ConfigError, RobotConfig, named
from igrft.ros.diagnostics import Diagnostics, Status
from igrft.ros.executor import event_driven
from igrft.ros.messages import MessageError, nanoseconds_of, time_msg
from igrft.ros.parameters import Common, declare, parameter
from igrft.ros.qos import COMMAND, LATCHED, create_subscription
from igrft.ros.runtime import spin
from igrft_msgs.msg import EpisodeStatus, GripperCommand
from igrft_msgs.srv import ResetCell
from igrft_sim.cell import RESET_PAUSE, Cell
from igrft_sim.nodes.commands import Commands
from igrft_sim.nodes.publishing import CellPublisher
from igrft_sim.pacing import Pacer
from igrft_sim.tasks import make_task

REPEAT_IDLE = 0.2
"""[s] of wall time between repetitions of the tick while no episode is recorded."""

REPEAT_WAITING = 1.0
"""[s] of wall time after which a tick that nobody answered is published again."""


@dataclass(frozen=True)
class Parameters(Common):
    """Parameters of the node."""

    rtf: float = parameter(1.0, 'speed: 1 real time, 4 four times as fast, 0 lock-step', minimum=0.0, maximum=100.0)
    seed: int = parameter(0, 'of the layout before the first reset', minimum=0)


class SimNode(Node):
    """Takes the place of robot and cameras.

    Time is the cell's own, and everybody's by `/clock`. In real time without ``use_sim_time`` it is the system's, as it
    is on a robot; a reset then takes a moment in which nothing is published, so that stamps jump there, too.
    """

    def __init__(self) -> None:
        super().__init__('sim_node')
        self.parameters = declare(self, Parameters)
        self._lockstep = self.parameters.lockstep or self.parameters.rtf == 0.0
        self._robot = named('robots', self.parameters.robot, RobotConfig)
        self._wall = not self._lockstep and not self.get_parameter('use_sim_time').value
        if self._wall and self.parameters.rtf != 1.0:
            raise ConfigError(f'sim_node: rtf {self.parameters.rtf:g} needs use_sim_time: the system clock has speed 1')
        self._policy_dt = 1.0 / self._robot.policy_rate
        self._control_dt = 1.0 / self._robot.control_rate
        self._task = self.parameters.task
        self._cell = self._build(self._task, self.parameters.seed)
        self._publisher = CellPublisher(self, self._robot, clock=not self._wall)
        self._recording = self._waits_for_first = False
        arms, joints = self._robot.arms, self._robot.joints
        self._commands = Commands(joints, len(arms))
        self._commands.restart(self._cell.joint_target, self._now())
        # one topic an arm's servo: on a shared one the newer command would push the other arm's out
        size = len(joints) // len(arms)
        own = {f'{arm}/joint_command': joints[i * size : (i + 1) * size] for i, arm in enumerate(arms)}
        for topic, names in {'joint_command': joints, **(own if len(arms) > 1 else {})}.items():
            take = partial(self._on_command, partial(self._commands.joints, names))
            create_subscription(self, JointTrajectory, topic, take, COMMAND)
        create_subscription(
            self,
            GripperCommand,
            'gripper/command',
            partial(self._on_command, self._commands.gripper),
            COMMAND,
        )
        create_subscription(self, EpisodeStatus, 'episode/status', self._on_status, LATCHED)
        self.create_service(ResetCell, 'reset', self._on_reset)
        self._diagnostics = Diagnostics(self, self._robot.name, {'cell': self._health})
        self._steps = self._reported = 0
        self._published = time.monotonic()
        rate = self._robot.control_rate * self.parameters.rtf
        self._pacer = Pacer(rate)
        self._resume = -math.inf
        period, work = (REPEAT_IDLE, self._repeat) if self._lockstep else (1 / rate, self._catch_up)
        # its own time can not wait for the clock that it publishes
        self.create_timer(period, work, clock=Clock(clock_type=ClockType.STEADY_TIME))
        if self._lockstep:
            self._tick()

    def close(self) -> None:
        """Free the renderers."""
        self._cell.close()

    def _build(self, task: str, seed: int) -> Cell:
        names = [camera.name for camera in self._robot.cameras]
        return Cell(make_task(task), cameras=names, seed=seed, robot=self._robot)

    def _stamp(self) -> Time:
        return self.get_clock().now().to_msg() if self._wall else time_msg(self._cell.time)

    def _now(self) -> int:
        return nanoseconds_of(self._stamp())

    def _on_command(self, take: Callable[[Any], None], message: Any) -> None:
        try:
            take(message)
        except MessageError as error:
            self.get_logger().error(f'{error}; the robot holds', throttle_duration_sec=1.0)
            return
        self._advance()

    # Lock-step

    def _advance(self) -> None:
        """One policy step, when both commands of the tick are there."""
        if self._lockstep and self._recording and self._commands.complete(self._now()):
            self._cell.advance(self._commands.target, self._commands.openings, self._policy_dt)
            self._waits_for_first = False
            self._tick()

    def _tick(self) -> None:
        """Publish everything, one stamp."""
        stamp = self._publisher.begin(self._stamp())
        self._publisher.images(self._cell, stamp, self._robot.cameras)
        self._publisher.state(self._cell, stamp)
        self._publisher.task_state(self._cell, stamp)
        self._published = time.monotonic()
        self._steps += 1

    def _repeat(self) -> None:
        waited = time.monotonic() - self._published
        # at an episode's begin somebody may not have known yet that it records
        if not self._recording or self._waits_for_first or waited > REPEAT_WAITING:
            self._publisher.repeat()
            self._published = time.monotonic()

    # Real time and N times as fast

    def _catch_up(self) -> None:
        due = self._pacer.due()
        if time.monotonic() >= self._resume:
            for _ in range(due):
                self._slice()

    def _slice(self) -> None:
        """One control period, with whatever command there is."""
        self._cell.advance(self._commands.target, self._commands.openings, self._control_dt)
        stamp = self._publisher.begin(self._stamp())
        self._publisher.state(self._cell, stamp)
        cameras = [camera for camera in self._robot.cameras if self._due(camera.rate)]
        self._publisher.images(self._cell, stamp, cameras)
        if self._due(self._robot.policy_rate):
            self._publisher.task_state(self._cell, stamp)
        self._steps += 1

    def _due(self, rate: float) -> bool:
        return self._steps % max(1, round(self._robot.control_rate / rate)) == 0

    # Episodes

    def _on_status(self, message: EpisodeStatus) -> None:
        recording = message.state == EpisodeStatus.STATE_RECORDING
        began, self._recording = recording and not self._recording, recording
        if began and self._lockstep:
            self._waits_for_first = True
            self._publisher.repeat()
            self._published = time.monotonic()
            self._advance()

    def _on_reset(self, request: ResetCell.Request, response: ResetCell.Response) -> ResetCell.Response:
        task = request.task or self._task
        try:
            if task != self._task:
                fresh = self._build(task, request.seed)
                fresh.wait(self._cell.time)
                self._cell.close()
                self._cell, self._task = fresh, task
            self._cell.reset(request.seed, request.split or 'in')
        except (ConfigError, ValueError) as error:
            response.message = str(error)
            return response
        self._commands.restart(self._cell.joint_target, self._now())
        if self._lockstep:
            self._tick()
        if self._wall:
            self._resume = time.monotonic() + RESET_PAUSE
        response.success = True
        response.stamp = self._stamp()
        response.instruction = self._cell.task.config.instruction
        return response

    def _health(self) -> Status:
        steps, self._reported = self._steps - self._reported, self._steps
        late = self._pacer.dropped()
        values = {'steps/s': steps, 'dropped periods/s': late, 'time [s]': f'{self._cell.time:.2f}'}
        if late and not self._lockstep:
            return Status('warn', 'the machine is too slow for this speed: lower rtf', values)
        return Status('ok', 'lock-step' if self._lockstep else 'running', values)


def main(argv: Sequence[str] | None = None) -> int:
    return spin(SimNode, argv, event_driven)


if __name__ == '__main__':
    raise SystemExit(main())
