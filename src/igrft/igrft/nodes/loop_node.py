# SPDX-License-Identifier: Apache-2.0
"""Runs the curriculum over the graph: asks for episodes and trainings in order, tells where it stands."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String

from igrft.config import ConfigError, TaskConfig, named
from igrft.rollout.curriculum import (
    CurriculumConfig,
    Phase,
    ProgressError,
    Stage,
    settings,
)
from igrft.rollout.loop import Loop, LoopError, StageResult, Stopped
from igrft.rollout.plans import PLANS
from igrft.rollout.report import LineReporter, duration, results_table
from igrft.ros.graph_backend import GraphBackend
from igrft.ros.parameters import declare, parameter
from igrft.ros.qos import LATCHED
from igrft.types import Kind


@dataclass(frozen=True)
class Parameters:
    """What to run, with what, and where it is kept."""

    plan: str = parameter('curriculum', 'what to run', choices=tuple(PLANS))
    stage: str = parameter('all', 'run one stage only', choices=('all', *(stage.value for stage in Stage)))
    curriculum: str = parameter('quick', 'name or path of a config/curriculum file')
    task: str = parameter('block_stacking', 'name or path of a config/tasks file')
    policy: str = parameter('compact_flow', 'name or path of a config/policies file')
    robot: str = parameter('sim', 'name or path of a config/robots file')
    episodes_dir: str = parameter('~/igrft_data', 'where episodes, checkpoints and curves are kept')
    split: str = parameter('in', 'layouts of the episodes', choices=('in', 'held_out'))
    rounds: int = parameter(-1, 'human-in-the-loop rounds; -1: as the curriculum says', minimum=-1)
    episodes: int = parameter(50, 'episodes of the plans collect and evaluate', minimum=1)
    kind: str = parameter(
        'demonstration', 'kind of episodes of the plan collect', choices=tuple(kind.value for kind in Kind)
    )
    checkpoint: str = parameter('', 'checkpoint folder of the plans collect, train and evaluate; empty: the newest')
    overrides: str = parameter('', 'key=value of the training configuration, separated by spaces')


class LoopNode(Node):
    """The curriculum's place in the graph: publishes ``loop/status``, drives the backend from a thread."""

    def __init__(self) -> None:
        super().__init__('loop_node')
        self.values = declare(self, Parameters)
        self.stopping = threading.Event()
        self._status = self.create_publisher(String, 'loop/status', LATCHED.publisher)
        self._lines = LineReporter(self._say)
        self._results: Callable[[], list[StageResult]] = list

    def _say(self, line: str) -> None:
        print(line, flush=True)

    def begin(self, phase: Phase, number: int, total: int) -> None:
        self._lines.begin(phase, number, total)
        self._publish(phase.name, 0.0, f'{number}/{total}')

    def advance(self, phase: Phase, fraction: float, detail: str) -> None:
        self._lines.advance(phase, fraction, detail)
        self._publish(phase.name, fraction, detail)

    def end(self, phase: Phase, seconds: float, detail: str) -> None:
        self._lines.end(phase, seconds, detail)
        self._publish(phase.name, 1.0, detail)

    def _publish(self, phase: str, fraction: float, detail: str) -> None:
        rows = []
        for result in self._results():
            low, high = result.success.interval()
            success = result.success
            counts = {'successes': success.successes, 'n': success.n}
            rows.append({'stage': result.label, **counts, 'low': low, 'high': high})
        status = {'phase': phase, 'fraction': fraction, 'detail': detail, 'results': rows}
        self._status.publish(String(data=json.dumps(status)))

    def refuse_twin(self) -> None:
        """Refuse to run beside another loop of the same name in this ROS domain.

        Raises:
            LoopError: naming the remedy.
        """
        twins = self.get_node_names_and_namespaces().count((self.get_name(), self.get_namespace()))
        if twins > 1:
            raise LoopError(
                f'another {self.get_fully_qualified_name()} runs in this ROS domain; give this loop namespace:=… '
                'or another ROS_DOMAIN_ID'
            )

    def run(self) -> list[StageResult]:
        """The whole job, in the caller's thread."""
        v = self.values
        task = named('tasks', v.task, TaskConfig)
        config = named('curriculum', v.curriculum, CurriculumConfig)
        if v.rounds >= 0:
            config = replace(config, rounds=v.rounds)
        root = Path(v.episodes_dir).expanduser()
        plan = PLANS[v.plan](config, v, root / task.name)
        progress = plan.open(settings(task.name, v.policy, v.robot, config))
        self.refuse_twin()
        self._say(f'igrft: {plan.title} of {task.name} with {v.policy} on {v.robot}')
        self._say(f'  episodes    {root / task.name}')
        self._say(f'  checkpoints {root / "checkpoints"}')
        self._say(f'  curves      tensorboard --logdir {root / "tensorboard"}')
        backend = GraphBackend(self, task.name, v.split, self.stopping.is_set, v.overrides.split())
        loop = Loop(plan.phases, progress, backend, self, self.stopping.is_set)
        self._results = loop.results
        began = time.monotonic()
        results = loop.run(None if v.stage == 'all' else Stage(v.stage))
        self._publish('done', 1.0, '')
        self._say(results_table(results, progress.seconds))
        self._say(f'finished, this run took {duration(time.monotonic() - began)}')
        return results


def main(argv: list[str] | None = None) -> int:
    """Run the plan; 0 when done or stopped, 1 when something failed."""
    rclpy.init(args=argv, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = LoopNode()
    except (ConfigError, ValueError) as error:
        print(f'loop_node: {error}', file=sys.stderr)
        return 1
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: node.stopping.set())
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def spin() -> None:
        try:
            executor.spin()
        except ExternalShutdownException:
            node.stopping.set()

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    code = 0
    try:
        node.run()
    except Stopped:
        print('stopped; the same command resumes here', flush=True)
    except (LoopError, ProgressError, ConfigError) as error:
        print(f'loop_node: {error}', file=sys.stderr, flush=True)
        code = 1
    executor.shutdown()
    thread.join(timeout=2.0)
    node.destroy_node()
    rclpy.try_shutdown()
    return code


if __name__ == '__main__':
    sys.exit(main())
