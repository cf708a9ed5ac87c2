# SPDX-License-Identifier: Apache-2.0
"""Decides who drives and publishes `command`: the policy's chunk, the operator's twist, or a standstill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from builtin_interfaces.msg import Time
from rclpy.node import Node
from sensor_msgs.msg import JointState

from igrft.config import RobotConfig, named
from igrft.control.arbiter import Arbiter, ArbiterConfig, Decision, HelpReaction
from igrft.control.chunks import ChunkConfig
from igrft.ros import messages, qos
from igrft.ros.clocks import ControlClock
from igrft.ros.control_health import ArbiterHealth
from igrft.ros.control_outputs import ArbiterOutputs
from igrft.ros.diagnostics import Diagnostics
from igrft.ros.executor import event_driven
from igrft.ros.parameters import Common, declare, parameter
from igrft.ros.runtime import spin
from igrft.types import Kind, Mode
from igrft_msgs.msg import ActionChunk, EpisodeStatus, HelpRequest, SafetyStatus, Teleop, TeleopEvent


@dataclass(frozen=True)
class Parameters(Common):
    replan_steps: int = parameter(
        2, 'executed policy steps after which a fresh chunk is wanted', minimum=1, maximum=1000
    )
    blend_time: float = parameter(
        0.1, 'over which a new chunk takes over (real time)', unit='s', minimum=0.0, maximum=2.0
    )
    request_timeout: float = parameter(
        0.5, 'after which an unanswered request is made again', unit='s', minimum=0.02, maximum=60.0
    )
    max_overrun: float = parameter(
        1.0,
        'a chunk goes on beyond replan_steps without a fresh one; then the arm holds',
        unit='s',
        minimum=0.0,
        maximum=60.0,
    )
    teleop_timeout: float = parameter(
        0.06, 'without operator input after which his command is zero', unit='s', minimum=0.02, maximum=1.0
    )
    teleop_lost: float = parameter(
        0.5, 'without operator input after which the policy is paused', unit='s', minimum=0.02, maximum=10.0
    )
    hand_over: float = parameter(
        0.2, 'in which a change of driver keeps to the safety limits (real time)', unit='s', minimum=0.0, maximum=2.0
    )
    help_reaction: str = parameter(
        'none', 'of the arm while the policy asks for help', choices=[each.value for each in HelpReaction]
    )
    help_speed: float = parameter(0.3, 'share of its speed left to the policy (slow)', minimum=0.01, maximum=1.0)
    help_patience: float = parameter(
        0.0, 'after which the policy goes on without help (wait); 0: never', unit='s', minimum=0.0, maximum=86400.0
    )
    lockstep_teleop: bool = parameter(True, 'in lock-step wait for the teleop/command of each tick')
    require_episode: bool = parameter(True, 'hold while no episode records; false drives without an episode manager')


class ArbiterNode(Node):
    """Real time: a timer at the control rate. Lock-step: a tick is answered when its inputs are there."""

    def __init__(self) -> None:
        super().__init__('arbiter_node')
        self.parameters = declare(self, Parameters)
        p = self.parameters
        self.robot = named('robots', p.robot, RobotConfig)
        chunks = ChunkConfig(
            action_dim=self.robot.action_dim,
            replan_steps=p.replan_steps,
            blend_time=0.0 if p.lockstep else p.blend_time,
            prefetch=not p.lockstep,
            request_timeout=p.request_timeout,
            step_dt=1.0 / self.robot.policy_rate,
            max_overrun=p.max_overrun,
        )
        names = ('teleop_timeout', 'teleop_lost', 'hand_over', 'help_speed', 'help_patience')
        self.arbiter = Arbiter(
            ArbiterConfig(
                chunks=chunks,
                lockstep=p.lockstep,
                limits=None if p.lockstep else self.robot.limits,
                period=1.0 / self.robot.control_rate,
                help_reaction=HelpReaction(p.help_reaction),
                **{name: getattr(p, name) for name in names},
            )
        )
        clock = ControlClock(self)
        self._silence = clock.silence()
        self._tick: Time | None = None
        self._teleop_stamp: Time | None = None
        self._episode = ''
        self._outputs = ArbiterOutputs(self, self.robot.base_frame)
        qos.create_subscription(self, JointState, 'joint_states', self._on_joints, qos.SENSOR)
        qos.create_subscription(self, ActionChunk, 'policy/action_chunk', self._on_chunk, qos.COMMAND)
        qos.create_subscription(self, Teleop, 'teleop/command', self._on_teleop, qos.COMMAND)
        qos.create_subscription(self, TeleopEvent, 'teleop/event', self._on_event, qos.EVENT)
        qos.create_subscription(self, EpisodeStatus, 'episode/status', self._on_episode, qos.LATCHED)
        qos.create_subscription(self, SafetyStatus, 'safety/status', self._on_safety, qos.LATCHED)
        qos.create_subscription(self, HelpRequest, 'help', self._on_help, qos.LATCHED)
        self._health = ArbiterHealth(self.arbiter, self._now)
        self._diagnostics = Diagnostics(self, self.robot.name, self._health.components)
        if not p.require_episode:
            self.arbiter.start(Kind.ROLLOUT, self._now())
        if not p.lockstep:
            clock.timer(1.0 / self.robot.control_rate, self._on_timer)
        self._outputs.intervention(self.arbiter.takeover, self.get_clock().now().to_msg())

    # Inputs -------------------------------------------------------------------------------------------------

    def _on_joints(self, message: JointState) -> None:
        if self.arbiter.takeover.mode is Mode.HOLD:
            try:
                joints, n_arms = self.robot.joints, len(self.robot.arms)
                self.arbiter.measured(messages.joints_from(message, joints, n_arms, 'joint_states')[1])
            except messages.MessageError as error:
                self.get_logger().error(str(error), throttle_duration_sec=2.0)
        if self.parameters.lockstep:
            before, self._tick = self._tick, message.header.stamp
            self._advance(repeated=before == self._tick)

    def _on_chunk(self, message: ActionChunk) -> None:
        try:
            reason = self.arbiter.chunk(messages.chunk_from(message, 'policy/action_chunk'), self._now())
        except messages.MessageError as error:
            reason = str(error)
        # What was asked for before a takeover still arrives; that is no fault of the policy's.
        if reason and self.arbiter.takeover.mode is Mode.AUTONOMOUS:
            self.get_logger().warning(f'policy/action_chunk: {reason}', throttle_duration_sec=1.0)
        elif not reason and self.arbiter.awaited and not self.parameters.lockstep:
            self._on_timer()
        self._advance()

    def _on_teleop(self, message: Teleop) -> None:
        if not self.arbiter.hears(message.device):
            return
        try:
            teleop = messages.teleop_from(message, self.robot.base_frame, 'teleop/command')
            reason = self.arbiter.teleop(teleop, self._now())
        except messages.MessageError as error:
            reason = str(error)
        if reason:
            self.get_logger().error(f'teleop/command of {message.device}: {reason}', throttle_duration_sec=1.0)
        else:
            self._silence.beat()
        self._teleop_stamp = message.header.stamp
        if self.arbiter.changed and not self.parameters.lockstep:
            self._on_timer()  # a takeover does not wait for the next tick
        self._advance()

    def _on_event(self, message: TeleopEvent) -> None:
        if message.event == 'pause':
            self.arbiter.pause(self._now())
        elif message.event == 'dismiss_help':
            self.arbiter.dismiss_help(messages.seconds_of(message.header.stamp))
        self._advance()

    def _on_help(self, message: HelpRequest) -> None:
        self.arbiter.help(message.requested, messages.seconds_of(message.header.stamp), self._now())
        self._advance()

    def _on_episode(self, message: EpisodeStatus) -> None:
        if message.state != EpisodeStatus.STATE_RECORDING:
            self._episode = ''
            if self.parameters.require_episode:
                self.arbiter.stop(self._now())
        elif message.episode_id != self._episode:
            self._episode = message.episode_id
            self._outputs.forget()
            try:
                self.arbiter.stop(self._now())
                self.arbiter.start(Kind(message.kind), self._now())
            except ValueError as error:
                self.get_logger().error(f'episode/status: {error}; the arm holds')
        self._advance()

    def _on_safety(self, message: SafetyStatus) -> None:
        self.arbiter.emergency(message.state == SafetyStatus.STATE_E_STOP, self._now())
        self._advance()

    # The tick -----------------------------------------------------------------------------------------------

    def _on_timer(self) -> None:
        now = self.get_clock().now()
        self._send(self.arbiter.step(now.nanoseconds * 1e-9, self._silence.seconds()), now.to_msg())

    def _advance(self, repeated: bool = False) -> None:
        """Lock-step: answer the tick once all of its inputs are there; a repeated tick gets the same answer."""
        tick = self._tick
        if not self.parameters.lockstep:
            return
        if tick is None or self.arbiter.takeover.mode is Mode.HOLD:
            self._send(self.arbiter.step(self._now()), self.get_clock().now().to_msg())
            return
        if self._outputs.answered(tick):
            if repeated:
                self._outputs.repeat()
            return
        if self.parameters.lockstep_teleop and self._teleop_stamp != tick:
            return
        decision = self.arbiter.step(self._now())
        self._send(decision, tick)
        if repeated and decision.command is None and not decision.request:
            self._outputs.request(tick, self.arbiter.chunks)

    def _send(self, decision: Decision, stamp: Time) -> None:
        if decision.changed:
            self._outputs.intervention(self.arbiter.takeover, stamp)
        if decision.request:
            self._outputs.request(stamp, self.arbiter.chunks)
        if decision.command is not None:
            self._outputs.command(decision.command, stamp)
            self._health.commands.tick()

    def _now(self) -> float:
        """Lock-step: the tick's stamp; real time: the node's clock. [s]"""
        if self.parameters.lockstep:
            return messages.seconds_of(self._tick) if self._tick is not None else 0.0
        return self.get_clock().now().nanoseconds * 1e-9


def main(argv: Sequence[str] | None = None) -> int:
    return spin(ArbiterNode, argv, event_driven, urgent=True)
