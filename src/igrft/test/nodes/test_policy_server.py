# SPDX-License-Identifier: Apache-2.0
"""Policy, arbiter and safety node over DDS, the policy in another process: killed in the middle, the arm holds."""

from __future__ import annotations

import subprocess
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest
import rclpy
import torch
from chain_rig import DOMAIN, Player, Process
from sensor_msgs.msg import Image

from igrft.policies.protocol import Policy
from igrft.policies.registry import create
from igrft.ros import qos
from igrft.training import checkpoint as checkpoints
from igrft_msgs.msg import ActionChunk, Command, EpisodeStatus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def moving_policy() -> Policy:
    """A policy that always goes forwards: what it adds is small against its mean."""
    torch.manual_seed(0)
    policy = create('compact_flow', action_dim=7, proprio_dim=17, cameras=('front', 'wrist'), step_dt=0.1)
    policy.normalisation.action_mean.copy_(torch.tensor([0.05, 0, 0, 0, 0, 0, 0.5]))
    policy.normalisation.action_scale.fill_(1e-3)
    return policy


class Rig(Player):
    """Plays robot, cameras and episode manager."""

    patience = 90.0

    def __init__(self, context: rclpy.Context) -> None:
        cameras = tuple((f'camera/{camera}/image_raw', Image, qos.IMAGE) for camera in ('front', 'wrist'))
        super().__init__(context, (('policy/action_chunk', ActionChunk, qos.COMMAND),), cameras)
        self.pixels = array('B', bytes(128 * 128 * 3))
        self.timers = [self.node.create_timer(0.02, self.feel), self.node.create_timer(0.1, self.look)]

    def feel(self) -> None:
        self.sense(self.node.get_clock().now().to_msg())

    def look(self) -> None:
        image = Image(height=128, width=128, encoding='rgb8', step=384, data=self.pixels)
        image.header.stamp = self.node.get_clock().now().to_msg()
        for camera in ('front', 'wrist'):
            self.publishers[f'camera/{camera}/image_raw'].publish(image)

    def episode(self) -> None:
        status = EpisodeStatus(state=EpisodeStatus.STATE_RECORDING, episode_id='one', kind='evaluation', seed=3)
        self.publishers['episode/status'].publish(status)

    def sources(self) -> list[int]:
        return [message.source for message in self.received['executed_action']]

    def moves(self) -> bool:
        return bool(self.twists()) and abs(self.twists()[-1].twist.linear.x - 0.05) < 0.02


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen]]:
    started: list[subprocess.Popen] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def start_server(
    checkpoint: Path, port: int, processes: list[subprocess.Popen]
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
    tmp_path: Path, processes: list[subprocess.Popen]
) -> None:
    path = checkpoints.save(checkpoints.Checkpoint('sft-test', moving_policy()), tmp_path)
    server, port = start_server(path, 0, processes)
    policy = Process('policy_node', 'lockstep:=false', f'server:=ws://127.0.0.1:{port}', 'max_skew:=0.2')
    processes.append(policy.process)
    processes.append(Process('arbiter_node', 'lockstep:=false').process)
    processes.append(Process('safety_node', 'lockstep:=false', 'pose_timeout:=2.0').process)
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
        rig.close()
        context.try_shutdown()
