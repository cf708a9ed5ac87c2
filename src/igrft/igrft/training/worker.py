# SPDX-License-Identifier: Apache-2.0
"""Training as a process of its own: ``python -m igrft.training.worker``.

The first line of standard input is the job, as JSON. Standard output is one JSON object a line:
``{"event": "progress" | "done" | "stopped" | "failed", …}``. The end of standard input, SIGINT and SIGTERM all mean:
save the training state and stop. So a trainer that dies, however, leaves no orphan, and one that is killed loses a few
seconds.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from igrft.config import ConfigError, RobotConfig, named, parse


@dataclass(frozen=True, kw_only=True)
class Job:
    """What the worker is told.

    Attributes:
        root: has ``<task>/`` (episodes), ``checkpoints/``, ``tensorboard/``, ``cache/``.
        stage: sft, offline_rl, hil. round: of hil, from 1.
        training: name or path of a ``config/training`` file. overrides: ``key=value`` on top of it.
        policy: name or path of a ``config/policies`` file. robot: of a ``config/robots`` file.
        parent: checkpoint folder to start from, '' for none.
        niceness: added to the process's.
    """

    root: str
    stage: str
    task: str
    round: int = 0
    training: str = 'quick'
    overrides: tuple[str, ...] = ()
    policy: str = 'compact_flow'
    policy_overrides: tuple[str, ...] = ()
    robot: str = 'sim'
    parent: str = ''
    niceness: int = 10


@dataclass
class Output:
    """Writes events, from any thread."""

    stream: TextIO
    lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, event: str, **values: Any) -> None:
        """One line. A reader that went away is no error: the training state is on disk."""
        with self.lock, suppress(BrokenPipeError):
            self.stream.write(json.dumps({'event': event, **values}) + '\n')
            self.stream.flush()


def robot_spec(robot: RobotConfig) -> dict[str, Any]:
    """What of a policy's spec the robot decides."""
    return {
        'action_dim': robot.action_dim,
        'proprio_dim': robot.proprio_dim,
        'cameras': tuple(camera.name for camera in robot.cameras),
        'step_dt': 1.0 / robot.policy_rate,
    }


def run_job(job: Job, output: Output, stop: threading.Event) -> int:
    """Do the job; the exit code: 0 done or stopped, 1 failed."""
    from igrft.reward.hybrid import HybridConfig
    from igrft.training.config import TrainingConfig
    from igrft.training.request import StageRequest, image_size
    from igrft.training.source import load_episodes
    from igrft.training.stages import Progress, StageRun, Stopped

    def progress(state: Progress) -> None:
        output.write('progress', **asdict(state))

    try:
        robot = named('robots', job.robot, RobotConfig)
        config = named('training', job.training, TrainingConfig, job.overrides)
        request = StageRequest(
            stage=job.stage,
            task=job.task,
            root=Path(job.root).expanduser(),
            policy=job.policy,
            policy_overrides=job.policy_overrides,
            spec=robot_spec(robot),
            round=job.round,
            parent=Path(job.parent).expanduser() if job.parent else None,
        )
        run = StageRun(request, config, progress, stop.is_set)
        labelling = named('reward', config.reward, HybridConfig)
        episodes, unreadable = load_episodes(request.root, job.task, robot, image_size(request), labelling, stop.is_set)
        if stop.is_set():
            raise Stopped('stopped while the episodes were read')
        result = run.run(episodes, unreadable)
    except Stopped as stopped:
        output.write('stopped', message=str(stopped))
        return 0
    except (ConfigError, ValueError, OSError, RuntimeError) as error:
        output.write('failed', message=str(error) or repr(error))
        return 1
    output.write(
        'done',
        checkpoint=str(result.path),
        id=result.id,
        stage=result.stage,
        policy=result.policy.name,
        step=result.step,
        # of a training that was finished before, what could not be read by then is in its manifest
        excluded={**unreadable, **result.about.get('excluded', {})},
    )
    return 0


def main() -> int:
    """Entry point."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    # Libraries may print; only events belong on the stream that the parent reads.
    output = Output(os.fdopen(os.dup(1), 'w', encoding='utf-8'))
    os.dup2(2, 1)
    line = sys.stdin.readline()
    try:
        data: Mapping[str, Any] = json.loads(line)
        job = parse(data, Job, 'job')
    except (ValueError, TypeError) as error:
        output.write('failed', message=f'not a job: {error}')
        return 1
    os.nice(job.niceness)

    def watch_input() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=watch_input, name='stdin', daemon=True).start()
    return run_job(job, output, stop)


if __name__ == '__main__':
    # Not sys.exit: the thread that waits for standard input must not hold the process up.
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
