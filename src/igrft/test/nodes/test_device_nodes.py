# SPDX-License-Identifier: Apache-2.0
"""teleop_node, camera_node and arm_node, each alone in this process with a listener beside it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import PoseStamped, TwistStamped
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, JointState
from sensor_msgs.msg import Joy as JoyMsg
from trajectory_msgs.msg import JointTrajectory

from igrft import nodes
from igrft.config import ConfigError, config_dir
from igrft.control.motion import MotionError
from igrft.devices.fake_hid import FakeHid
from igrft.nodes.arm_node import ArmNode
from igrft.nodes.camera_node import CameraNode
from igrft.nodes.teleop_node import TeleopNode
from igrft.perception.calibration import Calibration
from igrft.ros import messages, qos
from igrft_msgs.action import MoveTo
from igrft_msgs.msg import Intervention, TaskState, Teleop, TeleopEvent

DOMAIN = int(os.environ['ROS_DOMAIN_ID'])
PATIENCE = 20.0
"""[s] far above what anything here takes"""

RECORDING = """SpaceMouseCompact
0.00 01 00 00 00 00 00 00
0.10 03 02
0.12 03 00
0.14 01 00 00 a2 fe 00 00
0.20 unplug
0.30 plug
"""
"""A tap on the right button, a push forward, the cable; over and over."""


class Bench:
    """The node under test and a listener, in one executor."""

    def __init__(self, factory: Callable[[], Node]) -> None:
        self.node = factory()
        self.listener = rclpy.create_node('listener')
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.executor.add_node(self.listener)
        self.received: dict[str, list] = {}

    def hear(self, kind: type, topic: str, profile=qos.EVENT) -> list:
        self.received[topic] = []
        qos.create_subscription(self.listener, kind, topic, self.received[topic].append, profile)
        return self.received[topic]

    def until(self, condition: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f'never happened: {what}'
            self.executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self.executor.shutdown()
        if hasattr(self.node, 'close'):
            self.node.close()
        self.node.destroy_node()
        self.listener.destroy_node()


@pytest.fixture
def bench_of() -> Iterator[Callable[..., Bench]]:
    benches: list[Bench] = []

    def make(factory: Callable[[], Node], *parameters: str) -> Bench:
        words = [word for parameter in parameters for word in ('-p', parameter)]
        rclpy.init(args=['test', '--ros-args', *words] if words else None, domain_id=DOMAIN)
        benches.append(Bench(factory))
        return benches[0]

    yield make
    for bench in benches:
        bench.close()
    rclpy.try_shutdown()


def teleop_file(folder: Path, recording: str) -> str:
    (folder / 'recording.txt').write_text(recording)
    path = folder / 'fake.yaml'
    path.write_text(
        f'device: fake_spacemouse\npath: {folder}/recording.txt\n'
        'axes: {vx: x, vy: y}\nlinear_scale: 0.5\nbuttons: {RIGHT: mark_subtask}\n'
    )
    return str(path)


def test_teleop_speaks_what_the_reports_say_and_that_they_have_ended(bench_of, tmp_path) -> None:
    bench = bench_of(TeleopNode, f'device:={teleop_file(tmp_path, RECORDING)}')
    commands, events = bench.hear(Teleop, 'teleop/command'), bench.hear(TeleopEvent, 'teleop/event')
    bench.until(lambda: len(events) > 0 and any(m.engaged for m in commands), 'pressed and pushed')
    bench.until(lambda: not commands[-1].connected, 'unplugged')
    assert {m.event for m in events} == {'mark_subtask'}
    driving = [m for m in commands if m.engaged]
    assert driving[-1].action[0] == pytest.approx(0.5)
    assert driving[-1].header.frame_id == 'base_link'
    gone = commands[-1]
    assert not any(gone.action[:6])


def test_teleop_answers_each_tick_in_lock_step(bench_of, tmp_path) -> None:
    bench = bench_of(TeleopNode, f'device:={teleop_file(tmp_path, "SpaceMouseCompact")}', 'lockstep:=true')
    commands = bench.hear(Teleop, 'teleop/command')
    publisher = qos.create_publisher(bench.listener, TaskState, 'task_state', qos.EVENT)
    bench.until(lambda: publisher.get_subscription_count() == 1, 'matched')
    bench.until(lambda: bench.node.count_subscribers('teleop/command') == 1, 'matched')
    for tick in (1, 2):
        state = TaskState()
        state.header.stamp = messages.time_msg(0.1 * tick)
        publisher.publish(state)
        bench.until(lambda tick=tick: len(commands) == tick, f'answer {tick}')
        assert commands[-1].header.stamp == state.header.stamp


def test_teleop_from_joy_needs_its_deadman(bench_of) -> None:
    bench = bench_of(TeleopNode, 'device:=joy')
    commands = bench.hear(Teleop, 'teleop/command')
    publisher = qos.create_publisher(bench.listener, JoyMsg, 'joy', qos.SENSOR)
    joy = JoyMsg(axes=[0.0, 1.0, 0.0, 0.0, 0.0], buttons=[0] * 9)

    def heard(engaged: bool) -> Callable[[], bool]:
        def check() -> bool:
            publisher.publish(joy)
            return any(m.connected and m.engaged == engaged for m in commands)

        return check

    bench.until(heard(False), 'connected')
    assert not any(m.engaged for m in commands)
    joy.buttons[4] = 1
    bench.until(heard(True), 'engaged')
    assert commands[-1].action[0] == pytest.approx(0.2)


def test_teleop_goes_out_at_once_and_comes_back_after_the_cable(bench_of, tmp_path) -> None:
    """The timer is far too slow for this test: only the device itself can have woken the node."""
    path = tmp_path / 'teleop.yaml'
    path.write_text(
        f'device: fake_spacemouse\npath: {tmp_path}/hid.sock\nmodel: SpaceMousePro\naxes: {{vx: x}}\n'
        'buttons: {FIT: success, CTRL: take_over}\nsilence: 5.0\n'
    )
    slow = tmp_path / 'slow.yaml'
    robot = (config_dir() / 'robots' / 'sim.yaml').read_text()
    slow.write_text(robot.replace('control_rate: 50.0', 'control_rate: 0.01'))
    with FakeHid(tmp_path / 'hid.sock', 'SpaceMousePro') as hid:
        bench = bench_of(TeleopNode, f'device:={path}', f'robot:={slow}')
        commands, events = bench.hear(Teleop, 'teleop/command'), bench.hear(TeleopEvent, 'teleop/event')
        bench.until(lambda: bench.node.count_subscribers('teleop/command') == 1, 'matched')
        bench.node._on_timer()
        hid.wait_for_reader(PATIENCE)
        hid.hold({'x': 1.0})
        bench.until(lambda: bool(commands) and commands[-1].engaged, 'takes over')
        assert commands[-1].action[0] > 0.0
        hid.hold({}, ['FIT'])
        bench.until(lambda: [m.event for m in events] == ['success'], 'the button')
        hid.unplug()
        bench.until(lambda: not commands[-1].connected, 'unplugged')
        assert not any(commands[-1].action[:6])
        assert 'unplugged' in bench.node._status().text
        hid.plug()
        bench.until(lambda: bench.node._on_timer() or commands[-1].connected, 'plugged in again')
        assert not commands[-1].engaged
        assert bench.node._status().level == 'ok'


def test_teleop_in_the_tool_s_frame_says_base_link(bench_of, tmp_path) -> None:
    path = Path(teleop_file(tmp_path, 'SpaceMouseCompact\n0.00 01 00 00 a2 fe 00 00\n0.01 01 00 00 a2 fe 00 00\n'))
    path.write_text(path.read_text() + 'frame: tool\n')
    bench = bench_of(TeleopNode, f'device:={path}', 'pose_timeout:=5.0')
    commands = bench.hear(Teleop, 'teleop/command')
    bench.until(lambda: any(m.connected for m in commands), 'connected')
    assert not any(any(m.action[:6]) for m in commands), 'stands while the tool is not known'
    assert 'no tool pose' in bench.node._status().text
    publisher = qos.create_publisher(bench.listener, PoseStamped, 'ee_pose', qos.SENSOR)
    quarter = (np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5))
    pose = messages.pose_msg((0.5, 0.0, 0.3), quarter, messages.time_msg(0.0), 'base_link')

    def turned() -> bool:
        publisher.publish(pose)
        return any(any(m.action[:6]) for m in commands)

    bench.until(turned, 'moves')
    moving = next(m for m in commands if any(m.action[:6]))
    assert list(moving.action[:3]) == pytest.approx([0.0, 0.5, 0.0], abs=1e-6), "the tool's x is the base's y"
    assert moving.header.frame_id == 'base_link'


def test_teleop_names_an_unknown_device(bench_of) -> None:
    with pytest.raises(ConfigError, match="did you mean 'spacemouse'"):
        bench_of(TeleopNode, 'device:=spacemuse')
    rclpy.shutdown()


def test_camera_publishes_a_folder_and_says_when_it_ends(bench_of, tmp_path) -> None:
    for value in (10, 20, 30):
        cv2.imwrite(str(tmp_path / f'{value}.png'), np.full((240, 320, 3), value, np.uint8))
    bench = bench_of(CameraNode, f'source:={tmp_path}', 'retry:=0.1')
    images = bench.hear(Image, 'camera/front/image_raw', qos.IMAGE)
    infos = bench.hear(CameraInfo, 'camera/front/camera_info', qos.SENSOR)
    bench.until(lambda: bench.node.count_subscribers('camera/front/image_raw') == 1, 'matched')
    bench.node.autostart()
    bench.until(lambda: len(images) >= 3 and len(infos) >= 3, 'three frames')
    frame = messages.image_array(images[0], 't', size=(128, 128))
    assert int(frame.mean()) in (10, 20, 30)
    assert images[0].header.frame_id == 'front_optical'
    stamps = [messages.nanoseconds_of(m.header.stamp) for m in images]
    assert stamps == sorted(stamps)
    assert infos[0].k[0] == 0.0, 'not calibrated'
    bench.until(lambda: bench.node._camera.losses > 0, 'the folder ends and is opened again')


def test_camera_takes_a_vendor_drivers_topic(bench_of, tmp_path) -> None:
    """Another size and encoding go in; the robot's own come out, with the driver's stamp and the calibration for it."""
    calibration = tmp_path / 'front.yaml'
    calibration.write_text(Calibration(640, 480, (600.0, 0.0, 320.0, 0.0, 600.0, 240.0, 0.0, 0.0, 1.0)).yaml('front'))
    bench = bench_of(CameraNode, 'source:=topic:/driver/color', f'calibration:={calibration}')
    images = bench.hear(Image, 'camera/front/image_raw', qos.IMAGE)
    infos = bench.hear(CameraInfo, 'camera/front/camera_info', qos.SENSOR)
    bench.node.autostart()
    driver = qos.create_publisher(bench.listener, Image, '/driver/color', qos.IMAGE)
    bench.until(lambda: driver.get_subscription_count() == 1, 'the node listens to the driver')
    bench.until(lambda: bench.node._image.get_subscription_count() == 1, 'the listener to the node')
    frame = messages.image_msg(np.full((480, 640, 3), (10, 20, 30), np.uint8), messages.time_msg(7.5), 'color')
    frame.encoding = 'bgr8'
    driver.publish(frame)
    bench.until(lambda: len(images) == 1 and len(infos) == 1, 'one frame')
    assert (messages.image_array(images[0], 't', size=(128, 128)) == (30, 20, 10)).all()
    assert images[0].header.stamp == frame.header.stamp
    assert (infos[0].k[0], infos[0].k[2]) == pytest.approx((160, 64))
    frame.encoding = '32FC1'
    driver.publish(frame)
    bench.until(lambda: bench.node._status().level == 'error', 'the refusal shows')
    assert "/driver/color: encoding '32FC1'" in bench.node._status().text


def test_camera_must_be_one_of_the_robots(bench_of) -> None:
    with pytest.raises(ConfigError, match="did you mean 'front'"):
        bench_of(CameraNode, 'camera:=frond')
    rclpy.shutdown()


class Arm:
    """Plays the robot's driver: goes where it is told."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.positions = [0.0] * 7
        self.points: list[JointTrajectory] = []
        self.states = qos.create_publisher(bench.listener, JointState, 'joint_states', qos.SENSOR)
        self.mode = qos.create_publisher(bench.listener, Intervention, 'intervention', qos.LATCHED)
        qos.create_subscription(bench.listener, JointTrajectory, 'joint_command', self._on_point, qos.EVENT)
        bench.listener.create_timer(0.02, self._sense)
        self.client = ActionClient(bench.listener, MoveTo, 'arm_node/move_to')
        bench.until(self.client.server_is_ready, 'action server')
        bench.until(lambda: bench.node.count_publishers('joint_states') == 1, 'matched')

    def _on_point(self, message: JointTrajectory) -> None:
        self.points.append(message)
        self.positions = list(message.points[0].positions)

    def _sense(self) -> None:
        stamp = self.bench.listener.get_clock().now().to_msg()
        names = [f'joint{i}' for i in range(1, 8)]
        self.states.publish(messages.joint_state_msg(names, self.positions, [1.0], stamp, 'base_link'))

    def send(self, **goal):
        future = self.client.send_goal_async(MoveTo.Goal(**goal))
        self.bench.until(future.done, 'goal answered')
        return future.result()

    def result(self, handle):
        future = handle.get_result_async()
        self.bench.until(future.done, 'result')
        return future.result().result


def test_arm_moves_home_and_refuses_what_it_must(bench_of) -> None:
    bench = bench_of(ArmNode, 'velocity:=3.0', 'acceleration:=20.0', 'jerk:=1000.0')
    arm = Arm(bench)
    bench.until(lambda: bench.node._mover._joints is not None, 'joint_states')
    assert not arm.send(pose='hme').accepted
    assert not arm.send(positions=[0.0] * 6).accepted
    handle = arm.send(pose='home')
    assert handle.accepted
    assert not arm.send(pose='home').accepted, 'one motion at a time'
    result = arm.result(handle)
    assert (result.success, result.message) == (True, 'arrived')
    assert arm.positions == pytest.approx(bench.node.robot.poses['home'], abs=1e-4)

    # Somebody takes over in the middle of a motion: it brakes and gives up.
    handle = arm.send(positions=[1.0] * 7)
    count = len(arm.points)
    bench.until(lambda: len(arm.points) > count + 3, 'moving')
    arm.mode.publish(Intervention(mode=Intervention.MODE_CORRECTING, reason='operator took over'))
    result = arm.result(handle)
    assert not result.success
    assert 'somebody drives now (operator took over)' in result.message
    assert arm.positions != pytest.approx([1.0] * 7, abs=1e-3)
    assert list(arm.points[-1].points[0].velocities) == pytest.approx([0.0] * 7, abs=1e-6)
    assert not arm.send(pose='home').accepted, 'somebody drives'


def test_moveit_is_refused_by_name_where_it_is_missing(bench_of) -> None:
    try:
        import moveit  # noqa: F401
    except ImportError:
        with pytest.raises(MotionError, match=r'apt install ros-.*-moveit-py'):
            bench_of(ArmNode, 'backend:=moveit')
        rclpy.shutdown()
    else:
        pytest.skip('MoveItPy is installed here; the refusal is for where it is not')


def test_the_safety_node_alone_publishes_twists() -> None:
    """A second publisher would go round it."""
    root = Path(nodes.__file__).parents[1]
    publishes = re.compile(rf'publisher\([^()]*{TwistStamped.__name__},')
    twists = [p.stem for p in root.rglob('*.py') if publishes.search(p.read_text())]
    assert twists == ['control_outputs']
    assert [p.stem for p in root.rglob('*.py') if 'SafetyOutputs(' in p.read_text()] == ['safety_node']
