# SPDX-License-Identifier: Apache-2.0
"""The graph's end towards a real arm, as processes over DDS, with doubles of the drivers and of MoveIt Servo behind it.

Safety node, state node, servo link and gripper node are the real ones; what the doubles copy, their docstrings say.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from array import array
from pathlib import Path

import numpy as np
import pytest
import rclpy
import yaml
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseStamped, TwistStamped
from moveit_msgs.srv import ServoCommandType
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool
from trajectory_msgs.msg import JointTrajectory

from igrft.config import RobotConfig, config_dir, named
from igrft.control.servo_status import MESSAGES, ServoCode
from igrft.ros import qos
from igrft.ros.asking import Repeated
from igrft_msgs.msg import Command, Intervention, SafetyStatus, ServoStatus
from igrft_sim.servo import Servo

ROBOT = named('robots', 'fr3', RobotConfig)
NODES = ('robot_state_node', 'servo_link_node', 'gripper_node', 'safety_node')
LIMIT = 60.0
"""[s] until something that must happen counts as not happening; far above what it takes"""
pytestmark = pytest.mark.timeout(200)


class Arm:
    """The processes, and in this one what stands upstream: a driver of twists, and ears."""

    def __init__(self, robot: Path) -> None:
        self.robot = robot
        self.processes: dict[str, subprocess.Popen] = {}
        for name in NODES:
            remap = ('-r', 'joint_states:=robot/joint_states') if name == 'safety_node' else ()
            self.start(f'igrft.nodes.{name}', *remap)
        self.start('igrft_sim.nodes.fake_driver_node', '-p', 'rate:=30.0')
        self.start('igrft_sim.nodes.fake_moveit_servo_node')
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node('upstream', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.statuses: list[ServoStatus] = []
        self.safety: list[SafetyStatus] = []
        self.poses: list[PoseStamped] = []
        self.joints: list[JointState] = []
        self.output_at = 0.0
        self.diagnostics: dict[str, DiagnosticStatus] = {}
        self.history: list[str] = []
        for kind, topic, keep, profile in (
            (ServoStatus, 'servo/status', self.statuses, qos.LATCHED),
            (SafetyStatus, 'safety/status', self.safety, qos.LATCHED),
            (PoseStamped, 'ee_pose', self.poses, qos.SENSOR),
            (JointState, 'robot/joint_states', self.joints, qos.SENSOR),
        ):
            qos.create_subscription(self.node, kind, topic, keep.append, profile)
        output = ROBOT.hardware.servo.output
        qos.create_subscription(self.node, JointTrajectory, output, self._on_output, qos.EVENT)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self.commands = qos.create_publisher(self.node, Command, 'command', qos.COMMAND)
        self.mode = qos.create_publisher(self.node, Intervention, 'intervention', qos.LATCHED)
        self.action: list[float] | None = None
        self.node.create_timer(0.04, self._command)

    def start(self, module: str, *arguments: str) -> None:
        name = module.rsplit('.', 1)[1]
        main = f'from {module} import main; raise SystemExit(main())'
        self.processes[name] = subprocess.Popen(
            [sys.executable, '-c', main, '--ros-args', '-p', f'robot:={self.robot}', *arguments]
        )

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def _on_output(self, message: JointTrajectory) -> None:
        self.output_at = time.monotonic()

    def quiet(self) -> bool:
        """No target has gone to the controller for a while."""
        return time.monotonic() - self.output_at > 0.3

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.diagnostics[status.name] = status
            self.history.append(status.message)

    def _command(self) -> None:
        if self.action is None:
            return
        message = Command(source=Command.SOURCE_HUMAN, chunk_step=-1, action=array('f', self.action))
        message.header.stamp = self.node.get_clock().now().to_msg()
        message.header.frame_id = ROBOT.base_frame
        self.commands.publish(message)

    def drive(self, *action: float) -> None:
        """Somebody drives with this action; without one, nobody does."""
        self.action = list(action) or None
        mode = Intervention.MODE_CORRECTING if action else Intervention.MODE_HOLD
        self.mode.publish(Intervention(mode=mode))

    def until(self, condition, what: str) -> None:
        deadline = time.monotonic() + LIMIT
        while not condition():
            assert time.monotonic() < deadline, f'waited {LIMIT:g} s for {what}; safety says: {self.safety[-1:]}'
            for name, process in self.processes.items():
                assert process.poll() is None, f'{name} ended with {process.returncode}'
            self.executor.spin_once(timeout_sec=0.05)

    def call(self, kind, service: str, request):
        client = self.node.create_client(kind, service)
        ask = Repeated(lambda: client.call_async(request), client.service_is_ready)
        self.until(lambda: ask.answer() is not None, f'the answer of {service}')
        answer = ask.answer()
        self.node.destroy_client(client)
        return answer

    def set(self, node: str, **values) -> None:
        parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        answer = self.call(SetParameters, f'{node}/set_parameters', SetParameters.Request(parameters=parameters))
        assert all(result.successful for result in answer.results), answer

    def code(self) -> int:
        return self.statuses[-1].code if self.statuses else 99

    def component(self, name: str) -> DiagnosticStatus:
        return self.diagnostics.get(name, DiagnosticStatus(level=b'\x09'))

    def position(self) -> np.ndarray:
        point = self.poses[-1].pose.position
        return np.array([point.x, point.y, point.z])

    def fresh_poses(self, count: int) -> None:
        """Wait for so many poses that are still to come."""
        before = len(self.poses)
        self.until(lambda: len(self.poses) >= before + count, f'{count} poses')

    def moves(self, what: str) -> np.ndarray:
        """Wait until the tool has moved by 1 cm; the way it went."""
        start = self.position()
        self.until(lambda: np.linalg.norm(self.position() - start) > 0.01, what)
        return self.position() - start

    def told(self, code: ServoCode, level: bytes) -> None:
        """The code is in `servo/status`, in the safety node's status in words, and in the diagnostics."""
        self.until(lambda: self.code() == code, f'{code.name} in servo/status')
        words = MESSAGES[code].split(';')[0]

        def safety_says() -> bool:
            status = self.safety[-1]
            said = 'servo:' not in status.text if code == ServoCode.NO_WARNING else words in status.text
            return status.servo_code == code and said

        self.until(safety_says, f'{code.name} in safety/status')
        self.until(
            lambda: (
                self.component('servo_link_node: servo').level == level
                and words in self.component('servo_link_node: servo').message
            ),
            f'{code.name} in the diagnostics',
        )

    def end(self) -> dict[str, int]:
        for process in self.processes.values():
            process.send_signal(signal.SIGINT)
        codes = {}
        for name, process in self.processes.items():
            try:
                codes[name] = process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                codes[name] = -9
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)
        return codes


@pytest.fixture(scope='module')
def running(tmp_path_factory):
    # The shipped robot at lower rates: the machine that tests this may be slow.
    data = yaml.safe_load((config_dir() / 'robots/fr3.yaml').read_text())
    data['hardware']['servo']['publish_period'] = 0.05
    file = tmp_path_factory.mktemp('robot') / 'fr3.yaml'
    file.write_text(yaml.safe_dump(data))
    arm = Arm(file)
    try:
        arm.until(lambda: arm.joints and arm.poses and arm.safety and arm.statuses, 'the graph')
        yield arm
    finally:
        codes = arm.end()
    assert set(codes.values()) == {0}, codes


@pytest.fixture
def arm(running):
    """Driving gently up and down is possible: the type is right, nothing is near, the arm near home."""
    if running.code() != ServoCode.NO_WARNING:  # Servo keeps its last code until the next command
        running.drive(*REST)
    running.until(lambda: running.code() == ServoCode.NO_WARNING, 'a Servo without warnings')
    running.drive()
    running.until(running.quiet, 'an arm at rest')
    yield running
    running.drive()
    running.set('servo_node', collision_scale=1.0)


REST = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
UP = (0.0, 0.0, 0.1, 0.0, 0.0, 0.0, 1.0)
DOWN = (0.0, 0.0, -0.1, 0.0, 0.0, 0.0, 1.0)


def test_joints_and_tool_come_with_one_stamp_and_agree(arm) -> None:
    stamps = {}
    arm.joints.clear()
    arm.poses.clear()

    def pair():
        stamps.update({str(m.header.stamp): m for m in arm.joints})
        return next(((stamps[str(p.header.stamp)], p) for p in arm.poses if str(p.header.stamp) in stamps), None)

    arm.until(lambda: pair() is not None, 'joints and tool of one stamp')
    joints, pose = pair()
    assert list(joints.name) == [*ROBOT.joints, 'gripper'] and joints.position[-1] == pytest.approx(1.0)
    assert pose.header.frame_id == ROBOT.base_frame
    expected = Servo().forward(list(joints.position)[:7])
    point, q = pose.pose.position, pose.pose.orientation
    np.testing.assert_allclose([point.x, point.y, point.z], expected[:3], atol=1e-6)
    assert abs(float(np.array([q.w, q.x, q.y, q.z]) @ expected[3:])) == pytest.approx(1.0, abs=1e-6)
    arm.until(lambda: arm.component('robot_state_node: joint limits').message == 'within', 'the joint limits')


def test_a_twist_moves_the_arm_as_it_says(arm) -> None:
    arm.drive(*UP)
    way = arm.moves('the arm goes up')
    assert way[2] > 0.9 * np.linalg.norm(way)
    arm.drive(*DOWN)
    assert arm.moves('the arm goes down')[2] < 0
    assert arm.code() == ServoCode.NO_WARNING


def test_silence_halts_the_arm(arm) -> None:
    """Safety says zero, then nothing; Servo lets the twist grow stale and says nothing more to the controller."""
    arm.drive(*UP)
    arm.moves('the arm goes up')
    arm.action = None
    arm.until(lambda: arm.safety[-1].state == SafetyStatus.STATE_STALE, 'stale')
    arm.until(arm.quiet, 'no more targets')
    height = arm.position()[2]
    arm.fresh_poses(25)
    assert arm.position()[2] == pytest.approx(height, abs=1e-3), 'it stands where it was halted'


def test_a_collision_slows_then_halts_and_is_told(arm) -> None:
    arm.drive(*UP)
    arm.set('servo_node', collision_scale=0.5)
    arm.told(ServoCode.DECELERATE_FOR_COLLISION, DiagnosticStatus.WARN)
    arm.set('servo_node', collision_scale=0.0)
    arm.told(ServoCode.HALT_FOR_COLLISION, DiagnosticStatus.ERROR)
    arm.until(
        lambda: arm.component('safety_node: safety').level == DiagnosticStatus.ERROR, "the safety node's diagnostics"
    )
    arm.set('servo_node', collision_scale=1.0)
    arm.told(ServoCode.NO_WARNING, DiagnosticStatus.OK)
    assert arm.moves('the arm goes on')[2] > 0


def test_a_singularity_slows_then_halts_then_lets_go(arm) -> None:
    arm.statuses.clear()
    arm.drive(0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    arm.told(ServoCode.HALT_FOR_SINGULARITY, DiagnosticStatus.ERROR)
    assert ServoCode.DECELERATE_FOR_APPROACHING_SINGULARITY in {message.code for message in arm.statuses}
    arm.drive(-0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    arm.until(lambda: arm.code() == ServoCode.DECELERATE_FOR_LEAVING_SINGULARITY, 'leaving')
    arm.told(ServoCode.NO_WARNING, DiagnosticStatus.OK)
    arm.until(lambda: arm.position()[0] < 0.45, 'back')


@pytest.mark.parametrize(('frame', 'speed'), [('camera', 0.1), (ROBOT.base_frame, float('nan'))])
def test_an_invalid_twist_is_told_and_moves_nothing(arm, frame: str, speed: float) -> None:
    """The safety node lets none through; somebody else may publish on its topic."""
    publisher = qos.create_publisher(arm.node, TwistStamped, 'servo_node/delta_twist_cmds', qos.COMMAND)
    message = TwistStamped()
    message.header.frame_id, message.twist.linear.z = frame, speed
    arm.until(lambda: publisher.get_subscription_count() == 1, 'Servo')
    start = arm.position()

    def publish() -> None:
        message.header.stamp = arm.node.get_clock().now().to_msg()
        publisher.publish(message)

    # the publisher knows of Servo's subscription before Servo knows of the publisher: a single message may be lost
    timer = arm.node.create_timer(0.1, publish)
    arm.told(ServoCode.INVALID, DiagnosticStatus.ERROR)
    arm.node.destroy_timer(timer)
    arm.fresh_poses(25)
    assert np.linalg.norm(arm.position() - start) < 1e-3
    arm.node.destroy_publisher(publisher)
    arm.drive(*REST)
    arm.told(ServoCode.NO_WARNING, DiagnosticStatus.OK)


def test_a_wrong_command_type_is_put_right(arm) -> None:
    arm.drive(*DOWN)
    arm.moves('the arm goes down')
    wrong = ServoCommandType.Request(command_type=ServoCommandType.Request.POSE)
    assert arm.call(ServoCommandType, 'servo_node/switch_command_type', wrong).success
    arm.drive(*UP)
    arm.moves('the arm goes up again')


def test_a_pause_that_somebody_forgot_is_told_and_lifted(arm) -> None:
    assert arm.call(SetBool, 'servo_node/pause_servo', SetBool.Request(data=True)).success
    arm.history.clear()
    arm.drive(*DOWN)
    arm.until(lambda: any('publishes no status: it is paused' in text for text in arm.history), 'paused')
    arm.moves('the arm goes down')
    assert arm.code() == ServoCode.NO_WARNING


def test_a_servo_that_dies_is_told_and_one_that_comes_back_is_used(arm) -> None:
    arm.kill('fake_moveit_servo_node')
    arm.until(lambda: arm.code() == ServoCode.UNAVAILABLE and 'not there' in arm.statuses[-1].message, 'gone')
    arm.until(lambda: 'not there' in arm.safety[-1].text, 'gone, says the safety node')
    arm.start('igrft_sim.nodes.fake_moveit_servo_node')
    arm.drive(*UP)
    assert arm.moves('the arm goes up')[2] > 0
    assert arm.code() == ServoCode.NO_WARNING


def test_the_gripper_closes_on_an_object_and_opens(arm) -> None:
    def opening() -> float:
        return arm.joints[-1].position[-1]

    arm.set('fake_driver_node', object_width=0.4)
    arm.drive(*REST[:6], 0.0)
    arm.until(lambda: opening() == pytest.approx(0.4, abs=0.01), 'closed on the object')
    arm.until(lambda: 'holds something' in arm.component('gripper_node: gripper').message, 'held, in the diagnostics')
    arm.set('fake_driver_node', object_width=0.0, refuse_goals=True)
    arm.drive(*REST)
    arm.until(lambda: arm.component('gripper_node: gripper').level == DiagnosticStatus.ERROR, 'a refused goal')
    arm.set('fake_driver_node', refuse_goals=False)
    arm.until(lambda: opening() == pytest.approx(1.0, abs=0.01), 'open again')
    arm.until(lambda: arm.component('gripper_node: gripper').level == DiagnosticStatus.OK, 'well again')
    assert 'holds something' not in arm.component('gripper_node: gripper').message


def test_a_joint_bound_is_told_and_left_again(arm) -> None:
    turn = 0.8
    arm.drive(0.0, 0.0, 0.0, 0.0, 0.0, turn, 1.0)
    arm.told(ServoCode.JOINT_BOUND, DiagnosticStatus.WARN)
    arm.drive(0.0, 0.0, 0.0, 0.0, 0.0, -turn, 1.0)
    arm.told(ServoCode.NO_WARNING, DiagnosticStatus.OK)
    arm.until(lambda: abs(arm.joints[-1].position[6] - ROBOT.poses['home'][6]) < 0.1, 'back')
    assert arm.code() == ServoCode.NO_WARNING


def test_a_lost_driver_stops_the_arm(arm) -> None:
    """No tool pose: the workspace cannot be kept, so nothing moves. Last, for the driver starts afresh."""
    arm.drive(*UP)
    arm.kill('fake_driver_node')
    arm.until(lambda: arm.safety[-1].state == SafetyStatus.STATE_INVALID, 'commands are refused')
    assert 'the tool position is not known' in arm.safety[-1].text
    arm.until(
        lambda: 'is its driver running' in arm.component('robot_state_node: state').message, 'the state node says why'
    )
    arm.start('igrft_sim.nodes.fake_driver_node', '-p', 'rate:=30.0')
    moving = (SafetyStatus.STATE_OK, SafetyStatus.STATE_LIMITED)
    arm.until(lambda: arm.safety[-1].state in moving, 'commands are taken again')
    arm.drive(*DOWN)
    arm.moves('the arm goes down')
