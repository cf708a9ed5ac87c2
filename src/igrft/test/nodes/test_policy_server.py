# SPDX-License-Identifier: Apache-2.0
"""Policy, arbiter and safety node over DDS, the policy in another process: killed in the middle, the arm holds."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import rclpy
import torch
from geometry_msgs.msg import PoseStamped, TwistStamped
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image, JointState

from igrft.policies.protocol import Policy
from igrft.policies.registry import create
from igrft.ros import qos
from igrft.training import checkpoint as checkpoints
from igrft_msgs.msg import ActionChunk, ChunkRequest, Command, EpisodeStatus, SafetyStatus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
DOMAIN = int(os.environ['ROS_DOMAIN_ID'])
PATIENCE = 90.0
"""[s] until something that must happen counts as not happening; far above what it takes"""


def moving_policy() -> Policy:
    """A policy that always goes forwards: what it adds is small against its mean."""
    torch.manual_seed(0)
    policy = create('compact_flow', action_dim=7, proprio_dim=17, cameras=('front', 'wrist'), step_dt=0.1)
    policy.normalisation.action_mean.copy_(torch.tensor([0.05, 0, 0, 0, 0, 0, 0.5]))
    policy.normalisation.action_scale.fill_(1e-3)
    return policy


class Rig:
    """Plays robot, cameras and episode manager, and keeps what the chain sends."""

    def __init__(self, context: rclpy.Context) -> None:
        self.node = rclpy.create_node('rig', context=context)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.node)
        self.received: dict[str, list] = {}
        for topic, kind, profile in (
            ('servo_node/delta_twist_cmds', TwistStamped, qos.EVENT),
            ('executed_action', Command, qos.EVENT),
            ('safety/status', SafetyStatus, qos.LATCHED),
            ('policy/action_chunk', ActionChunk, qos.COMMAND),
            ('policy/request', ChunkRequest, qos.EVENT),
        ):
            self.received[topic] = []
            qos.create_subscription(self.node, kind, topic, self.received[topic].append, profile)
        self.publishers = {
            topic: qos.create_publisher(self.node, kind, topic, profile)
            for topic, kind, profile in (
                ('joint_states', JointState, qos.SENSOR),
                ('ee_pose', PoseStamped, qos.SENSOR),
                ('camera/front/image_raw', Image, qos.IMAGE),
                ('camera/wrist/image_raw', Image, qos.IMAGE),
                ('episode/status', EpisodeStatus, qos.LATCHED),
            )
        }
        self.pixels = array('B', bytes(128 * 128 * 3))
        self.timers = [self.node.create_timer(0.02, self.sense), self.node.create_timer(0.1, self.look)]

    def sense(self) -> None:
        stamp = self.node.get_clock().now().to_msg()
        joints = JointState(name=[*(f'joint{i}' for i in range(1, 8)), 'gripper'], position=[0.0] * 7 + [0.25])
        pose = PoseStamped()
        pose.pose.position.x, pose.pose.position.z, pose.pose.orientation.w = 0.5, 0.3, 1.0
        joints.header.stamp = pose.header.stamp = stamp
        self.publishers['joint_states'].publish(joints)
        self.publishers['ee_pose'].publish(pose)

    def look(self) -> None:
        image = Image(height=128, width=128, encoding='rgb8', step=384, data=self.pixels)
        image.header.stamp = self.node.get_clock().now().to_msg()
        for camera in ('front', 'wrist'):
            self.publishers[f'camera/{camera}/image_raw'].publish(image)

    def episode(self) -> None:
        status = EpisodeStatus(state=EpisodeStatus.STATE_RECORDING, episode_id='one', kind='evaluation', seed=3)
        self.publishers['episode/status'].publish(status)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        begin = time.monotonic()
        while not condition():
            assert time.monotonic() < begin + PATIENCE, f'never happened: {what}'
            self.executor.spin_once(timeout_sec=0.05)

    def sources(self) -> list[int]:
        return [message.source for message in self.received['executed_action']]

    def moves(self) -> bool:
        twists = self.received['servo_node/delta_twist_cmds']
        return bool(twists) and abs(twists[-1].twist.linear.x - 0.05) < 0.02

    def stands(self) -> bool:
        twists = self.received['servo_node/delta_twist_cmds']
        return bool(twists) and twists[-1].twist == TwistStamped().twist


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def start_node(name: str, *parameters: str) -> subprocess.Popen[str]:
    main = f'from igrft.nodes.{name} import main; raise SystemExit(main())'
    arguments = [word for parameter in parameters for word in ('-p', parameter)]
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(DOMAIN)}
    return subprocess.Popen([sys.executable, '-c', main, '--ros-args', *arguments], env=environment, text=True)


def start_server(
    checkpoint: Path, port: int, processes: list[subprocess.Popen[str]]
) -> tuple[subprocess.Popen[str], int]:
    """`igrft policies serve`, once it says where it listens; it is one of the processes from the start."""
    command = [sys.executable, '-c', 'from igrft.cli.main import app; app()', 'policies', 'serve', str(checkpoint)]
    process = subprocess.Popen([*command, '--port', str(port)], stdout=subprocess.PIPE, text=True)
    processes.append(process)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert 'at ws://127.0.0.1:' in line, line
    return process, int(line.rsplit(':', 1)[1])


def test_the_arm_holds_when_the_policy_server_is_killed_and_goes_on_when_it_is_back(
    tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    path = checkpoints.save(checkpoints.Checkpoint('sft-test', moving_policy()), tmp_path)
    server, port = start_server(path, 0, processes)
    processes.append(start_node('policy_node', 'lockstep:=false', f'server:=ws://127.0.0.1:{port}', 'max_skew:=0.2'))
    processes.append(start_node('arbiter_node', 'lockstep:=false'))
    processes.append(start_node('safety_node', 'lockstep:=false', 'pose_timeout:=2.0'))
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=DOMAIN)
    rig = Rig(context)
    try:
        nodes = {'arbiter_node', 'safety_node', 'policy_node'}
        rig.until(lambda: nodes <= set(rig.node.get_node_names()), 'nodes up')
        rig.episode()
        rig.until(rig.moves, 'the served policy moves the arm')
        chunks = rig.received['policy/action_chunk']  # volatile: the first may be out before the rig is found
        rig.until(lambda: bool(chunks), 'a chunk is heard')
        assert chunks[-1].checkpoint == 'sft-test'
        rig.until(lambda: any(r.running.nanosec or r.running.sec for r in rig.received['policy/request']), 'continued')

        server.kill()
        server.wait()
        rig.until(lambda: rig.stands() and rig.sources()[-1] == Command.SOURCE_HOLD, 'zero twist, recorded as nobody')
        rig.received['policy/request'].clear()
        rig.until(lambda: len(rig.received['policy/request']) > 2, 'chunks are asked for')
        assert rig.stands() and set(rig.sources()[-5:]) == {Command.SOURCE_HOLD}

        start_server(path, port, processes)
        rig.until(rig.moves, 'it goes on when the server is back')
    finally:
        rig.executor.shutdown()
        rig.node.destroy_node()
        context.try_shutdown()
