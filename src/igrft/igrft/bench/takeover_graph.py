# SPDX-License-Identifier: Apache-2.0
"""The processes of a takeover measurement."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import yaml

from igrft.config import RobotConfig, as_dict, named
from igrft.devices.mapping import TeleopConfig

MODEL = 'SpaceMousePro'


class Graph:
    """The nodes under measurement, each a process; use as a context manager."""

    def __init__(self, folder: Path, domain: int) -> None:
        self.device = folder / 'hid.sock'
        """socket of the SpaceMouse, a :data:`MODEL`"""
        self._folder = folder
        self._environment = {**os.environ, 'ROS_DOMAIN_ID': str(domain)}
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self.console = ''
        """address of the operator's page"""

    def __enter__(self) -> Graph:
        checkpoint = _fresh_policy(self._folder)
        teleop = self._folder / 'teleop.yaml'
        given = ('device=fake_spacemouse', f'path={self.device}', f'model={MODEL}', 'engage_hold=0.0')
        teleop.write_text(yaml.safe_dump(as_dict(named('teleop', 'spacemouse', TeleopConfig, given))))
        self._start('safety_node')
        self._start('arbiter_node', 'require_episode:=false')
        self._start('teleop_node', f'device:={teleop}')
        self._start('policy_node', 'require_episode:=false', f'checkpoint:={checkpoint}')
        self._start('console_node', 'port:=0')
        for what in ('robot', 'echo'):
            self._run(what, [sys.executable, '-m', 'igrft.ros.takeover_rig', what])
        self.console = self._address()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGINT)
        for process in self._processes.values():
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()

    def signal(self, node: str, number: signal.Signals) -> None:
        self._processes[node].send_signal(number)

    def _start(self, node: str, *parameters: str) -> None:
        words = [word for parameter in parameters for word in ('-p', parameter)]
        main = f'from igrft.nodes.{node} import main; raise SystemExit(main())'
        self._run(node, [sys.executable, '-c', main, '--ros-args', '--log-level', 'error', *words])

    def _run(self, name: str, command: list[str]) -> None:
        out = subprocess.PIPE if name == 'console_node' else None
        self._processes[name] = subprocess.Popen(command, env=self._environment, stdout=out, text=True)

    def _address(self) -> str:
        out = self._processes['console_node'].stdout
        assert out is not None
        for line in out:
            if line.startswith('console: '):
                threading.Thread(target=out.read, daemon=True).start()  # or the pipe fills up
                return line.partition('http://')[2].strip().rstrip('/')
        raise RuntimeError('console_node ended before it said its address')


def _fresh_policy(folder: Path) -> Path:
    """An untrained policy of the shipped size: its inference takes as long as a trained one's."""
    import torch

    from igrft.policies.registry import create
    from igrft.training import checkpoint
    from igrft.training.worker import robot_spec

    torch.manual_seed(0)
    policy = create('compact_flow', **robot_spec(named('robots', 'sim', RobotConfig)))
    return checkpoint.save(checkpoint.Checkpoint('untrained', policy), folder)
