# SPDX-License-Identifier: Apache-2.0
"""The episode manager's ports in memory: a graph of one cell, without ROS."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from igrft.config import RobotConfig, TaskConfig, named
from igrft.episodes.manager import EpisodeManager
from igrft.episodes.metadata import QosProfile
from igrft.episodes.states import ManagerConfig, Request, Result, Snapshot, State
from igrft.episodes.synthetic import Item, Script, SyntheticCell
from igrft.types import Kind


class Graph:
    """A graph of one cell: it hands the manager a script's messages and keeps what the manager wanted."""

    def __init__(self, root: Path, robot: RobotConfig, task: TaskConfig, **options: object) -> None:
        self.resets: list[Request] = []
        self.statuses: list[Snapshot] = []
        self.results: list[Result] = []
        self.woken = threading.Event()
        self.clock = 0.0
        self.node_time = 0
        settings = {'root': root, 'lockstep': True} | options
        self.manager = EpisodeManager(ManagerConfig(**settings), robot, self.task, self)  # type: ignore[arg-type]
        self.cell = SyntheticCell(robot, task, Script(steps=8, kind=Kind.CORRECTION))
        self.items = list(self.cell.messages())

    def task(self, name: str) -> TaskConfig:
        return named('tasks', name, TaskConfig)

    # Ports
    def reset(self, request: Request) -> None:
        self.resets.append(request)

    def explain(self, topic: str) -> str:
        return f'nobody publishes {topic}'

    def offered(self, topic: str) -> Sequence[QosProfile]:
        return ()

    def publish(self, status: Snapshot) -> None:
        self.statuses.append(status)

    def finished(self, result: Result) -> None:
        self.results.append(result)

    def wake(self) -> None:
        self.woken.set()

    # The test's hands
    def start(self, **request: object) -> str:
        wanted = {'task': 'block_stacking', 'kind': 'correction', 'seed': 3} | request
        return self.manager.start(Request(**wanted), self.clock)  # type: ignore[arg-type]

    def reset_done(self, success: bool = True, message: str = '') -> None:
        self.manager.reset_done(success, message, 'stack them', 0, self.clock)

    def send(self, items: Sequence[Item]) -> None:
        for item in items:
            self.node_time = max(self.node_time, item.stamp)
            self.manager.message(item.index, item.data, 0, self.clock, self.node_time)

    def tick(self, step: int, states: bool = False) -> list[Item]:
        """The messages of one tick (only those that say how the world is)."""
        stamp = self.cell.stamp(step)
        return [i for i in self.items if i.stamp == stamp and (not states or self.cell.topics[i.index].state)]

    def record(self, steps: int = 8) -> None:
        """Up to the middle of an episode: ``steps`` ticks were played."""
        self.start()
        self.reset_done()
        self.send(self.tick(0, states=True))
        assert self.state is State.RECORDING
        for step in range(steps):
            self.send(self.tick(step))

    def pass_time(self, seconds: float) -> None:
        self.clock += seconds
        self.manager.tick(self.clock, self.node_time)

    def end(self) -> Result:
        """Wait for the writing thread and take the result."""
        assert self.woken.wait(20)
        self.manager.tick(self.clock, self.node_time)
        return self.results[-1]

    @property
    def state(self) -> State:
        return self.manager.status.state
