# SPDX-License-Identifier: Apache-2.0
"""The real console_node process over DDS, read and pressed through its web page."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.action import ActionServer, CancelResponse
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.task import Future
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger
from websockets.sync.client import connect

from igrft.console.hub import HEADER
from igrft.ros import qos
from igrft.ros.messages import image_msg
from igrft_msgs.action import TrainStage
from igrft_msgs.msg import EpisodeStatus, GripperCommand, HelpRequest, Intervention, SafetyStatus, Teleop, TeleopEvent
from igrft_msgs.srv import LoadCheckpoint, StartEpisode

DOMAIN = int(os.environ['ROS_DOMAIN_ID'])
PATIENCE = 40.0
"""[s] far above what anything here takes"""


class Robot:
    """A few of the graph's nodes in one: latched states, a camera, the services behind the buttons."""

    def __init__(self) -> None:
        self.context = Context()
        rclpy.init(context=self.context, domain_id=DOMAIN)
        self.node = rclpy.create_node('robot', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.stops: list[bool] = []
        self.events: list[TeleopEvent] = []
        self.asked: list[StartEpisode.Request] = []
        make = qos.create_publisher
        self.camera = make(self.node, Image, 'camera/front/image_raw', qos.IMAGE)
        self.safety = make(self.node, SafetyStatus, 'safety/status', qos.LATCHED)
        self.episode = make(self.node, EpisodeStatus, 'episode/status', qos.LATCHED)
        self.loop = make(self.node, String, 'loop/status', qos.LATCHED)
        self.driver = make(self.node, Intervention, 'intervention', qos.LATCHED)
        qos.create_subscription(self.node, Bool, 'console/e_stop', lambda m: self.stops.append(m.data), qos.LATCHED)
        qos.create_subscription(self.node, TeleopEvent, 'teleop/event', self.events.append, qos.EVENT)
        self.node.create_service(StartEpisode, 'episode/start', self._start)
        self.node.create_service(Trigger, 'episode/discard', self._discard)
        self.safety.publish(SafetyStatus(state=SafetyStatus.STATE_LIMITED, text='speed', limited=7))
        self.driver.publish(Intervention(mode=Intervention.MODE_CORRECTING, count=2, reason='deadman'))
        self.episode.publish(
            EpisodeStatus(state=EpisodeStatus.STATE_IDLE, task='block_stacking', instruction='stack it')
        )
        self.loop.publish(String(data=json.dumps({'phase': 'sft', 'fraction': 0.5, 'detail': '3/6', 'results': []})))

    def _start(self, request, response):
        self.asked.append(request)
        response.success, response.episode_id = True, '01KTEST'
        return response

    def _discard(self, request, response):
        response.success, response.message = False, 'no episode is running'
        return response

    def picture(self) -> None:
        pixels = np.full((48, 64, 3), (200, 40, 10), np.uint8)
        self.camera.publish(image_msg(pixels, self.node.get_clock().now().to_msg(), 'front'))

    def until(self, condition, what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f'never happened: {what}'
            self.executor.spin_once(timeout_sec=0.02)

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


class Console:
    """The node's process."""

    def __init__(self, *parameters: str) -> None:
        words = [word for parameter in parameters for word in ('-p', parameter)]
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'igrft.nodes.console_node', '--ros-args', *words],
            env={**os.environ, 'ROS_DOMAIN_ID': str(DOMAIN)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []
        self.url = ''
        for line in self.process.stdout:
            self.said.append(line)
            if found := re.search(r'console: (http://\S+)', line):
                self.url = found[1]
                break

    def post(self, path: str, body: dict) -> tuple[int, dict]:
        request = urllib.request.Request(
            f'{self.url}api/{path}', json.dumps(body).encode(), {'content-type': 'application/json'}
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def close(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.said.append(self.process.stdout.read())
        return self.process.wait(timeout=PATIENCE)


@pytest.fixture
def robot() -> Iterator[Robot]:
    made = Robot()
    yield made
    made.close()


@pytest.fixture
def console() -> Iterator[Console]:
    made = Console('port:=0')
    assert made.url, ''.join(made.said)
    yield made
    code = made.close()
    assert code == 0, ''.join(made.said)


class Browser:
    """Reads the stream while the robot goes on."""

    def __init__(self, console: Console, robot: Robot) -> None:
        self.socket = connect(console.url.replace('http', 'ws') + 'api/stream', open_timeout=PATIENCE)
        self.robot = robot
        self.state: dict = {}
        self.health: list[dict] = []
        self.pictures: list[bytes] = []

    def until(self, condition, what: str) -> None:
        def look() -> bool:
            self.robot.picture()
            try:
                message = self.socket.recv(timeout=0.05)
            except TimeoutError:
                return condition()
            if isinstance(message, bytes):
                self.pictures.append(message)
            elif (decoded := json.loads(message))['type'] == 'state':
                self.state = decoded['state']
            elif decoded['type'] == 'health':
                self.health = decoded['health']
            return condition()

        self.robot.until(look, what)


def answer_of(robot: Robot, console: Console, path: str, body: dict) -> tuple[int, dict]:
    """Posts while the robot's services are served."""
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(console.post, path, body)
        robot.until(pending.done, path)
        return pending.result()


def test_state_pictures_and_buttons_cross_the_graph(robot: Robot, console: Console):
    robot.until(lambda: robot.safety.get_subscription_count() == 1, 'the console listens')
    assert robot.camera.get_subscription_count() == 0, 'no picture is asked for without a browser'
    first, second = Browser(console, robot), Browser(console, robot)
    for browser in (first, second):
        browser.until(lambda b=browser: b.state.get('safety') and b.state.get('loop') and b.state['driver'], 'state')
        assert browser.state['safety']['state'] == 'limited' and browser.state['safety']['limited'] == 7
        assert browser.state['driver'] == {'mode': 'correcting', 'count': 2, 'reason': 'deadman'}
        assert browser.state['instruction'] == 'stack it'
        assert browser.state['loop']['phase'] == 'sft' and browser.state['loop']['fraction'] == 0.5
        browser.until(lambda b=browser: b.pictures, 'a picture')
        assert browser.pictures[0][HEADER.size :][:2] == b'\xff\xd8', 'a JPEG'
    robot.until(lambda: robot.camera.get_subscription_count() == 1, 'one subscription serves both')

    first.socket.close()
    second.pictures.clear()
    second.until(lambda: second.pictures, 'the second browser goes on')

    robot.until(
        lambda: robot.node.count_publishers('console/e_stop') == 1 and robot.node.count_publishers('teleop/event') == 1,
        'the console publishes',
    )
    status, answer = answer_of(robot, console, 'episode/start', {'kind': 'rollout', 'seed': 5})
    assert (status, answer['ok']) == (200, True) and '01KTEST' in answer['message']
    assert [(r.kind, r.seed, r.split) for r in robot.asked] == [('rollout', 5, 'in')]
    status, answer = answer_of(robot, console, 'episode/discard', {})
    assert (status, answer['message']) == (409, 'no episode is running')
    status, answer = answer_of(robot, console, 'episode/stop', {'outcome': 'success'})
    assert status == 503 and 'episode/stop' in answer['message']

    assert answer_of(robot, console, 'event', {'event': 'mark_subtask'})[0] == 200
    robot.until(lambda: robot.events, 'the event')
    assert (robot.events[0].device, robot.events[0].event) == ('console', 'mark_subtask')
    assert answer_of(robot, console, 'e_stop', {})[0] == 200
    robot.until(lambda: robot.stops, 'the stop')
    assert robot.stops == [True]

    second.socket.close()
    robot.until(lambda: robot.camera.get_subscription_count() == 0, 'the pictures are not asked for any more')


def test_a_port_in_use_ends_the_node_with_the_remedy(console: Console):
    port = console.url.rsplit(':', 1)[1].strip('/')
    other = Console(f'port:={port}')
    code = other.close()
    assert code == 1
    assert f'console_port:={int(port) + 1}' in ''.join(other.said)


def test_a_browser_drives_over_the_graph_and_is_told_to_be_gone(robot: Robot):
    heard: list[Teleop] = []
    gripper = qos.create_publisher(robot.node, GripperCommand, 'gripper/command', qos.COMMAND)
    qos.create_subscription(robot.node, Teleop, 'teleop/command', heard.append, qos.COMMAND)
    console = Console('port:=0', 'pad:=true')
    browser = Browser(console, robot)
    browser.until(lambda: browser.state.get('pad'), 'the pad is offered')
    robot.until(lambda: gripper.get_subscription_count() == 1, 'the gripper is listened to')
    robot.until(lambda: robot.node.count_publishers('teleop/command') == 1, 'the pad publishes')
    touch = json.dumps({'held': True, 'axes': {'x': 1.0, 'yaw': -1.0}})
    with connect(console.url.replace('http', 'ws') + 'api/pad', open_timeout=PATIENCE) as pad:

        def push() -> bool:
            gripper.publish(GripperCommand(opening=[0.5]))
            pad.send(touch)
            pad.recv(timeout=PATIENCE)
            return any(message.engaged for message in heard)

        robot.until(push, 'the arm is driven')
        # Nothing more is sent, and nothing is closed: as if the cable were pulled.
        robot.until(lambda: not heard[-1].connected, 'the silent browser is gone')
    driven = next(message for message in heard if message.engaged)
    assert driven.device == 'console' and driven.header.frame_id == 'base_link'
    assert list(driven.action) == pytest.approx([0.15, 0, 0, 0, 0, -0.6, 0.5])
    assert not heard[-1].engaged and list(heard[-1].action[:6]) == [0.0] * 6
    browser.socket.close()
    assert console.close() == 0


def test_the_pad_and_lock_step_exclude_each_other():
    console = Console('port:=0', 'pad:=true', 'lockstep:=true')
    assert console.close() == 1
    assert 'rtf:=1' in ''.join(console.said)


def test_health_help_and_training_cross_the_graph(robot: Robot, tmp_path):
    checkpoint = tmp_path / 'checkpoints' / 'sft-1234'
    checkpoint.mkdir(parents=True)
    (checkpoint / 'manifest.json').write_text('{"id": "sft-1234", "stage": "sft", "step": 5}')
    diagnostics = robot.node.create_publisher(DiagnosticArray, '/diagnostics', 10)
    wanted = qos.create_publisher(robot.node, HelpRequest, 'help', qos.LATCHED)
    wanted.publish(HelpRequest(requested=True, score=3.0, threshold=2.0, reason='unusual'))
    goals, loaded, stopped = [], [], Future()

    async def train(handle):
        goals.append(handle.request)
        await stopped
        handle.canceled()
        return TrainStage.Result()

    def cancel(_):
        stopped.set_result(None)
        return CancelResponse.ACCEPT

    def load(request, response):
        loaded.append(request.path)
        response.success, response.id = True, 'sft-1234'
        return response

    server = ActionServer(robot.node, TrainStage, 'train_stage', train, cancel_callback=cancel)
    robot.node.create_service(LoadCheckpoint, 'policy_node/load_checkpoint', load)
    console = Console('port:=0', f'episodes_dir:={tmp_path}')
    browser = Browser(console, robot)

    def report() -> bool:
        status = DiagnosticStatus(level=DiagnosticStatus.WARN, name='camera_node: stream', message='dark')
        status.values = [KeyValue(key='rate [Hz]', value='9.8')]
        diagnostics.publish(DiagnosticArray(status=[status]))
        return any(part['node'] == 'camera_node' for part in browser.health)

    browser.until(report, 'the health of a node')
    part = next(part for part in browser.health if part['node'] == 'camera_node')
    assert (part['name'], part['level'], part['text']) == ('stream', 'warn', 'dark')
    assert part['values'] == {'rate [Hz]': '9.8'}
    browser.until(lambda: browser.state.get('help'), 'the call for help')
    assert browser.state['help'] == {'requested': True, 'score': 3.0, 'threshold': 2.0, 'reason': 'unusual'}

    def until_served(path: str, body: dict) -> tuple[int, dict]:
        """The console discovers the servers while it is asked."""
        answer = answer_of(robot, console, path, body)
        while answer[0] == 503:
            answer = answer_of(robot, console, path, body)
        return answer

    assert until_served('trainer/start', {'stage': 'sft', 'parent': 'sft-1234'})[0] == 200
    robot.until(lambda: goals, 'the goal')
    assert (goals[0].stage, goals[0].initial_checkpoint) == ('sft', str(checkpoint))
    assert answer_of(robot, console, 'trainer/stop', {})[0] == 200
    assert stopped.done()
    status, answer = until_served('trainer/serve', {'checkpoint': 'sft-1234'})
    assert (status, answer['message']) == (200, 'serving sft-1234')
    assert loaded == [str(checkpoint)]
    browser.socket.close()
    assert console.close() == 0
    server.destroy()


def test_simulated_time_is_listened_to_only_when_needed(robot: Robot):
    clock = robot.node.create_publisher(Clock, '/clock', 10)
    console = Console('port:=0', 'use_sim_time:=true')
    robot.until(lambda: robot.node.count_publishers('teleop/event') == 1, 'the console publishes')
    assert clock.get_subscription_count() == 0, 'an idle console is not woken by every tick'
    recording = EpisodeStatus(state=EpisodeStatus.STATE_RECORDING, episode_id='01KSIM', task='block_stacking')
    recording.header.stamp.sec = 40
    robot.episode.publish(recording)

    def tick() -> None:
        clock.publish(Clock(clock=Time(sec=43, nanosec=500_000_000)))

    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(console.post, 'event', {'event': 'mark_subtask'})
        robot.until(lambda: tick() or pending.done(), 'the command without a browser')
        assert pending.result()[0] == 200, pending.result()
    robot.until(lambda: robot.events, 'the event')
    stamp = robot.events[0].header.stamp
    assert (stamp.sec, stamp.nanosec) == (43, 500_000_000), 'stamped in simulated time'

    browser = Browser(console, robot)
    browser.until(
        lambda: tick() or (browser.state.get('episode') or {}).get('elapsed') is not None, 'the clock of the episode'
    )
    assert browser.state['episode']['elapsed'] == 3.5
    browser.socket.close()
    robot.until(lambda: clock.get_subscription_count() == 0, 'back to sleep')
    assert console.close() == 0
