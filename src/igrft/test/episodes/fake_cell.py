# SPDX-License-Identifier: Apache-2.0
"""A process that stands where the cell, the arbiter and the operator stand: it publishes a synthetic episode.

    python fake_cell.py --steps 20 --lockstep --fault missing:camera/wrist/image_raw

It serves `reset`, publishes the first tick until `episode/status` says RECORDING, then the rest, then stops
the episode with the stamp of its last tick (unless `--endless`), and does so for every episode.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import threading
import time
from itertools import groupby

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions

from igrft.config import RobotConfig, TaskConfig, named
from igrft.episodes.schema import NANO
from igrft.episodes.synthetic import Item, Script, SyntheticCell
from igrft.types import Kind
from igrft_msgs.msg import EpisodeStatus
from igrft_msgs.srv import ResetCell, StopEpisode


class FakeCell(Node):
    def __init__(self, arguments: argparse.Namespace) -> None:
        super().__init__('fake_cell')
        self.arguments = arguments
        self.robot = named('robots', 'sim', RobotConfig)
        self.task = named('tasks', 'block_stacking', TaskConfig)
        self.fault, _, self.faulty = arguments.fault.partition(':')
        self.topics = SyntheticCell(self.robot, self.task, Script()).topics
        self._publishers_ = [self._publisher(topic) for topic in self.topics]
        self.state = EpisodeStatus.STATE_IDLE
        self.ticks: list[list[Item]] = []
        self.at = 0
        self.began = 0.0
        self.stopping = False
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(EpisodeStatus, 'episode/status', self._on_status, latched)
        self.create_service(ResetCell, 'reset', self._on_reset)
        self.stopper = self.create_client(StopEpisode, 'episode/stop')
        period = arguments.period if arguments.lockstep else 1 / self.robot.control_rate
        self.create_timer(period, self._advance)
        self.create_timer(0.2, self._repeat)

    def _publisher(self, topic):  # type: ignore[no-untyped-def]
        if self.faulty == topic.name and self.fault == 'missing':
            return None
        package, folder, name = topic.type.split('/')
        kind = getattr(importlib.import_module(f'{package}.{folder}'), name)
        best_effort = self.faulty == topic.name and self.fault == 'best_effort'
        return self.create_publisher(
            kind,
            topic.name,
            QoSProfile(
                depth=50,
                reliability=ReliabilityPolicy.BEST_EFFORT if best_effort else ReliabilityPolicy.RELIABLE,
                durability=DurabilityPolicy.TRANSIENT_LOCAL if topic.latched else DurabilityPolicy.VOLATILE,
            ),
        )

    def _on_reset(self, request: ResetCell.Request, response: ResetCell.Response) -> ResetCell.Response:
        response.success, response.instruction = self.fault != 'reset', 'as the cell says'
        response.message = 'the scene is upside down' if self.fault == 'reset' else ''
        start = time.time_ns() if not self.arguments.lockstep else (100 + request.seed) * NANO
        script = Script(
            steps=self.arguments.steps,
            kind=Kind.CORRECTION,
            seed=request.seed,
            lockstep=self.arguments.lockstep,
            start=start,
            checkpoint='ckpt-1',
        )
        items = sorted(SyntheticCell(self.robot, self.task, script).messages(), key=lambda item: item.stamp)
        self.ticks = [list(group) for _, group in groupby(items, key=lambda item: item.stamp)]
        self.at, self.stopping = 0, False
        return response

    def _on_status(self, status: EpisodeStatus) -> None:
        if status.state == EpisodeStatus.STATE_RECORDING and self.state != status.state:
            self.began = time.monotonic()
        self.state = status.state

    def _repeat(self) -> None:
        """Lock-step outside an episode: what the world looks like, same stamp."""
        if self.ticks and self.arguments.lockstep and self.state == EpisodeStatus.STATE_RESETTING:
            self._publish(self.ticks[0], states_only=True)

    def _advance(self) -> None:
        if not self.ticks:
            return
        if not self.arguments.lockstep and self.state != EpisodeStatus.STATE_RECORDING:
            self._publish(self._now(self.ticks[0]), states_only=True)
        if self.state != EpisodeStatus.STATE_RECORDING:
            return
        if self.fault == 'stall' and self.at > 5:
            return
        if self.at < len(self.ticks):
            tick = self.ticks[self.at]
            self._publish(tick if self.arguments.lockstep else self._now(tick))
            self.at += 1
        elif not self.stopping and not self.arguments.endless:
            self.stopping = True
            request = StopEpisode.Request(outcome='success')
            if self.arguments.lockstep:
                request.stamp.sec, request.stamp.nanosec = divmod(self.ticks[-1][0].stamp, NANO)
            self.stopper.call_async(request)

    def _now(self, tick: list[Item]) -> list[Item]:
        """The tick with the stamp of this moment."""
        stamp = time.time_ns()
        seconds, rest = divmod(stamp, NANO)
        head = seconds.to_bytes(4, 'little') + rest.to_bytes(4, 'little')
        return [Item(item.index, stamp, item.data[:4] + head + item.data[12:]) for item in tick]

    def _publish(self, tick: list[Item], states_only: bool = False) -> None:
        for item in tick:
            topic, publisher = self.topics[item.index], self._publishers_[item.index]
            if publisher is None or (states_only and not topic.state):
                continue
            data = item.data
            if topic.name == self.faulty and self.fault == 'encoding':
                data = data.replace(b'rgb8\0', b'bgr8\0', 1)
            publisher.publish(data)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('--steps', type=int, default=20)
    parser.add_argument('--lockstep', action='store_true')
    parser.add_argument('--endless', action='store_true')
    parser.add_argument('--period', type=float, default=0.01, help='[s] wall time of a lock-step tick')
    parser.add_argument('--fault', default='')
    arguments, ros = parser.parse_known_args()
    rclpy.init(args=ros, signal_handler_options=SignalHandlerOptions.NO)
    executor = SingleThreadedExecutor()
    node = FakeCell(arguments)
    executor.add_node(node)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    while not stop.is_set():  # the timers make every spin_once return
        executor.spin_once(timeout_sec=0.1)
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == '__main__':
    main()
