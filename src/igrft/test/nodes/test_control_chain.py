# SPDX-License-Identifier: Apache-2.0
"""The control chain as real processes over DDS: whatever dies or lies upstream, the arm gets a zero twist."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import PoseStamped, TwistStamped
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Header
from std_srvs.srv import Trigger

from igrft.control.help_calibration import Calibration
from igrft.ros import qos
from igrft_msgs.msg import (
    ActionChunk,
    ChunkRequest,
    Command,
    EpisodeStatus,
    GripperCommand,
    HelpRequest,
    Intervention,
    SafetyStatus,
    Teleop,
    TeleopEvent,
)

DOMAIN = int(os.environ['ROS_DOMAIN_ID'])
PATIENCE = 30.0
"""[s] until something that must happen counts as not happening; far above what it takes"""


class Process:
    """A node as a process of its own."""

    def __init__(self, node: str, *parameters: str) -> None:
        main = f'from igrft.nodes.{node} import main; raise SystemExit(main())'
        arguments = [word for parameter in parameters for word in ('-p', parameter)]
        self.process = subprocess.Popen(
            [sys.executable, '-c', main, '--ros-args', *arguments],
            env={**os.environ, 'ROS_DOMAIN_ID': str(DOMAIN)},
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=PATIENCE)


class Rig:
    """Plays robot, policy, operator and episode manager, and keeps what the chain sends."""

    def __init__(self, context: rclpy.Context, lockstep: bool) -> None:
        self.lockstep = lockstep
        self.node = rclpy.create_node('rig', context=context)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.node)
        self.received: dict[str, list] = {}
        for topic, kind, profile in (
            ('servo_node/delta_twist_cmds', TwistStamped, qos.EVENT),
            ('gripper/command', GripperCommand, qos.EVENT),
            ('executed_action', Command, qos.EVENT),
            ('policy/request', ChunkRequest, qos.EVENT),
            ('intervention', Intervention, qos.LATCHED),
            ('safety/status', SafetyStatus, qos.LATCHED),
            ('command', Command, qos.EVENT),
        ):
            self.received[topic] = []
            qos.create_subscription(self.node, kind, topic, self.received[topic].append, profile)
        self.publishers = {
            topic: qos.create_publisher(self.node, kind, topic, profile)
            for topic, kind, profile in (
                ('joint_states', JointState, qos.SENSOR),
                ('ee_pose', PoseStamped, qos.SENSOR),
                ('policy/action_chunk', ActionChunk, qos.COMMAND),
                ('teleop/command', Teleop, qos.COMMAND),
                ('episode/status', EpisodeStatus, qos.LATCHED),
                ('e_stop', Bool, qos.LATCHED),
            )
        }
        self.reset = self.node.create_client(Trigger, 'safety_node/e_stop_reset')
        self.sensors_on = not lockstep
        self.teleop: Teleop | None = None
        self.timer = self.node.create_timer(0.02, self._sense)
        self.episodes = 0

    def _sense(self) -> None:
        if self.sensors_on:
            self.sense(self.node.get_clock().now().to_msg())
            if self.teleop is not None:
                self.publish('teleop/command', self.teleop)

    def sense(self, stamp) -> None:
        joints = JointState(name=[*(f'joint{i}' for i in range(1, 8)), 'gripper'], position=[0.0] * 7 + [0.25])
        joints.header.stamp = stamp
        pose = PoseStamped()
        pose.header.stamp = stamp
        pose.pose.position.x, pose.pose.position.z = 0.5, 0.3
        pose.pose.orientation.w = 1.0
        self.publish('ee_pose', pose)
        self.publish('joint_states', joints)

    def publish(self, topic: str, message) -> None:
        self.publishers[topic].publish(message)

    def until(self, condition: Callable[[], bool], what: str, again: Callable[[], None] | None = None) -> None:
        """Spin until it happens; ``again`` says what somebody may not have heard, as the cell does."""
        begin = repeated = time.monotonic()
        while not condition():
            now = time.monotonic()
            assert now < begin + PATIENCE, f'never happened: {what}'
            if again is not None and now > repeated + 0.5:
                repeated = now
                again()
            self.executor.spin_once(timeout_sec=0.05)

    def connected(self) -> None:
        nodes = {'arbiter_node', 'safety_node'}
        self.until(lambda: nodes <= set(self.node.get_node_names()), 'nodes up')
        self.until(lambda: all(p.get_subscription_count() for p in self.publishers.values()), 'subscriptions matched')
        self.until(lambda: all(self.node.count_publishers(t) for t in self.received), 'publishers matched')
        self.until(self.reset.service_is_ready, 'service up')

    def episode(self, kind: str = 'correction') -> None:
        self.episodes += 1
        for state in (EpisodeStatus.STATE_RESETTING, EpisodeStatus.STATE_RECORDING):
            message = EpisodeStatus(state=state, episode_id=f'e{self.episodes}', kind=kind)
            self.publish('episode/status', message)
            if state == EpisodeStatus.STATE_RESETTING:
                self.until(lambda: self.mode() == Intervention.MODE_HOLD, 'hold while resetting')

    def idle(self) -> None:
        self.publish('episode/status', EpisodeStatus(state=EpisodeStatus.STATE_IDLE))
        self.until(lambda: self.mode() == Intervention.MODE_HOLD, 'hold')

    def mode(self) -> int:
        return self.received['intervention'][-1].mode if self.received['intervention'] else -1

    def state(self) -> int:
        return self.received['safety/status'][-1].state if self.received['safety/status'] else -1

    def chunk(self, value: float, stamp, horizon: int = 8) -> ActionChunk:
        actions = np.tile(np.float32([value, 0, 0, 0, 0, 0, 0.5]), (horizon, 1))
        message = ActionChunk(horizon=horizon, dim=7, step_dt=0.1, checkpoint='c1')
        message.actions = array('f', actions.tobytes())
        message.header.stamp = stamp
        return message

    def drive(self, value: float = 0.1) -> None:
        """Answer requests until the policy's twist reaches the servo."""
        self.clear()

        def driving() -> bool:
            requests = self.received['policy/request']
            if requests:
                self.publish('policy/action_chunk', self.chunk(value, requests.pop().header.stamp))
            return any(abs(t.twist.linear.x - value) < 1e-6 for t in self.twists())

        self.until(driving, 'the policy drives')

    def operator(self, value: float, engaged: bool, device: str = 'test') -> None:
        message = Teleop(device=device, connected=True, engaged=engaged)
        message.action = array('f', [value, 0, 0, 0, 0, 0, 0.7])
        message.header.stamp = self.node.get_clock().now().to_msg()
        self.teleop = message

    def twists(self) -> list[TwistStamped]:
        return self.received['servo_node/delta_twist_cmds']

    def stands(self) -> bool:
        return bool(self.twists()) and self.twists()[-1].twist == TwistStamped().twist

    def drives(self, source: int) -> bool:
        executed = self.received['executed_action']
        return bool(executed) and executed[-1].source == source

    def clear(self) -> None:
        for messages in self.received.values():
            messages.clear()


@pytest.fixture
def rig_of() -> Iterator[Callable[..., tuple[Rig, Process, Process]]]:
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=DOMAIN)
    processes: list[Process] = []
    rigs: list[Rig] = []

    def make(*parameters: str) -> tuple[Rig, Process, Process]:
        heartbeats = [p for p in parameters if p.startswith('heartbeats')]
        others = [p for p in parameters if p not in heartbeats]
        processes.extend((Process('arbiter_node', *others), Process('safety_node', *others[:1], *heartbeats)))
        rigs.append(Rig(context, 'lockstep:=true' in parameters))
        rigs[0].connected()
        return rigs[0], processes[0], processes[1]

    yield make
    for process in processes:
        process.kill()
    for rig in rigs:
        rig.executor.shutdown()
        rig.node.destroy_node()
    context.try_shutdown()


def test_faults_in_real_time(rig_of) -> None:
    rig, arbiter, safety = rig_of('lockstep:=false', 'blend_time:=0.0')

    # A policy that falls silent: its chunk runs out, the arm stands, grippers as they are.
    rig.episode()
    rig.drive()
    rig.clear()
    rig.until(rig.stands, 'zero twist after the chunk has run out')
    rig.until(lambda: rig.drives(Command.SOURCE_HOLD), 'recorded as nobody')
    rig.until(lambda: len(rig.received['gripper/command']) > 0, 'the gripper is told again')
    assert rig.received['gripper/command'][-1].opening[0] == pytest.approx(0.5)

    # NaN in a chunk: refused, and asked for again.
    rig.clear()
    rig.publish('policy/action_chunk', rig.chunk(float('nan'), rig.node.get_clock().now().to_msg()))
    rig.until(lambda: len(rig.received['policy/request']) > 0, 'a fresh chunk is asked for')
    rig.drive()

    # Takeover: the chunk is dropped, the operator's twist is the next that moves.
    rig.operator(-0.2, engaged=True)
    rig.until(lambda: rig.mode() == Intervention.MODE_CORRECTING, 'takeover')
    rig.until(lambda: rig.twists()[-1].twist.linear.x == pytest.approx(-0.2), "the operator's twist")
    assert rig.received['intervention'][-1].count == 1
    rig.until(lambda: rig.drives(Command.SOURCE_HUMAN), 'recorded as the operator')

    # NaN from the operator's device: never on the wire; his silence is a zero twist.
    rig.operator(float('nan'), engaged=True)
    rig.clear()
    rig.until(rig.stands, 'zero twist for a NaN input')

    # Release: asks for a chunk from an observation after the release, and takes no older one.
    rig.operator(-0.2, engaged=True)
    rig.until(lambda: rig.twists()[-1].twist.linear.x == pytest.approx(-0.2), 'input is good again')
    before_release = rig.node.get_clock().now().to_msg()
    rig.clear()
    rig.operator(0.0, engaged=False)
    rig.until(lambda: len(rig.received['policy/request']) > 0, 'a fresh chunk is asked for')
    request = rig.received['policy/request'][0].header.stamp
    assert (request.sec, request.nanosec) > (before_release.sec, before_release.nanosec)
    rig.publish('policy/action_chunk', rig.chunk(0.3, before_release))
    rig.drive(0.15)
    assert all(t.twist.linear.x != pytest.approx(0.3) for t in rig.twists())

    # Emergency stop: latched, and only reset when it is released and nobody asks for motion.
    rig.publish('e_stop', Bool(data=True))
    rig.until(lambda: rig.state() == SafetyStatus.STATE_E_STOP and rig.stands(), 'emergency stop')
    rig.until(lambda: rig.mode() == Intervention.MODE_HOLD, 'the arbiter holds')
    assert not call(rig).success
    rig.publish('e_stop', Bool(data=False))
    rig.until(lambda: call(rig).success, 'reset')
    rig.until(lambda: rig.mode() == Intervention.MODE_PAUSED, 'paused after a reset')

    # The arbiter dies: the safety node stands by itself.
    rig.idle()
    rig.episode()
    rig.drive()
    rig.clear()
    arbiter.kill()
    rig.until(lambda: rig.state() == SafetyStatus.STATE_STALE and rig.stands(), 'zero twist')
    rig.until(lambda: rig.drives(Command.SOURCE_HOLD), 'recorded as nobody')

    everything = [v for m in rig.twists() for v in (m.twist.linear.x, m.twist.angular.z)]
    assert np.isfinite(everything).all()
    rig.clear()
    assert safety.end() == 0
    rig.until(rig.stands, 'a last zero twist when the safety node ends')


def test_every_way_to_stop_and_the_one_way_back(rig_of) -> None:
    rig, *_ = rig_of('lockstep:=false', 'blend_time:=0.0', "heartbeats:=['pulse 2.0']")
    stop = rig.node.create_client(Trigger, 'safety_node/e_stop')
    rig.until(stop.service_is_ready, 'the stop service')
    pulse = rig.node.create_publisher(Header, 'pulse', 10)
    beat = rig.node.create_timer(0.05, lambda: pulse.publish(Header()))

    # The page's pad drives while another device lies still and says so; an unknown frame is not believed.
    rig.episode()
    rig.drive()
    rig.operator(-0.2, engaged=True, device='console')
    idle = Teleop(device='spacemouse', connected=True, action=array('f', [0.0] * 7))
    lies = rig.node.create_timer(0.02, lambda: rig.publish('teleop/command', idle))
    rig.until(lambda: rig.mode() == Intervention.MODE_CORRECTING, 'the pad takes over')
    rig.clear()
    rig.until(lambda: sum(t.twist.linear.x == pytest.approx(-0.2) for t in rig.twists()) > 20, 'twists go on')
    assert not any(m.mode == Intervention.MODE_AUTONOMOUS for m in rig.received['intervention'])
    rig.clear()
    rig.teleop.header.frame_id = 'tool0'
    rig.until(rig.stands, 'a twist in another frame moves nothing')
    assert {round(t.twist.linear.x, 3) for t in rig.twists()} <= {-0.2, 0.0}, 'a stop, not a ramp'
    rig.teleop.header.frame_id = 'base_link'
    lies.cancel()

    # The service stops; under a pushed pad it is not reset, and afterwards nothing moves by itself.
    rig.until(lambda: rig.twists()[-1].twist.linear.x != 0.0 or rig.mode() != Intervention.MODE_CORRECTING, 'drives')
    assert call(rig, stop).success
    rig.until(lambda: rig.state() == SafetyStatus.STATE_E_STOP and rig.stands(), 'stopped by the service')
    rig.until(lambda: 'asks for motion' in call(rig).message, 'no reset under a pushed pad')
    rig.operator(0.0, engaged=False, device='console')
    rig.until(lambda: call(rig).success, 'reset at rest')
    rig.until(lambda: rig.mode() == Intervention.MODE_PAUSED and rig.stands(), 'paused')

    # A heartbeat that the configuration names falls silent.
    beat.cancel()
    rig.until(lambda: rig.state() == SafetyStatus.STATE_E_STOP, 'stopped by the silence')
    assert "heartbeat 'pulse'" in rig.received['safety/status'][-1].text
    assert 'still asserted' in call(rig).message
    beat.reset()
    rig.until(lambda: call(rig).success, 'reset when it beats again')


def call(rig: Rig, client=None) -> Trigger.Response:
    future = (client or rig.reset).call_async(Trigger.Request())
    rig.until(future.done, 'the service answers')
    return future.result()


def test_lockstep_answers_every_tick_once_whatever_the_order(rig_of) -> None:
    rig, *_ = rig_of('lockstep:=true', 'replan_steps:=2')
    rig.sense(stamp_of(0))
    rig.episode()

    def answered(tick: int) -> bool:
        return any(m.header.stamp == stamp_of(tick) for m in rig.received['gripper/command'])

    for tick in range(6):
        human = tick == 3
        teleop = Teleop(device='test', connected=True, engaged=human, action=array('f', [-0.1, 0, 0, 0, 0, 0, 1]))
        teleop.header.stamp = stamp_of(tick)
        chunk = rig.chunk(0.01 * (tick + 1), stamp_of(tick))

        def say(tick: int = tick, teleop: Teleop = teleop) -> None:
            if tick % 2:
                rig.publish('teleop/command', teleop)
                rig.sense(stamp_of(tick))
            else:
                rig.sense(stamp_of(tick))
                rig.publish('teleop/command', teleop)

        say()
        if tick in (0, 2, 4):  # at the start, after two steps, and afresh after the takeover
            requests = rig.received['policy/request']
            rig.until(lambda requests=requests: len(requests) > 0, f'request of tick {tick}', say)
            assert not answered(tick)
            assert {r.header.stamp.nanosec for r in requests} == {stamp_of(tick).nanosec}
            requests.clear()
            rig.publish('policy/action_chunk', chunk)
        rig.until(lambda tick=tick: answered(tick), f'answer of tick {tick}', say)
        rig.received['policy/request'].clear()

    rig.until(lambda: len(rig.received['executed_action']) == 6, 'six executed actions')
    executed = rig.received['executed_action']
    assert [m.header.stamp for m in executed] == [stamp_of(tick) for tick in range(6)]
    assert [m.source for m in executed] == [0, 0, 0, 1, 0, 0]
    assert [m.chunk_step for m in executed] == [0, 1, 0, -1, 0, 1]
    assert [m.action[0] for m in executed] == pytest.approx([0.01, 0.01, 0.03, -0.1, 0.05, 0.05])

    # The cell did not hear the answer and says its tick again: same answer, executed once.
    rig.clear()
    rig.sense(stamp_of(5))
    rig.until(lambda: answered(5), 'the answer again', lambda: rig.sense(stamp_of(5)))
    assert not rig.received['executed_action']


def stamp_of(tick: int):
    from igrft.ros.messages import time_msg

    return time_msg(round(0.1 * (tick + 1), 9))


def usual(folder, threshold: float = 1.0) -> str:
    """A calibration by hand: draws that lie further apart than 0.5 call the operator."""
    made = Calibration(checkpoint='c1', task='block_stacking', alpha=0.1, threshold=threshold,
                       scales={'disagreement': 0.5}, episodes=9, scale_episodes=1)  # fmt: skip
    return str(made.save(folder))


def test_a_call_for_help_stops_the_arm_until_somebody_comes(rig_of, tmp_path) -> None:
    rig, *_ = rig_of('lockstep:=false', 'blend_time:=0.0', 'help_reaction:=wait')
    calls: list[HelpRequest] = []
    qos.create_subscription(rig.node, HelpRequest, 'help', calls.append, qos.LATCHED)
    events = qos.create_publisher(rig.node, TeleopEvent, 'teleop/event', qos.EVENT)
    help_node = Process('help_node', f'calibration:={usual(tmp_path)}', 'quiet:=0.0')
    try:
        rig.until(lambda: 'help_node' in rig.node.get_node_names(), 'help_node up')
        rig.until(lambda: rig.publishers['policy/action_chunk'].get_subscription_count() == 2, 'chunks heard')
        rig.until(lambda: events.get_subscription_count() >= 3, 'events heard')

        def answered(disagreement: float) -> None:
            requests = rig.received['policy/request']
            if requests:
                chunk = rig.chunk(0.1, requests.pop().header.stamp)
                chunk.disagreement, chunk.value = disagreement, float('nan')
                rig.publish('policy/action_chunk', chunk)

        def until(condition: Callable[[], bool], what: str, disagreement: float) -> None:
            def looked() -> bool:
                answered(disagreement)
                return condition()

            rig.until(looked, what)

        def requested() -> bool:
            return bool(calls) and calls[-1].requested

        rig.episode()
        until(lambda: any(t.twist.linear.x > 0.05 for t in rig.twists()) and bool(calls), 'the policy drives', 0.2)
        assert not requested() and calls[-1].threshold == 1.0
        assert calls[-1].score == pytest.approx(0.4)

        # The draws disagree: the operator is called, the arm stands.
        until(lambda: requested() and rig.mode() == Intervention.MODE_PAUSED, 'a call', 2.0)
        assert 'the draws disagree' in calls[-1].reason and calls[-1].score > 1.0
        assert 'waits for help' in rig.received['intervention'][-1].reason
        rig.clear()
        rig.until(rig.stands, 'the arm stands')

        # Somebody looks and says that it may go on.
        event = TeleopEvent(device='test', event='dismiss_help')
        event.header.stamp = rig.node.get_clock().now().to_msg()
        events.publish(event)
        rig.until(lambda: rig.mode() == Intervention.MODE_AUTONOMOUS and not requested(), 'it goes on')

        # It calls again; this time somebody takes over.
        until(lambda: requested() and rig.mode() == Intervention.MODE_PAUSED, 'another call', 2.0)
        rig.operator(-0.2, engaged=True)
        rig.until(lambda: rig.mode() == Intervention.MODE_CORRECTING and not requested(), 'taken over')
        assert calls[-1].reason == 'taken over' and rig.received['intervention'][-1].count == 1
        rig.operator(0.0, engaged=False)

        # Who calls may die: the policy drives on.
        help_node.kill()
        until(lambda: rig.drives(Command.SOURCE_POLICY), 'the policy drives', 0.2)
    finally:
        help_node.kill()


def test_without_a_calibration_nobody_is_called_and_the_remedy_is_told(rig_of, tmp_path) -> None:
    rig, *_ = rig_of('lockstep:=true', 'help_reaction:=slow')
    calls: list[HelpRequest] = []
    qos.create_subscription(rig.node, HelpRequest, 'help', calls.append, qos.LATCHED)
    help_node = Process('help_node', f'episodes_dir:={tmp_path}', 'lockstep:=true')
    try:
        rig.until(lambda: rig.publishers['policy/action_chunk'].get_subscription_count() == 2, 'chunks heard')
        rig.sense(stamp_of(0))
        rig.episode()
        teleop = Teleop(device='test', connected=True, action=array('f', [0.0] * 7))
        teleop.header.stamp = stamp_of(0)

        def say() -> None:
            rig.sense(stamp_of(0))
            rig.publish('teleop/command', teleop)
            if rig.received['policy/request']:
                rig.publish('policy/action_chunk', rig.chunk(0.1, stamp_of(0)))

        say()
        rig.until(lambda: rig.drives(Command.SOURCE_POLICY), 'the tick is answered once its chunk is judged', say)
        rig.until(lambda: bool(calls), 'the judgement', say)
        assert not calls[-1].requested and 'igrft calibrate-help' in calls[-1].reason
        assert f'{tmp_path}/checkpoints/c1/help-block_stacking.json' in calls[-1].reason
        assert calls[-1].header.stamp == stamp_of(0)
    finally:
        help_node.kill()
