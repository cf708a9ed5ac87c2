# SPDX-License-Identifier: Apache-2.0
"""Runs episodes: resets, records every topic of the episode unread, labels, and gives the bag its name."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType

from igrft.config import RobotConfig, TaskConfig, named
from igrft.episodes.catalog import find, relabel
from igrft.episodes.manager import EpisodeManager
from igrft.episodes.metadata import QosProfile
from igrft.episodes.states import (
    ManagerConfig,
    RefusedError,
    Request,
    Result,
    Snapshot,
    State,
    known_outcome,
)
from igrft.ros import qos
from igrft.ros.batching import BatchingExecutor
from igrft.ros.diagnostics import Diagnostics, Status
from igrft.ros.episode_api import EpisodeServices, RunEpisodeServer, status_msg
from igrft.ros.lifecycle import Lifecycle, autostart_parameter
from igrft.ros.parameters import Common, declare, parameter
from igrft.ros.recording import RawSubscriptions, ResetClient
from igrft.ros.runtime import spin
from igrft_msgs.msg import EpisodeStatus

TICK = 0.05
"""[s] between two looks at deadlines."""
CLOSING_TIME = 8.0
"""[s] that a stopped node takes at most to close its bag."""


@dataclass(frozen=True)
class Parameters(Common):
    episodes_dir: str = parameter('~/igrft_data', 'folder that gets <task>/<utc>_<ulid>/')
    call_reset: bool = parameter(True, 'call the service reset before every episode')
    reset_timeout: float = parameter(60.0, 'for the cell to reset', unit='s', minimum=0.1, maximum=3600.0)
    stream_timeout: float = parameter(
        1.5, 'after the reset until a required stream that is silent is named', unit='s', minimum=0.1, maximum=60.0
    )
    stream_patience: float = parameter(
        6.0, 'after the reset until the episode is refused because of it', unit='s', minimum=0.1, maximum=600.0
    )
    stall_timeout: float = parameter(
        5.0, 'of a required stream silent after which the episode ends', unit='s', minimum=0.2, maximum=600.0
    )
    on_interrupt: str = parameter('save', 'what becomes of an episode stopped by a signal', choices=('save', 'discard'))
    reliable: bool = parameter(True, 'record only from reliable publishers; false takes any and may lose')
    autostart: bool = autostart_parameter()


class EpisodeNode(Lifecycle):
    """Wires the graph to :class:`EpisodeManager`; everything but the bag's writing is in one thread."""

    def __init__(self) -> None:
        super().__init__('episode_node')
        self.p = declare(self, Parameters)
        self.robot = named('robots', self.p.robot, RobotConfig)
        self._task = named('tasks', self.p.task, TaskConfig)
        self._last = Result(False, '')
        self._episodes = 0

    def configure(self) -> None:
        self.root = Path(self.p.episodes_dir).expanduser()
        config = ManagerConfig(
            root=self.root,
            lockstep=self.p.lockstep,
            call_reset=self.p.call_reset,
            namespace=self.get_namespace(),
            reset_timeout=self.p.reset_timeout,
            stream_timeout=self.p.stream_timeout,
            stream_patience=self.p.stream_patience,
            stall_timeout=self.p.stall_timeout,
            keep_interrupted=self.p.on_interrupt == 'save',
        )
        self._announcer = qos.create_publisher(self, EpisodeStatus, 'episode/status', qos.LATCHED)
        self.manager = EpisodeManager(config, self.robot, self._load_task, self)
        self._wake = self.create_guard_condition(self._tick)
        self._reset = ResetClient(self, lambda *answer: self.manager.reset_done(*answer, time.monotonic()))
        self._recorded_topics = RawSubscriptions(self, self.manager.topics, self._on_message, self.p.reliable)
        self._timer = self.create_timer(TICK, self._tick, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._offers = EpisodeServices(self, self._begin, self._stop, self.manager.discard, self._label)
        self._action = RunEpisodeServer(self, self._begin, self._cancel)
        self._diagnostics = Diagnostics(self, self.robot.name, {'recorder': self._health})
        self.get_logger().info(f'records {len(self.manager.topics)} topics to {self.root}')

    def activate(self) -> None:
        self.publish(self.manager.status)

    def deactivate(self) -> None:
        """Whatever is being recorded is closed, as a valid episode or not at all."""
        self.manager.interrupt('episode_node was stopped', time.monotonic(), self._now(), at_once=True)
        if not self.manager.wait(CLOSING_TIME):
            self.get_logger().error('the bag could not be closed in time; `igrft episodes recover` saves it')
        self.manager.tick(time.monotonic(), self._now())

    def cleanup(self) -> None:
        self._action.destroy()
        self._recorded_topics.destroy()
        self._offers.destroy()
        self._reset.destroy(self)
        self._diagnostics.destroy()
        self.destroy_timer(self._timer)
        self.destroy_guard_condition(self._wake)
        self.destroy_publisher(self._announcer)

    # What the manager wants from the graph ------------------------------------------------------------------

    def reset(self, request: Request) -> None:
        self._reset.ask(request)

    def explain(self, topic: str) -> str:
        return self._recorded_topics.explain(topic)

    def offered(self, topic: str) -> Sequence[QosProfile]:
        return self._recorded_topics.offered(topic)

    def publish(self, status: Snapshot) -> None:
        if status.state is State.RECORDING:
            self._recorded_topics.count_publishers()
        message = status_msg(status)
        message.header.stamp = self.get_clock().now().to_msg()
        self._announcer.publish(message)
        if status.problem:
            self.get_logger().warning(f'{status.state.name.lower()}: {status.problem}')
        elif status.state is not State.IDLE:
            self.get_logger().info(f'{status.state.name.lower()} {status.kind} of {status.task}, seed {status.seed}')

    def finished(self, result: Result) -> None:
        self._reset.forget()
        self._last = result
        self._episodes += result.saved
        if result.saved:
            self.get_logger().info(f'{result.outcome}: {result.steps} steps in {result.path}')
        else:
            self.get_logger().error(f'episode {result.episode_id} was not kept: {result.message}')
        self._action.finish(result)

    def wake(self) -> None:
        self._wake.trigger()

    # Callbacks ----------------------------------------------------------------------------------------------

    def _now(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _on_message(self, index: int, data: bytes, sequence: int) -> None:
        self.manager.message(index, data, sequence, time.monotonic(), self._now())

    def _load_task(self, name: str) -> TaskConfig:
        """A task by its name or path; the node's own may be a file that is not among the shipped ones."""
        return self._task if name in (self.p.task, self._task.name) else named('tasks', name, TaskConfig)

    def _tick(self) -> None:
        self._reset.poll()
        self.manager.tick(time.monotonic(), self._now())
        manager = self.manager
        self._action.tell(manager.status.state, manager.elapsed(self._now()), manager.completed)

    def _begin(self, goal: Any, max_duration: float = 0.0) -> str:
        if not self.is_active:
            raise RefusedError('episode_node is not active; `ros2 lifecycle set episode_node activate`')
        request = Request(
            task=goal.task or self.p.task,
            kind=goal.kind,
            seed=goal.seed,
            split=goal.split or 'in',
            max_duration=max_duration,
        )
        return self.manager.start(request, time.monotonic())

    def _cancel(self) -> None:
        self.manager.interrupt('the goal was cancelled', time.monotonic(), self._now())

    def _stop(self, stamp: int, outcome: str) -> str:
        path = self.manager.future_path
        self.manager.stop(stamp, outcome, 'operator', time.monotonic(), self._now())
        return path

    def _label(self, episode: str, outcome: str) -> None:
        label = known_outcome(outcome)
        if not (episode or self._last.path):
            raise RefusedError('no episode was finished yet; name one')
        relabel(find(self.root, episode or self._last.path), label, 'operator')

    def _health(self) -> Status:
        status = self.manager.status
        lost = sum(stream.lost for stream in self.manager.streams)
        values = {'state': status.state.name, 'episodes': self._episodes, 'lost': lost}
        return Status('warn' if status.problem else 'ok', status.problem or status.state.name.lower(), values)


def main(argv: Sequence[str] | None = None) -> int:
    return spin(EpisodeNode, argv, BatchingExecutor)


if __name__ == '__main__':
    raise SystemExit(main())
