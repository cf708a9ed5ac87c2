# SPDX-License-Identifier: Apache-2.0
"""Watches what the policy says of its own chunks and calls the operator: `help`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rclpy.node import Node

from igrft.config import RobotConfig, named
from igrft.control.conformal import CalibrationError
from igrft.control.help import Signals
from igrft.control.help_calibration import Calibration, load_calibration
from igrft.control.help_gate import HelpGate
from igrft.episodes.topics import ACTION_CHUNK, HELP, INTERVENTION, TELEOP_EVENT
from igrft.ros import qos
from igrft.ros.diagnostics import Diagnostics, Status
from igrft.ros.messages import seconds_of, time_msg
from igrft.ros.parameters import Common, declare, parameter
from igrft.ros.runtime import spin
from igrft.types import Mode
from igrft_msgs.msg import ActionChunk, EpisodeStatus, HelpRequest, Intervention, TeleopEvent

EXACT = 1e-6
"""[s] Two stamps this close are the same instant."""


@dataclass(frozen=True)
class Parameters(Common):
    """See the descriptions."""

    episodes_dir: str = parameter('~/igrft_data', 'has checkpoints/<id>/help-<task>.json of the driving checkpoint')
    calibration: str = parameter(
        '', "a help-<task>.json, or a checkpoint's folder, in place of the driving checkpoint's"
    )
    quiet: float = parameter(3.0, 'after a call, before the next one', unit='s', minimum=0.0, maximum=600.0)
    settled: float = parameter(1.0, 'of usual scores after which a call is over', unit='s', minimum=0.0, maximum=60.0)


class HelpNode(Node):
    """Wires topics to the gate. A chunk counts when it is known that the policy drives since its stamp or before."""

    def __init__(self) -> None:
        super().__init__('help_node')
        self.p = declare(self, Parameters)
        self.robot = named('robots', self.p.robot, RobotConfig)
        self._task = self.p.task
        self._checkpoint = ''
        self._problem = 'no chunk of the policy yet'
        self._gate = HelpGate(None, self._problem)
        self._drives_since = 0.0
        self._pending: ActionChunk | None = None
        self._help = qos.create_publisher(self, HelpRequest, HELP, qos.LATCHED)
        qos.create_subscription(self, ActionChunk, ACTION_CHUNK, self._on_chunk, qos.COMMAND)
        qos.create_subscription(self, Intervention, INTERVENTION, self._on_intervention, qos.LATCHED)
        qos.create_subscription(self, EpisodeStatus, 'episode/status', self._on_episode, qos.LATCHED)
        qos.create_subscription(self, TeleopEvent, TELEOP_EVENT, self._on_event, qos.EVENT)
        self._diagnostics = Diagnostics(self, self.robot.name, {'help': self._health})

    def _on_episode(self, message: EpisodeStatus) -> None:
        if message.state == EpisodeStatus.STATE_RESETTING:
            self._checkpoint = ''  # a calibration may have been made meanwhile
        self._task = message.task or self._task

    def _on_intervention(self, message: Intervention) -> None:
        stamp = seconds_of(message.header.stamp)
        if message.mode == Mode.AUTONOMOUS and self._gate.mode is not Mode.AUTONOMOUS:
            self._drives_since = stamp
        if self._gate.drives(Mode(message.mode), stamp):
            self._publish()
        self._advance()

    def _on_event(self, message: TeleopEvent) -> None:
        if message.event == 'dismiss_help' and self._gate.dismiss(seconds_of(message.header.stamp)):
            self._publish()

    def _on_chunk(self, message: ActionChunk) -> None:
        self._pending = message
        self._advance()

    def _advance(self) -> None:
        """Judge the chunk as soon as the policy is known to drive; one from before that is forgotten."""
        chunk = self._pending
        if chunk is None or self._gate.mode is not Mode.AUTONOMOUS:
            return
        self._pending = None
        stamp = seconds_of(chunk.header.stamp)
        if stamp < self._drives_since - EXACT:
            return
        if chunk.checkpoint != self._checkpoint:
            self._use(chunk.checkpoint)
        problem = self._gate.update(Signals(stamp, chunk.value, chunk.disagreement))
        if problem:
            self._problem = problem
            self.get_logger().error(problem, throttle_duration_sec=5.0)
        self._publish()

    def _use(self, checkpoint: str) -> None:
        """Another checkpoint drives, or another episode begins: look for what is usual of it."""
        self._checkpoint = checkpoint
        own = Path(self.p.episodes_dir).expanduser() / 'checkpoints' / checkpoint
        path = Path(self.p.calibration).expanduser() if self.p.calibration else own
        found: Calibration | None = None
        self._problem = ''
        try:
            found = load_calibration(path, self._task)
        except CalibrationError as error:
            self._problem = str(error)
        if found is not None and found.checkpoint != checkpoint:
            self.get_logger().warning(
                f'the calibration is of {found.checkpoint}, {checkpoint} drives: its false-alarm rate is not promised'
            )
        mode, since = self._gate.mode, self._drives_since
        self._gate = HelpGate(found, self._problem, self.p.quiet, self.p.settled)
        self._gate.drives(mode, since)

    def _publish(self) -> None:
        state = self._gate.state
        message = HelpRequest(
            requested=state.requested, score=state.score, threshold=state.threshold, reason=state.reason
        )
        message.header.stamp = time_msg(self._gate.stamp)
        message.header.frame_id = self.robot.base_frame
        self._help.publish(message)

    def _health(self) -> Status:
        state = self._gate.state
        values = {'score': f'{state.score:.3f}', 'threshold': f'{state.threshold:.3f}', 'checkpoint': self._checkpoint}
        text = state.reason if state.requested else self._problem or 'ok'
        return Status('warn' if state.requested else 'ok', text, values)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    return spin(HelpNode, argv)


if __name__ == '__main__':
    sys.exit(main())
