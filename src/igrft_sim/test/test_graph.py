# SPDX-License-Identifier: Apache-2.0
"""Cell, servo and operator as processes in lock-step do what the environment does in process, step by step."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('igrft_msgs')

from builtin_interfaces.msg import Time  # noqa: E402
from geometry_msgs.msg import PoseStamped, TwistStamped  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image, JointState  # noqa: E402

from igrft.ros import qos  # noqa: E402
from igrft.ros.asking import Repeated  # noqa: E402
from igrft.ros.messages import nanoseconds_of, twist_msg  # noqa: E402
from igrft.types import Kind  # noqa: E402
from igrft_msgs.msg import (  # noqa: E402
    EpisodeStatus,
    GripperCommand,
    HelpRequest,
    ServoStatus,
    SubtaskMark,
    TaskState,
    Teleop,
    TeleopEvent,
)
from igrft_msgs.srv import ResetCell, StopEpisode  # noqa: E402
from igrft_sim.cell import Cell  # noqa: E402
from igrft_sim.env import CellEnv  # noqa: E402
from igrft_sim.operator import Habits, Operator  # noqa: E402
from igrft_sim.tasks import make_task  # noqa: E402

NODES = ('sim_node', 'sim_servo_node', 'operator_node')
LIMIT = 60.0


class StandIn(Node):
    """Arbiter, safety and episode manager in a few lines: the operator's action goes through as it is."""

    def __init__(self, context, namespace):
        super().__init__('stand_in', context=context, namespace=namespace)
        self.joints, self.actions, self.images = {}, {}, {}
        self.marks, self.states = [], {}
        self.stop_request = None
        self.pending = None
        self.status = EpisodeStatus(state=EpisodeStatus.STATE_IDLE)
        self.to_servo = qos.create_publisher(self, TwistStamped, 'servo_node/delta_twist_cmds', qos.COMMAND)
        self.to_gripper = qos.create_publisher(self, GripperCommand, 'gripper/command', qos.COMMAND)
        self.to_all = qos.create_publisher(self, EpisodeStatus, 'episode/status', qos.LATCHED)
        qos.create_subscription(self, Teleop, 'teleop/command', self.on_teleop, qos.COMMAND)
        qos.create_subscription(self, JointState, 'joint_states', self.on_joints, qos.SENSOR)
        qos.create_subscription(self, TaskState, 'task_state', self.on_state, qos.EVENT)
        qos.create_subscription(self, SubtaskMark, 'subtask_mark', self.marks.append, qos.EVENT)
        qos.create_subscription(self, Image, 'camera/front/image_raw', self.on_image, qos.IMAGE)
        self.reset = self.create_client(ResetCell, 'reset')
        self.create_service(StopEpisode, 'episode/stop', self.on_stop)

    def record(self, kind, seed, task='block_stacking'):
        self.joints.clear(), self.actions.clear(), self.images.clear(), self.states.clear()
        self.status = EpisodeStatus(
            state=EpisodeStatus.STATE_RECORDING,
            episode_id=f'{kind.value}-{seed}',
            task=task,
            kind=kind.value,
            seed=seed,
        )
        self.to_all.publish(self.status)

    def idle(self):
        self.status = EpisodeStatus(state=EpisodeStatus.STATE_IDLE)
        self.to_all.publish(self.status)

    def on_joints(self, message):
        if self.status.state == EpisodeStatus.STATE_RECORDING:
            self.joints[nanoseconds_of(message.header.stamp)] = list(message.position)

    def on_state(self, message):
        self.states[nanoseconds_of(message.header.stamp)] = message

    def on_image(self, message):
        self.images[nanoseconds_of(message.header.stamp)] = zlib.crc32(bytes(message.data))

    def on_teleop(self, message):
        if self.status.state != EpisodeStatus.STATE_RECORDING:
            return
        stamp = message.header.stamp
        action = np.array(message.action, np.float32)
        self.actions[nanoseconds_of(stamp)] = action
        self.to_gripper.publish(GripperCommand(header=message.header, opening=np.array(action[6:], np.float32)))
        self.to_servo.publish(twist_msg(action[:6], stamp, 'base_link'))

    def on_stop(self, request, response):
        self.stop_request = request
        response.success = True
        return response


class TwoArmStandIn(StandIn):
    """The same for two arms."""

    def __init__(self, context, namespace):
        super().__init__(context, namespace)
        self.to_servos = [
            qos.create_publisher(self, TwistStamped, f'{arm}/servo_node/delta_twist_cmds', qos.COMMAND)
            for arm in ('left', 'right')
        ]

    def on_teleop(self, message):
        if self.status.state != EpisodeStatus.STATE_RECORDING:
            return
        stamp = message.header.stamp
        action = np.array(message.action, np.float32).reshape(2, 7)
        self.actions[nanoseconds_of(stamp)] = action.ravel()
        self.to_gripper.publish(GripperCommand(header=message.header, opening=action[:, 6].copy()))
        for publisher, twist in zip(self.to_servos, action[:, :6], strict=True):
            publisher.publish(twist_msg(twist, stamp, 'base_link'))

    def discovered(self):
        return (
            self.reset.service_is_ready()
            and all(publisher.get_subscription_count() >= 1 for publisher in self.to_servos)
            and self.to_gripper.get_subscription_count() >= 1
            and self.to_all.get_subscription_count() >= 2
            and self.count_publishers('teleop/command') >= 1
            and all(self.count_publishers(f'{arm}/joint_command') >= 1 for arm in ('left', 'right'))
        )


class Graph:
    """The nodes as processes, and the stand-in in this one; a node's own parameters may follow its name."""

    def __init__(self, *parameters, nodes=NODES, stand_in=StandIn):
        self.namespace = f'/t{os.getpid()}_{time.monotonic_ns() % 10**9}'
        ros = ['--ros-args', '-r', f'__ns:={self.namespace}', '-r', '/clock:=clock', '-p', 'use_sim_time:=true']
        for parameter in parameters:
            ros += ['-p', parameter]
        commands = [node.split() for node in nodes]
        self.processes = [
            subprocess.Popen([sys.executable, '-m', f'igrft_sim.nodes.{name}', *ros, *own]) for name, *own in commands
        ]
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = stand_in(self.context, self.namespace)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def until(self, condition, what):
        deadline = time.monotonic() + LIMIT
        while not condition():
            assert time.monotonic() < deadline, f'waited {LIMIT:g} s for {what}'
            for process in self.processes:
                assert process.poll() is None, f'{process.args} ended with {process.returncode}'
            self.executor.spin_once(timeout_sec=0.1)

    def discovered(self):
        """Every end of the chain sees its peer."""
        node = self.node
        return (
            node.reset.service_is_ready()
            and node.to_servo.get_subscription_count() >= 1
            and node.to_gripper.get_subscription_count() >= 1
            and node.to_all.get_subscription_count() >= 2
            and node.count_publishers('teleop/command') >= 1
            and node.count_publishers('joint_command') >= 1
        )

    def call_reset(self, **request):
        message = ResetCell.Request(**request)
        ask = Repeated(lambda: self.node.reset.call_async(message), self.node.reset.service_is_ready)
        self.until(lambda: ask.answer() is not None, 'the reset')
        return ask.answer()

    def end(self):
        """SIGINT to all; the exit codes."""
        for process in self.processes:
            process.send_signal(signal.SIGINT)
        try:
            return [process.wait(timeout=10) for process in self.processes]
        finally:
            for process in self.processes:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            self.executor.shutdown()
            self.node.destroy_node()
            rclpy.try_shutdown(context=self.context)


@pytest.fixture(scope='module')
def graph():
    graph = Graph('lockstep:=true')
    graph.until(graph.discovered, 'the nodes')
    yield graph
    assert graph.end() == [0, 0, 0]


@pytest.mark.parametrize('seed', [3, 4])
def test_demonstration_equals_the_environment_in_process(graph, seed):
    node = graph.node
    answer = graph.call_reset(task='block_stacking', seed=seed, split='in')
    assert answer.success and 'red' in answer.instruction
    node.stop_request = None
    node.marks.clear()
    node.record(Kind.DEMONSTRATION, seed)
    graph.until(lambda: node.stop_request is not None, 'the label')
    node.idle()

    stop = nanoseconds_of(node.stop_request.stamp)
    stamps = [stamp for stamp in sorted(node.actions) if stamp <= stop]
    assert node.stop_request.outcome == 'success'
    assert np.all(np.diff(stamps) == 10**8), 'a policy step a tick'
    assert [mark.name for mark in node.marks] == list(make_task('block_stacking').subtasks)

    env = CellEnv(Cell(make_task('block_stacking'), image_size=128))
    observation = env.reset(seed)
    operator = Operator(env.cell.task, Kind.DEMONSTRATION, seed)
    for stamp in stamps:
        decision = operator.tick(env.cell.task_state(), env.cell.tools, env.cell.openings)
        np.testing.assert_array_equal(node.actions[stamp], decision.action)
        if stamp in node.joints:  # best effort: a sample may be missed here
            np.testing.assert_array_equal(node.joints[stamp][:7], env.cell.joint_positions)
        if stamp in node.images:
            assert node.images[stamp] == zlib.crc32(observation.images['front'].tobytes())
        assert list(node.states[stamp].subtasks) == list(env.cell.task_state().subtasks)
        assert (decision.outcome is not None) == (stamp == stop)
        observation, _ = env.step(decision.action)
    env.cell.close()
    assert len(node.images) > len(stamps) // 2


def test_outside_an_episode_the_cell_stands_still_and_repeats_its_tick(graph):
    graph.call_reset(task='block_stacking', seed=5, split='in')
    received = []
    subscription = qos.create_subscription(graph.node, TaskState, 'task_state', received.append, qos.EVENT)
    graph.until(lambda: len(received) >= 4, 'repetitions')
    graph.node.destroy_subscription(subscription)
    assert len({nanoseconds_of(message.header.stamp) for message in received}) == 1
    assert all(message == received[0] for message in received)


def test_reset_names_the_nearest_task_and_split(graph):
    answer = graph.call_reset(task='block_staking', seed=1, split='in')
    assert not answer.success and 'block_stacking' in answer.message
    answer = graph.call_reset(task='block_stacking', seed=1, split='heldout')
    assert not answer.success and 'held_out' in answer.message
    answer = graph.call_reset(task='sort_hand_over', seed=1, split='in')
    assert not answer.success and 'sim_dual' in answer.message


def test_operator_never_drives_in_an_evaluation(graph):
    node = graph.node
    assert graph.call_reset(task='block_stacking', seed=6, split='held_out').success
    engaged = []
    subscription = qos.create_subscription(
        node, Teleop, 'teleop/command', lambda message: engaged.append(message.engaged), qos.COMMAND
    )
    node.record(Kind.EVALUATION, 6)
    graph.until(lambda: len(engaged) >= 40, 'forty ticks')
    node.idle()
    node.destroy_subscription(subscription)
    assert not any(engaged)
    assert {state.split for state in node.states.values()} == {'held_out'}


def test_operator_takes_over_when_nothing_happens(graph):
    """Nobody drives at first (the stand-in sends the still action), so the operator loses patience."""
    node = graph.node
    assert graph.call_reset(task='block_stacking', seed=7, split='in').success
    engaged = []
    subscription = qos.create_subscription(
        node, Teleop, 'teleop/command', lambda message: engaged.append(message.engaged), qos.COMMAND
    )
    node.stop_request = None
    node.record(Kind.CORRECTION, 7)
    graph.until(lambda: node.stop_request is not None, 'the label')
    node.idle()
    node.destroy_subscription(subscription)
    assert not any(engaged[:20]) and any(engaged)
    assert node.stop_request.outcome == 'success'
    assert node.stop_request.stamp != Time()


def test_operator_elsewhere_comes_when_called_as_in_process():
    """The call is heard late; when the operator comes follows from its stamp. Nobody else acts."""
    seed, habits = 7, Habits(protocol='called', coming=6, patience=5, reaction=1)
    own = 'protocol:=called -p coming:=0.6 -p patience:=0.5 -p reaction_delay:=0.1'
    graph = Graph('lockstep:=true', nodes=('sim_node', 'sim_servo_node', f'operator_node -p {own}'))
    node = graph.node
    events, engaged, first = [], {}, []
    qos.create_subscription(node, TeleopEvent, 'teleop/event', events.append, qos.EVENT)
    to_operator = qos.create_publisher(node, HelpRequest, 'help', qos.LATCHED)

    def on_teleop(message):
        stamp = nanoseconds_of(message.header.stamp)
        engaged[stamp] = message.engaged
        first.append(stamp)
        if stamp == first[0] + 4 * 10**8:  # about tick 2, told in tick 4
            call = HelpRequest(requested=True, score=2.0, threshold=1.0, reason='the value stands still')
            call.header.stamp = Time(sec=(stamp - 2 * 10**8) // 10**9, nanosec=(stamp - 2 * 10**8) % 10**9)
            to_operator.publish(call)

    qos.create_subscription(node, Teleop, 'teleop/command', on_teleop, qos.EVENT)
    try:
        graph.until(graph.discovered, 'the nodes')
        graph.until(lambda: to_operator.get_subscription_count() == 1, 'the operator listens')
        assert graph.call_reset(task='block_stacking', seed=seed, split='in').success
        node.record(Kind.CORRECTION, seed)
        graph.until(lambda: any(engaged.values()) and not engaged[max(engaged)], 'a correction')
        node.idle()
    finally:
        assert graph.end() == [0, 0, 0]

    env = CellEnv(Cell(make_task('block_stacking'), cameras=()))
    env.reset(seed)
    operator = Operator(env.cell.task, Kind.CORRECTION, seed, habits)
    stamps = sorted(node.actions)
    last = next(stamp for stamp in stamps if not engaged[stamp] and any(engaged[s] for s in stamps if s < stamp))
    dismissed = []
    for tick, stamp in enumerate(stamps[: stamps.index(last) + 1]):
        call = tick - 2 if tick >= 5 else None
        decision = operator.tick(env.cell.task_state(), env.cell.tools, env.cell.openings, call)
        np.testing.assert_array_equal(node.actions[stamp], decision.action)
        assert decision.engaged == engaged[stamp]
        dismissed += [stamp] if decision.dismisses else []
        env.act(decision.action)
    assert [event.event for event in events] == ['dismiss_help']
    assert [nanoseconds_of(event.header.stamp) for event in events] == dismissed == [stamps[8]]


TWO_ARMS = (
    'sim_node',
    'sim_servo_node -p arm:=left -r __node:=sim_servo_node_left',
    'sim_servo_node -p arm:=right -r __node:=sim_servo_node_right',
    'operator_node',
)


def test_two_arms_in_lock_step_do_what_the_environment_does_in_process():
    task, seed = 'sort_hand_over', 3
    graph = Graph('lockstep:=true', 'robot:=sim_dual', f'task:={task}', nodes=TWO_ARMS, stand_in=TwoArmStandIn)
    node = graph.node
    try:
        graph.until(node.discovered, 'the nodes')
        assert graph.call_reset(task=task, seed=seed, split='in').success
        node.record(Kind.DEMONSTRATION, seed, task)
        graph.until(lambda: node.stop_request is not None, 'the label')
        node.idle()
        refused = graph.call_reset(task='block_stacking', seed=seed, split='in')
        assert not refused.success and 'block_stacking' in refused.message
    finally:
        ends = graph.end()
    assert ends == [0, 0, 0, 0]

    stop = nanoseconds_of(node.stop_request.stamp)
    assert node.stop_request.outcome == 'success'
    assert [mark.name for mark in node.marks] == list(make_task(task).subtasks)
    env = CellEnv(Cell(make_task(task), cameras=()))
    env.reset(seed)
    operator = Operator(env.cell.task, Kind.DEMONSTRATION, seed)
    for stamp in (stamp for stamp in sorted(node.actions) if stamp <= stop):
        decision = operator.tick(env.cell.task_state(), env.cell.tools, env.cell.openings)
        np.testing.assert_array_equal(node.actions[stamp], decision.action)
        if stamp in node.joints:
            np.testing.assert_array_equal(node.joints[stamp][:14], env.cell.joint_positions)
            np.testing.assert_array_equal(node.joints[stamp][14:], env.cell.openings)
        env.act(decision.action)
    assert len(node.joints) > 20


class Hand:
    """Commands the servo in real time, and watches what comes of it."""

    def __init__(self, graph):
        self.graph, node = graph, graph.node
        self.heights, self.codes, self.clocks, self.infos, self.masks = [], [], [], [], []
        self.twist = None
        self.watched = [
            qos.create_subscription(node, *what)
            for what in (
                (PoseStamped, 'ee_pose', lambda m: self.heights.append(m.pose.position.z), qos.SENSOR),
                (ServoStatus, 'servo/status', lambda m: self.codes.append(m.code), qos.LATCHED),
                (CameraInfo, 'camera/front/camera_info', self.infos.append, qos.SENSOR),
                (Image, 'camera/front/robot_mask', self.masks.append, qos.IMAGE),
            )
        ]
        self.clock = node.create_subscription(Clock, 'clock', lambda m: self.clocks.append(m.clock), 10)
        self.timer = node.create_timer(0.02, self.push)

    def push(self):
        if self.twist is not None:
            stamp = self.clocks[-1] if self.clocks else Time()
            self.graph.node.to_servo.publish(twist_msg(self.twist, stamp, 'base_link'))

    def still(self):
        """The last second of the cell's time saw no motion."""
        return len(self.heights) > 50 and np.ptp(self.heights[-50:]) < 1e-5


@pytest.fixture(scope='module')
def running():
    graph = Graph('sim_node:rtf:=2.0', nodes=NODES[:2])
    node = graph.node
    graph.until(
        lambda: node.to_servo.get_subscription_count() >= 1 and node.count_publishers('joint_command') >= 1,
        'the nodes',
    )
    hand = Hand(graph)
    graph.until(lambda: hand.heights and hand.clocks, 'the cell')
    yield hand
    assert graph.end() == [0] * len(graph.processes)


def test_in_real_time_the_arm_follows_a_twist_and_halts_when_it_stops_coming(running):
    graph = running.graph
    running.heights.clear()
    graph.until(running.still, 'an arm that holds without any command')
    before = running.heights[-1]
    running.twist = np.array([0, 0, 0.05, 0, 0, 0])
    graph.until(lambda: running.heights[-1] > before + 0.03, 'motion')
    assert running.codes[-1] == ServoStatus.NO_WARNING
    running.twist = None
    running.heights.clear()
    graph.until(running.still, 'the halt')
    assert running.heights[-1] < before + 0.2


def test_a_twist_that_is_no_number_moves_nothing_and_is_named(running):
    graph = running.graph
    graph.until(running.still, 'rest')
    before = running.heights[-1]
    running.twist = np.array([0, 0, np.nan, 0, 0, 0])
    graph.until(lambda: running.codes[-1] == ServoStatus.INVALID, 'the code')
    running.heights.clear()
    graph.until(lambda: len(running.heights) > 100, 'two seconds')
    assert np.abs(np.array(running.heights) - before).max() < 1e-4
    running.twist = np.zeros(6)
    graph.until(lambda: running.codes[-1] == ServoStatus.NO_WARNING, 'the code')
    running.twist = None


def test_clock_camera_info_and_mask(running):
    running.graph.until(lambda: len(running.infos) > 1 and len(running.masks) > 1, 'the camera')
    stamps = [nanoseconds_of(stamp) for stamp in running.clocks]
    steps = np.diff(stamps)
    assert steps.min() == 20_000_000 and not (steps % 20_000_000).any(), 'a control period a tick'
    info, mask = running.infos[-1], running.masks[-1]
    assert (info.width, info.height) == (mask.width, mask.height) == (128, 128)
    assert info.k[0] == info.k[4] == pytest.approx(64 / np.tan(np.radians(31) / 2))
    assert mask.encoding == 'mono8' and set(bytes(mask.data)) == {0, 255}


def test_reset_puts_the_arm_back_and_it_stays_there(running):
    graph = running.graph
    running.twist = np.array([0, 0, 0.05, 0, 0, 0])
    graph.until(lambda: len(running.heights) > 50, 'a while')
    assert graph.call_reset(task='', seed=3, split='').success
    running.twist = np.zeros(6)
    running.heights.clear()
    graph.until(running.still, 'rest')
    expected = Cell(make_task('block_stacking'), cameras=(), seed=3).tools[0, 2]
    running.twist = None
    assert running.heights[-1] == pytest.approx(expected, abs=0.01)


def test_without_a_servo_the_cell_holds(running):
    """Last test of the group: it takes the servo away."""
    graph = running.graph
    running.twist = np.array([0, 0, 0.05, 0, 0, 0])
    graph.until(lambda: not running.still(), 'motion')
    servo = graph.processes.pop(1)
    servo.kill()
    servo.wait()
    running.heights.clear()
    graph.until(running.still, 'a held arm')
    assert running.still()
