# SPDX-License-Identifier: Apache-2.0
"""Last in the chain of command: answers each `command` at once, and silence with a zero twist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rclpy.timer import Timer

from igrft.config import RobotConfig, named
from igrft.control import inputs
from igrft.control.safety import SafetyFilter, State, Verdict
from igrft.ros import messages, qos
from igrft.ros.clocks import ControlClock
from igrft.ros.control_outputs import SafetyOutputs
from igrft.ros.diagnostics import Diagnostics, Rate, Status
from igrft.ros.e_stop import EmergencyStop
from igrft.ros.executor import event_driven
from igrft.ros.parameters import Common, declare, parameter
from igrft.ros.runtime import spin
from igrft.ros.servo_reports import ServoReports
from igrft.types import Source
from igrft_msgs.msg import Command, EpisodeStatus, SafetyStatus


@dataclass(frozen=True)
class Parameters(Common):
    command_timeout: float = parameter(
        0.08, 'without a command after which the twist is zero', unit='s', minimum=0.02, maximum=1.0
    )
    pose_timeout: float = parameter(
        0.25, 'without a tool pose after which commands are refused', unit='s', minimum=0.02, maximum=5.0
    )
    halt_duration: float = parameter(
        0.5, 'for which the zero twist is repeated before the node falls silent', unit='s', minimum=0.0, maximum=60.0
    )
    heartbeats: tuple[str, ...] = parameter((), "`topic seconds` each: a longer silence of the topic latches the stop")


class SafetyNode(Node):
    """Real time: a command is judged on arrival. Lock-step: when the tool pose of its tick is there, too."""

    def __init__(self) -> None:
        super().__init__('safety_node')
        self.parameters = declare(self, Parameters)
        self.robot = named('robots', self.parameters.robot, RobotConfig)
        arms = self.robot.arms
        self._steady = ControlClock(self)
        self._command_silence = self._steady.silence()
        self._pose_silences = [self._steady.silence() for _ in self.robot.arms]
        self.filter = SafetyFilter(self.robot.limits, len(arms))
        self._positions = np.full((len(arms), 3), np.nan)
        self._pose_stamps: list[Time | None] = [None] * len(arms)
        self._pending: Command | None = None
        self._handled: Time | None = None
        self._verdict: Verdict = self.filter.halt(text='no command yet')
        self._last_output = -np.inf
        self._driver = Source.HOLD
        self._recording = False
        self._commands = Rate()

        prefixes = [''] if len(arms) == 1 else [f'{arm}/' for arm in arms]
        silence = None if self.parameters.lockstep else self._steady.silence()
        self._outputs = SafetyOutputs(self, self.robot.base_frame, prefixes, silence)
        self._servo = ServoReports(self, prefixes, self._report)
        self._status = qos.create_publisher(self, SafetyStatus, 'safety/status', qos.LATCHED)
        for arm, prefix in enumerate(prefixes):
            qos.create_subscription(
                self, PoseStamped, f'{prefix}ee_pose', lambda m, arm=arm: self._on_pose(m, arm), qos.SENSOR
            )
        qos.create_subscription(self, Command, 'command', self._on_command, qos.COMMAND)
        qos.create_subscription(self, EpisodeStatus, 'episode/status', self._on_episode, qos.LATCHED)
        self._stop = EmergencyStop(self, self.filter, self._on_stop, self._on_reset, self.parameters.heartbeats)
        self._diagnostics = Diagnostics(self, self.robot.name, {'safety': self._component}, self._report)
        self._watch: Timer | None = None
        if not self.parameters.lockstep:
            self._watch = self._steady.timer(self.parameters.command_timeout, self._on_watch)
        self._report()

    # Inputs -------------------------------------------------------------------------------------------------

    def _on_pose(self, message: PoseStamped, arm: int) -> None:
        point = message.pose.position
        self._positions[arm] = (point.x, point.y, point.z)
        self._pose_silences[arm].beat()
        self._pose_stamps[arm] = message.header.stamp
        if self.parameters.lockstep:
            self._advance()

    def _on_command(self, message: Command) -> None:
        self._command_silence.beat()
        self._commands.tick()
        if self.parameters.lockstep:
            if message.header.stamp == self._handled:
                # The cell did not get the answer: say it again. It was executed, and recorded, once.
                self._publish_motion(message.header.stamp)
                return
            self._pending = message
            self._advance()
            return
        period = 1.0 / self.robot.control_rate
        elapsed = self._steady.now() - self._last_output
        known = max(s.seconds() for s in self._pose_silences) <= self.parameters.pose_timeout
        self._answer(message, self._positions if known else None, float(np.clip(elapsed, 1e-3, 2 * period)))

    def _advance(self) -> None:
        """Lock-step: judge the pending command once every tool pose of its tick is there."""
        message = self._pending
        if message is not None and all(stamp == message.header.stamp for stamp in self._pose_stamps):
            self._pending = None
            self._handled = message.header.stamp
            self._answer(message, self._positions, 1.0 / self.robot.policy_rate)

    def _on_episode(self, message: EpisodeStatus) -> None:
        self._recording = message.state == EpisodeStatus.STATE_RECORDING
        self._stop.watch(self._recording)
        if message.state == EpisodeStatus.STATE_RESETTING:
            self.filter.restart()

    def _on_stop(self, cause: str) -> None:
        self._halt(self.filter.halt(State.E_STOP, f'emergency stop: {cause}'))

    def _on_reset(self) -> None:
        self._verdict = self.filter.halt(text='reset, waiting for commands')
        self._report()

    # Outputs ------------------------------------------------------------------------------------------------

    def _on_watch(self) -> None:
        """Fires when the newest command may be too old; a wake-up for each command would cost more than it tells."""
        silence, timeout = self._command_silence.seconds(), self.parameters.command_timeout
        remaining = timeout - silence if silence < timeout else timeout
        if self._watch is not None:
            self._watch.timer_period_ns = int(max(remaining, 1e-3) * 1e9)
            self._watch.reset()
        if silence < timeout:
            return
        self.filter.idle()
        if silence <= self.parameters.halt_duration + timeout:
            state = State.E_STOP if self.filter.stopped else State.STALE
            self._halt(self.filter.halt(state, f'no command for more than {timeout:g} s'))

    def _halt(self, verdict: Verdict) -> None:
        stamp = self.get_clock().now().to_msg()
        command = inputs.Command(messages.seconds_of(stamp), verdict.action, Source.HOLD)
        self._publish(verdict, command, stamp)

    def _answer(self, message: Command, positions: np.ndarray | None, dt: float) -> None:
        command = messages.command_from(message)
        verdict = self.filter.filter(command.action, positions, dt)
        lost = self._driver is Source.HUMAN and command.source is Source.HOLD and not self.parameters.lockstep
        self._driver = command.source
        if lost and verdict.state in (State.OK, State.LIMITED):
            # He let go in motion, or his device, its node or the network is gone: that is a stop, not a ramp.
            verdict = self.filter.halt(State.OK, "the operator's input ended")
        source = Source.HOLD if verdict.state in (State.INVALID, State.E_STOP) else command.source
        self._publish(verdict, replace(command, action=verdict.action, source=source), message.header.stamp)
        if verdict.state is State.INVALID:
            self.get_logger().error(verdict.text, throttle_duration_sec=1.0)

    def _publish(self, verdict: Verdict, command: inputs.Command, stamp: Time) -> None:
        before, self._verdict = self._verdict, verdict
        self._publish_motion(stamp)
        self._outputs.executed(command, stamp)
        self._last_output = self._steady.now()
        # Limits come and go many times a second; the second's report is soon enough for them.
        mild = (State.OK, State.LIMITED)
        if verdict.state is not before.state and not (verdict.state in mild and before.state in mild):
            self._report()

    def _publish_motion(self, stamp: Time) -> None:
        self._outputs.twists(self._verdict.action, stamp)
        # Before the first command nobody has said where the grippers should be.
        if self.filter.openings is not None or self.parameters.lockstep:
            self._outputs.grippers(self._verdict.action, stamp)

    def _report(self) -> None:
        message = SafetyStatus(
            state=int(self._verdict.state),
            text=self._servo.joined(self._verdict.text),
            rejected=self.filter.rejected,
            limited=self.filter.limited,
            servo_code=int(self._servo.code),
        )
        message.header.stamp = self.get_clock().now().to_msg()
        message.header.frame_id = self.robot.base_frame
        self._status.publish(message)

    def _component(self) -> Status:
        state = self._verdict.state
        values = {'state': state.name, 'rejected': self.filter.rejected, 'limited': self.filter.limited}
        trouble = state in (State.INVALID, State.E_STOP) or (state is State.STALE and self._recording)
        level = 'error' if trouble else self._servo.level
        return Status(level, self._servo.joined(self._verdict.text), values | self._commands.report('command'))

    def close(self) -> None:
        """The last thing said is a standstill."""
        self._halt(self.filter.halt(text='the safety node ends'))
        if not self._outputs.delivered():
            self.get_logger().error('the servo did not confirm the last zero twist; it halts by its own time-out')


def main(argv: Sequence[str] | None = None) -> int:
    return spin(SafetyNode, argv, event_driven, urgent=True)
