# SPDX-License-Identifier: Apache-2.0
"""Stands in for the human: what the SpaceMouse and the buttons would say, from ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState

from igrft.config import RobotConfig, named
from igrft.devices.fake_hid_process import FakeHidProcess
from igrft.devices.mapping import TeleopConfig
from igrft.episodes.topics import ee_pose_topics, gripper_joints
from igrft.ros.diagnostics import Diagnostics, Status
from igrft.ros.executor import event_driven
from igrft.ros.messages import MessageError, nanoseconds_of
from igrft.ros.parameters import Common, declare, parameter
from igrft.ros.qos import EVENT, LATCHED, SENSOR, create_subscription
from igrft.ros.runtime import spin
from igrft.types import Kind
from igrft_msgs.msg import EpisodeStatus, HelpRequest, SafetyStatus, TaskState
from igrft_sim.nodes.gate import EpisodeGate
from igrft_sim.nodes.messages import joint_state_values, task_state_from, tool_pose
from igrft_sim.nodes.voices import HidVoice, TopicVoice, Voice
from igrft_sim.operator import PROTOCOLS, Decision, Habits, Operator
from igrft_sim.tasks import make_task


@dataclass(frozen=True)
class Parameters(Common):
    """Parameters of the node."""

    noise: float = parameter(1.0, 'unsteadiness of the hand, 1 is a practised operator', minimum=0.0, maximum=5.0)
    patience: float = parameter(2.5, 'time without a completed subtask before stepping in', unit='s', minimum=0.2)
    reaction_delay: float = parameter(
        0.3, 'time between seeing trouble and taking over', unit='s', minimum=0.0, maximum=5.0
    )
    hid: str = parameter('', 'socket of a fake SpaceMouse to move, in place of speaking on the topics (real time only)')
    hid_model: str = parameter('SpaceMousePro', "the fake SpaceMouse's name in pyspacemouse's tables")
    hid_mapping: str = parameter('fake_spacemouse', 'file of config/teleop that teleop_node uses for it')
    finish_task: bool = parameter(False, 'keep the control until the task is done, not only the current subtask')
    protocol: str = parameter(
        'watching', 'watching: looks all the time; called: comes when the policy asks for help', choices=PROTOCOLS
    )
    coming: float = parameter(2.0, 'from a call to being there', unit='s', minimum=0.0, maximum=600.0)
    persistence: float = parameter(
        30.0, 'driving without a completed subtask before giving the episode up as failed', unit='s', minimum=1.0
    )


class OperatorNode(Node):
    """Answers every tick; labels what it sees."""

    def __init__(self) -> None:
        super().__init__('operator_node')
        self.parameters = declare(self, Parameters)
        self._robot = named('robots', self.parameters.robot, RobotConfig)
        p, rate = self.parameters, self._robot.policy_rate
        self._habits = Habits(
            noise=p.noise,
            patience=round(p.patience * rate),
            reaction=round(p.reaction_delay * rate),
            finish_task=p.finish_task,
            protocol=p.protocol,
            coming=round(p.coming * rate),
            persistence=round(p.persistence * rate),
        )
        self._task = make_task(self.parameters.task)
        self._operator: Operator | None = None
        self._episode = ''
        self._stopped = False
        n_arms = len(self._robot.arms)
        self._tools, self._tool_stamps = np.zeros((n_arms, 7)), np.full(n_arms, -1)
        self._openings, self._opening_stamp = np.ones(n_arms), -1
        self._state: TaskState | None = None
        self._handled = -1
        self._gate = EpisodeGate()
        self._called_at: int | None = None
        self._reason = ''
        self._hid: FakeHidProcess | None = None
        self._voice = self._make_voice()
        create_subscription(self, SafetyStatus, 'safety/status', self._on_safety, LATCHED)
        create_subscription(self, EpisodeStatus, 'episode/status', self._on_status, LATCHED)
        for arm, topic in enumerate(ee_pose_topics(self._robot)):
            create_subscription(self, PoseStamped, topic, partial(self._on_tool, arm), SENSOR)
        create_subscription(self, JointState, 'joint_states', self._on_joints, SENSOR)
        create_subscription(self, TaskState, 'task_state', self._on_task_state, EVENT)
        create_subscription(self, HelpRequest, 'help', self._on_help, LATCHED)
        self._diagnostics = Diagnostics(self, self._robot.name, {'operator': self._health})
        if not self.parameters.lockstep:
            # a device speaks more often than a person changes their mind
            steady = Clock(clock_type=ClockType.STEADY_TIME)
            self.create_timer(1.0 / self._robot.control_rate, self._speak, clock=steady)

    def _make_voice(self) -> Voice:
        p = self.parameters
        if not p.hid:
            return TopicVoice(self, self._robot)
        if p.lockstep:
            raise ValueError('hid: a device answers no ticks; run the cell in real time (rtf:=1)')
        if len(self._robot.arms) > 1:
            raise ValueError('hid: one SpaceMouse moves one arm')
        mapping = named('teleop', p.hid_mapping, TeleopConfig)
        self._hid = FakeHidProcess(p.hid, p.hid_model)
        return HidVoice(self, mapping, self._hid)

    def close(self) -> None:
        """Take the fake SpaceMouse away."""
        if self._hid is not None:
            self._hid.close()

    def _on_safety(self, message: SafetyStatus) -> None:
        self._stopped = message.state == SafetyStatus.STATE_E_STOP

    def _on_status(self, message: EpisodeStatus) -> None:
        recording = message.state == EpisodeStatus.STATE_RECORDING
        if not recording:
            self._operator, self._episode, self._called_at = None, '', None
            self._voice.begin()
        elif message.episode_id != self._episode or self._operator is None:
            if message.task not in ('', self._task.name):
                self._task = make_task(message.task)
            self._episode = message.episode_id
            kind = Kind(message.kind)
            self._operator = Operator(self._task, kind, message.seed, self._habits)
            self._called_at = None
            self._voice.begin()
            self._gate.begin(message.seed)
        self._advance()

    def _on_tool(self, arm: int, message: PoseStamped) -> None:
        self._tools[arm], self._tool_stamps[arm] = tool_pose(message), nanoseconds_of(message.header.stamp)
        self._advance()

    def _on_joints(self, message: JointState) -> None:
        try:
            self._openings = joint_state_values(message, gripper_joints(self._robot))
        except MessageError as error:
            self.get_logger().error(str(error), throttle_duration_sec=1.0)
            return
        self._opening_stamp = nanoseconds_of(message.header.stamp)
        self._advance()

    def _on_help(self, message: HelpRequest) -> None:
        if not message.requested:
            self._called_at = None
        elif self._called_at is None:
            self._called_at = nanoseconds_of(message.header.stamp)

    def _on_task_state(self, message: TaskState) -> None:
        self._state = message
        tick = nanoseconds_of(message.header.stamp)
        self._gate.arrived(tick)
        if tick == self._handled and self._operator is not None:
            # the cell repeats a tick whose answer got lost
            self._voice.repeat()
            return
        self._advance()

    def _advance(self) -> None:
        """Answer the episode's tick, once the state, the tools and the grippers of that tick are there."""
        if self._state is None or self._operator is None:
            return
        tick = nanoseconds_of(self._state.header.stamp)
        if self.parameters.lockstep:
            same = self._opening_stamp == tick and bool((self._tool_stamps == tick).all())
            complete = same and self._gate.admits(tick, self._state.seed)
        else:
            complete = self._opening_stamp >= tick and bool((self._tool_stamps >= tick).all())
        if tick == self._handled or not complete:
            return
        self._handled = tick
        state = task_state_from(self._state)
        seen = state, self._tools.copy(), self._openings.copy()
        self._say(self._operator.tick(*seen, self._ticks_since_call(tick), self._stopped))

    def _say(self, decision: Decision) -> None:
        assert self._state is not None
        stamp = self._state.header.stamp
        self._voice.say(decision, stamp)
        if decision.reason:
            self._reason = decision.reason
            self.get_logger().info(f'takes over: {decision.reason}')
        for index in decision.marks:
            self._voice.mark(self._task.subtasks[index], index, stamp)
        if decision.outcome is not None:
            self._voice.end(decision.outcome, stamp)

    def _ticks_since_call(self, tick: int) -> int | None:
        """A call counts from the stamp that it was judged from, so it does not matter when it is heard."""
        if self._called_at is None or self._called_at > tick:
            return None
        return round((tick - self._called_at) * 1e-9 * self._robot.policy_rate)

    def _speak(self) -> None:
        """In real time: what the hand does now, as a device repeats it."""
        self._voice.speak(self.get_clock().now().to_msg(), self._openings)

    def _health(self) -> Status:
        if self._operator is None:
            return Status('ok', 'no episode')
        return Status('ok', 'watches', {'episode': self._episode, 'last takeover': self._reason})


def main(argv: Sequence[str] | None = None) -> int:
    return spin(OperatorNode, argv, event_driven)


if __name__ == '__main__':
    raise SystemExit(main())
