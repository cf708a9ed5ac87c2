# SPDX-License-Identifier: Apache-2.0
"""The operator's web page: serves it beside the executor, and never holds the graph up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
from rclpy.node import Node

from igrft.config import RobotConfig, TaskConfig, named
from igrft.console.server import ConsoleServer
from igrft.ros.console_bridge import ConsoleBridge
from igrft.ros.diagnostics import Diagnostics, Status
from igrft.ros.parameters import Common, declare, parameter
from igrft.ros.runtime import spin


@dataclass(frozen=True)
class Parameters(Common):
    host: str = parameter('127.0.0.1', 'address to listen on; any but loopback needs the token printed at start')
    port: int = parameter(8080, 'port to listen on; 0 takes a free one', minimum=0, maximum=65535)
    token: str = parameter('', 'what browsers must know; empty: none on loopback, a new one on any other address')


class ConsoleNode(Node):
    """Two threads: the executor's, and the web server's with its own event loop."""

    def __init__(self) -> None:
        super().__init__('console_node')
        self.parameters = declare(self, Parameters)
        cv2.setNumThreads(1)  # the robot's nodes need the other cores
        p = self.parameters
        robot = named('robots', p.robot, RobotConfig)
        self.bridge = ConsoleBridge(self, robot, named('tasks', p.task, TaskConfig))
        self.server = ConsoleServer(self.bridge, p.host, p.port, p.token)
        self._diagnostics = Diagnostics(self, robot.name, {'console': self._status}, self.bridge.check_graph)
        self.server.start()
        # Printed, not logged: the operator needs the address at every log level.
        print(f'console: {self.server.url}', flush=True)
        if self.server.is_public:
            self.get_logger().warning('the console is reachable from other machines, over HTTP without encryption')

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
