# SPDX-License-Identifier: Apache-2.0
"""The real MoveIt Servo and MoveItPy on the UR driver's mock hardware; the image's stage `test` has what it needs."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest
import rclpy
from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from geometry_msgs.msg import PoseStamped
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool

from igrft.config import RobotConfig, named
from igrft.ros import qos
from igrft_msgs.action import MoveTo
from igrft_msgs.msg import Command, Intervention, ServoStatus

NEEDED = ('moveit_servo', 'moveit_py', 'ur_robot_driver', 'ur_moveit_config', 'controller_manager')
LAUNCH = Path(__file__).parent / 'launch/real_servo.launch.py'
ROBOT = named('robots', 'ur5e', RobotConfig)
PATIENCE = 120.0
"""[s] until something that must happen counts as not happening: MoveIt loads for a while."""


def missing() -> list[str]:
    """Which of the packages are not installed."""
    found = []
    for package in NEEDED:
        try:
            get_package_prefix(package)
        except PackageNotFoundError:
            found.append(package)
    return found


pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        bool(missing()),
        reason=f'not installed here: {", ".join(missing())}; docker build -f docker/Dockerfile --target test runs this',
    ),
]


class Rig:
    """The launch, and what stands upstream of the safety node. The mock has no gripper: its joint comes from here."""

    def __init__(self) -> None:
        self.launch = subprocess.Popen(['ros2', 'launch', str(LAUNCH), 'use_fake_hardware:=true', 'teleop:=none'])
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=int(os.environ['ROS_DOMAIN_ID']))
        self.node = rclpy.create_node('rig', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.poses: list[PoseStamped] = []
        self.statuses: list[ServoStatus] = []
        qos.create_subscription(self.node, PoseStamped, 'ee_pose', self.poses.append, qos.SENSOR)
        qos.create_subscription(self.node, ServoStatus, 'servo/status', self.statuses.append, qos.LATCHED)
        self.command = qos.create_publisher(self.node, Command, 'command', qos.COMMAND)
        self.mode = qos.create_publisher(self.node, Intervention, 'intervention', qos.LATCHED)
        self.gripper = qos.create_publisher(self.node, JointState, '/gripper/joint_states', qos.SENSOR)
        self.move = ActionClient(self.node, MoveTo, 'arm_node/move_to')
        self.action: list[float] | None = None
        self.node.create_timer(0.02, self._tick)

    def _tick(self) -> None:
        stamp = self.node.get_clock().now().to_msg()
        joints = JointState(name=['robotiq_85_left_knuckle_joint'], position=[0.0])
        joints.header.stamp = stamp
        self.gripper.publish(joints)
        if self.action is not None:
            message = Command(source=Command.SOURCE_HUMAN, chunk_step=-1, action=array('f', self.action))
            message.header.stamp, message.header.frame_id = stamp, ROBOT.base_frame
            self.command.publish(message)

    def until(self, condition, what: str) -> None:  # type: ignore[no-untyped-def]
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f'never happened: {what}; servo says {self.statuses[-1:]}'
            assert self.launch.poll() is None, 'the launch ended'
            self.executor.spin_once(timeout_sec=0.05)

    def go_home(self) -> MoveTo.Result:
        self.until(self.move.server_is_ready, 'arm_node')
        goal = self.move.send_goal_async(MoveTo.Goal(pose='home'))
        self.until(goal.done, 'an answer to the goal')
        assert goal.result().accepted
        result = goal.result().get_result_async()
        self.until(result.done, 'the end of the motion')
        return result.result().result


@pytest.fixture(scope='module')
def rig() -> Iterator[Rig]:
    rig = Rig()
    try:
        rig.until(lambda: rig.poses and rig.statuses and rig.statuses[-1].code == ServoStatus.NO_WARNING, 'Servo')
        yield rig
    finally:
        rig.launch.send_signal(signal.SIGINT)
        try:
            rig.launch.wait(30)
        except subprocess.TimeoutExpired:
            rig.launch.kill()
        rig.executor.shutdown()
        rig.node.destroy_node()
        rclpy.try_shutdown(context=rig.context)


def test_a_planned_motion_goes_home(rig: Rig) -> None:
    assert rig.go_home().success
    height = rig.poses[-1].pose.position.z
    assert height == pytest.approx(0.488, abs=0.02), 'the flange is where the kinematics of a UR5e put it'


def test_servo_follows_a_twist_and_a_planned_motion_undoes_it(rig: Rig) -> None:
    assert rig.go_home().success
    start = rig.poses[-1].pose.position.z
    rig.mode.publish(Intervention(mode=Intervention.MODE_CORRECTING))
    rig.action = [0.0, 0.0, -0.05, 0.0, 0.0, 0.0, 1.0]
    rig.until(lambda: rig.poses[-1].pose.position.z < start - 0.03, 'the tool goes down')
    rig.action = None
    rig.mode.publish(Intervention(mode=Intervention.MODE_HOLD))
    assert rig.go_home().success
    assert rig.poses[-1].pose.position.z == pytest.approx(start, abs=0.01)


def test_a_pause_that_somebody_forgot_is_lifted(rig: Rig) -> None:
    assert rig.go_home().success
    client = rig.node.create_client(SetBool, 'servo_node/pause_servo')
    rig.until(client.service_is_ready, 'pause_servo')
    paused = client.call_async(SetBool.Request(data=True))
    rig.until(paused.done, 'the pause')
    start = rig.poses[-1].pose.position.z
    rig.mode.publish(Intervention(mode=Intervention.MODE_CORRECTING))
    rig.action = [0.0, 0.0, -0.05, 0.0, 0.0, 0.0, 1.0]
    rig.until(lambda: rig.poses[-1].pose.position.z < start - 0.03, 'the tool goes down')
    rig.action = None
    rig.mode.publish(Intervention(mode=Intervention.MODE_HOLD))
