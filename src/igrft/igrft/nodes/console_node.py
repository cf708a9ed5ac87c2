# SPDX-License-Identifier: Apache-2.0
"""The operator's web page: serves it beside the executor, and never holds the graph up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
from rclpy.node import Node

from igrft.config import ConfigError, RobotConfig, TaskConfig, named, nearest
from igrft.console.recordings import Recordings
from igrft.console.server import ConsoleServer
from igrft.devices.mapping import TeleopConfig, TeleopMapper
from igrft.reward.hybrid import HybridConfig
from igrft.ros.console_bridge import ConsoleBridge
from igrft.ros.console_records import DiskRecords
from igrft.ros.diagnostics import Diagnostics, Status
from igrft.ros.parameters import Common, declare, parameter
from igrft.ros.runtime import spin


@dataclass(frozen=True)
class Parameters(Common):
    host: str = parameter('127.0.0.1', 'address to listen on; any but loopback needs the token printed at start')
    port: int = parameter(8080, 'port to listen on; 0 takes a free one', minimum=0, maximum=65535)
    episodes_dir: str = parameter('~/igrft_data', 'has <task>/ (episodes), checkpoints/, tensorboard/')
    reward: str = parameter('hybrid', 'name or path of a config/reward file, for the rewards of recorded episodes')
    pad: bool = parameter(False, 'the on-screen pad may drive the arm, in real time only')
    pad_config: str = parameter('console', 'name or path of a config/teleop file: how the pad drives')
    pad_arm: str = parameter('', 'which arm the pad drives; empty is the first')
    token: str = parameter('', 'what browsers must know; empty: none on loopback, a new one on any other address')


class ConsoleNode(Node):
    """Two threads: the executor's, and the web server's with its own event loop."""

    def __init__(self) -> None:
        super().__init__('console_node')
        self.parameters = declare(self, Parameters)
        cv2.setNumThreads(1)  # the robot's nodes need the other cores
        p = self.parameters
        robot = named('robots', p.robot, RobotConfig)
        self.bridge = ConsoleBridge(self, robot, named('tasks', p.task, TaskConfig), p.pad)
        root = Path(p.episodes_dir).expanduser()
        recordings = Recordings(root, named('reward', p.reward, HybridConfig))
        pad = self._pad(robot) if p.pad else None
        self.server = ConsoleServer(self.bridge, recordings, DiskRecords(root), pad, p.host, p.port, p.token)
        self._diagnostics = Diagnostics(self, robot.name, {'console': self._status}, self.bridge.check_graph)
        self.server.start()
        # Printed, not logged: the operator needs the address at every log level.
        print(f'console: {self.server.url}', flush=True)
        if self.server.is_public:
            self.get_logger().warning('the console is reachable from other machines, over HTTP without encryption')

    def _pad(self, robot: RobotConfig) -> TeleopMapper:
        p = self.parameters
        if p.lockstep:
            raise ConfigError('pad: a browser answers no lock-step ticks; run in real time (rtf:=1) or without the pad')
        arm = p.pad_arm or robot.arms[0]
        if arm not in robot.arms:
            raise ConfigError(f"pad_arm: robot '{robot.name}' has no arm '{arm}'; {nearest(arm, robot.arms)}")
        config = named('teleop', p.pad_config, TeleopConfig)
        return TeleopMapper(config, len(robot.arms), robot.arms.index(arm))

    def _status(self) -> Status:
        problems = self.bridge.state().problems
        return Status('warn' if problems else 'ok', '; '.join(problems) or 'ok', {'address': self.server.host})

    def close(self) -> None:
        """End the page. A stop that it latched stays latched on the robot's side."""
        self.server.close()


def main(argv: Sequence[str] | None = None) -> int:
    return spin(ConsoleNode, argv)


if __name__ == '__main__':
    raise SystemExit(main())
