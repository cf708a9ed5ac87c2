# SPDX-License-Identifier: Apache-2.0
"""How the simulated operator makes himself heard: on the topics, or with his hand on a fake SpaceMouse."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Time
from rclpy.node import Node

from igrft.config import RobotConfig
from igrft.control.inputs import hold_action
from igrft.devices.fake_hid_process import FakeHidProcess
from igrft.devices.mapping import TeleopConfig, TeleopMapper
from igrft.ros.messages import seconds_of, teleop_msg
from igrft.ros.qos import COMMAND, EVENT, create_publisher, create_subscription
from igrft.types import Outcome, TeleopInput
from igrft_msgs.msg import GripperCommand, SubtaskMark, Teleop, TeleopEvent
from igrft_msgs.srv import StopEpisode
from igrft_sim.operator import Decision

DEVICE = 'operator'
PRESS = 4
"""[control ticks] that a finger stays on a button, and off it before the next press"""
SETTLE = 15
"""[control ticks] until a press of the gripper's button shows in what the gripper is told"""


class Voice(Protocol):
    """What the operator node needs to be heard."""

    def begin(self) -> None:
        """A new episode, or none."""
        ...

    def say(self, decision: Decision, stamp: Time) -> None:
        """This policy step's decision."""
        ...

    def repeat(self) -> None:
        """The same once more: somebody did not hear it."""
        ...

    def speak(self, stamp: Time, openings: npt.NDArray[np.float64]) -> None:
        """Called each control tick in real time."""
        ...

    def mark(self, name: str, index: int, stamp: Time) -> None:
        """A subtask is done."""
        ...

    def end(self, outcome: Outcome, stamp: Time) -> None:
        """The episode is to end with this label; may be called again until it has."""
        ...


class TopicVoice:
    """Publishes what a device's node would, and calls what the console would."""

    def __init__(self, node: Node, robot: RobotConfig) -> None:
        self._node = node
        self._frame = robot.base_frame
        self._answer: Teleop | None = None
        self._stop: Any = None
        self._teleop = create_publisher(node, Teleop, 'teleop/command', COMMAND)
        self._events = create_publisher(node, TeleopEvent, 'teleop/event', EVENT)
        self._marks = create_publisher(node, SubtaskMark, 'subtask_mark', EVENT)
        self._stopper = node.create_client(StopEpisode, 'episode/stop')

    def begin(self) -> None:
        self._answer = self._stop = None

    def say(self, decision: Decision, stamp: Time) -> None:
        if decision.dismisses:
            event = TeleopEvent(device=DEVICE, event='dismiss_help')
            event.header.stamp, event.header.frame_id = stamp, self._frame
            self._events.publish(event)
        self._answer = self._message(decision.action, decision.engaged, stamp)
        self._teleop.publish(self._answer)

    def repeat(self) -> None:
        if self._answer is not None:
            self._teleop.publish(self._answer)

    def speak(self, stamp: Time, openings: npt.NDArray[np.float64]) -> None:
        if self._answer is None:
            self._teleop.publish(self._message(hold_action(openings.astype(np.float32)), False, stamp))
        else:
            self._answer.header.stamp = stamp
            self._teleop.publish(self._answer)

    def mark(self, name: str, index: int, stamp: Time) -> None:
        mark = SubtaskMark(name=name, index=index, annotator=DEVICE)
        mark.header.stamp = stamp
        self._marks.publish(mark)

    def end(self, outcome: Outcome, stamp: Time) -> None:
        if self._stop is not None:
            return
        if not self._stopper.service_is_ready():
            self._node.get_logger().warning(
                "no server of 'episode/stop': is episode_node running?", throttle_duration_sec=2.0
            )
            return
        self._stop = self._stopper.call_async(StopEpisode.Request(stamp=stamp, outcome=outcome.value))
        self._stop.add_done_callback(self._on_stopped)

    def _message(self, action: npt.NDArray[np.float32], engaged: bool, stamp: Time) -> Teleop:
        said = TeleopInput(seconds_of(stamp), action, engaged, True, DEVICE)
        return teleop_msg(said, stamp, self._frame)

    def _on_stopped(self, future: Any) -> None:
        answer = future.result()
        if not answer.success:
            self._node.get_logger().error(f'episode/stop was refused: {answer.message}')
            self._stop = None


class HidVoice:
    """Deflects the cap and presses the buttons of a fake SpaceMouse; teleop_node takes it for a real one.

    Args:
        node: listens to what the gripper is told.
        config: the mapping that teleop_node uses; needs buttons for gripper, take_over, success and failure.
        hid: the device.

    Raises:
        ValueError: a button is missing.
    """

    def __init__(self, node: Node, config: TeleopConfig, hid: FakeHidProcess) -> None:
        self._mapper = TeleopMapper(config)
        self._hid = hid
        self._button = {meaning: button for button, meaning in config.buttons.items()}
        missing = {'gripper', 'take_over', 'mark_subtask', 'success', 'failure', 'dismiss_help'} - self._button.keys()
        if missing:
            raise ValueError(f'{config.device}: no button means {", ".join(sorted(missing))}')
        self._presses: deque[str] = deque()
        self._ticks = 0
        self._settles = 0
        self._decision: Decision | None = None
        self._ended = False
        self._open = True
        create_subscription(node, GripperCommand, 'gripper/command', self._on_gripper, COMMAND)

    def begin(self) -> None:
        self._decision, self._ended = None, False

    def say(self, decision: Decision, stamp: Time) -> None:
        self._decision = decision
        if decision.dismisses:
            self._presses.append(self._button['dismiss_help'])

    def repeat(self) -> None:
        """A device answers no ticks."""

    def speak(self, stamp: Time, openings: npt.NDArray[np.float64]) -> None:
        pressed = self._fingers()
        decision = self._decision
        axes: dict[str, float] = {}
        if decision is not None and decision.engaged:
            pressed.add(self._button['take_over'])
            axes = self._mapper.deflection(decision.action[:6])
            self._grip(bool(decision.action[6] > 0.5))
        self._hid.hold(axes, pressed)

    def mark(self, name: str, index: int, stamp: Time) -> None:
        self._presses.append(self._button['mark_subtask'])

    def end(self, outcome: Outcome, stamp: Time) -> None:
        if not self._ended:
            self._ended = True
            self._presses.append(self._button[outcome.value])

    def _on_gripper(self, message: GripperCommand) -> None:
        self._open = message.opening[0] > 0.5

    def _grip(self, wanted: bool) -> None:
        self._settles = max(self._settles - 1, 0)
        if wanted != self._open and not self._settles and self._button['gripper'] not in self._presses:
            self._presses.append(self._button['gripper'])
            self._settles = SETTLE

    def _fingers(self) -> set[str]:
        """The button under the finger in this control tick."""
        if not self._presses:
            return set()
        self._ticks += 1
        if self._ticks <= PRESS:
            return {self._presses[0]}
        if self._ticks == 2 * PRESS:
            self._ticks = 0
            self._presses.popleft()
        return set()
