# SPDX-License-Identifier: Apache-2.0
"""How an episode begins: asked for, reset, its streams waited for, the recorder opened."""

from __future__ import annotations

import math
from dataclasses import replace

from igrft.config import RobotConfig, TaskConfig, nearest
from igrft.episodes.definitions import writing_typestore
from igrft.episodes.digest import Digest
from igrft.episodes.intake import Intake
from igrft.episodes.recorder import Recorder
from igrft.episodes.schema import NANO, EpisodeError, EpisodeMeta, SubtaskRecord, new_ulid, software
from igrft.episodes.states import ManagerConfig, Phase, Ports, RefusedError, Request, Run
from igrft.episodes.writer import EpisodeWriter
from igrft.types import Kind


def opening_meta(request: Request, task: TaskConfig, robot: RobotConfig, config: ManagerConfig) -> EpisodeMeta:
    """``episode.yaml`` as it stands when an episode is asked for.

    Raises:
        RefusedError: a kind that is none, a duration that is none.
    """
    kinds = [kind.value for kind in Kind]
    if request.kind not in kinds:
        raise RefusedError(f"kind '{request.kind}'; {nearest(request.kind, kinds)}")
    if not 0 <= request.max_duration < math.inf:
        raise RefusedError(f"max_duration {request.max_duration} [s]: give a positive number, or 0 for the task's own")
    version, commit = software()
    return EpisodeMeta(
        id=new_ulid(),
        task=task.name,
        instruction=task.instruction,
        robot=robot.name,
        kind=Kind(request.kind),
        seed=request.seed,
        split=request.split or 'in',
        dt=1.0 / robot.policy_rate,
        lockstep=config.lockstep,
        namespace=config.namespace,
        start=0,
        end=0,
        subtasks=tuple(SubtaskRecord(name=s.name, weight=s.weight) for s in task.subtasks),
        version=version,
        commit=commit,
    )


class Opening:
    """The phases RESET and STREAMS of a run. It changes the run, and tells nobody: that is the manager's."""

    def __init__(self, config: ManagerConfig, robot: RobotConfig, intake: Intake, ports: Ports) -> None:
        self._config, self._robot, self._intake, self._ports = config, robot, intake, ports

    def begin(self, request: Request, task: TaskConfig, now: float) -> Run:
        """A run that waits for the cell, or for its streams where nothing is reset.

        Raises:
            RefusedError: the request names something unknown.
        """
        meta = opening_meta(request, task, self._robot, self._config)
        self._intake.renew(frozen=self._config.lockstep and self._config.call_reset)
        return Run(request, task, meta, Phase.RESET if self._config.call_reset else Phase.STREAMS, now)

    def reset_done(self, run: Run, instruction: str, stamp: int, now: float) -> None:
        """The cell has reset; from here on its streams are waited for."""
        run.phase, run.since = Phase.STREAMS, now
        run.meta = replace(run.meta, instruction=instruction or run.task.instruction)
        self._intake.after_reset(stamp)

    def late(self, run: Run, now: float) -> bool:
        """Whether it is time to say what is waited for."""
        return run.phase is Phase.STREAMS and now - run.since > self._config.stream_timeout

    def overdue(self, run: Run, now: float) -> bool:
        """Whether patience has ended."""
        config = self._config
        streams = max(config.stream_patience, config.stream_timeout)
        return now - run.since > (config.reset_timeout if run.phase is Phase.RESET else streams)

    def waits_for(self, run: Run) -> str:
        """What has not come yet, and why; asks the graph."""
        if run.phase is Phase.RESET:
            return f"no answer of 'reset' within {self._config.reset_timeout:g} s; is the cell running?"
        return self._intake.silence()

    def record(self, run: Run, now: float, node_time: int) -> bool:
        """Open the recorder as soon as every required stream is alive; whether it was opened.

        Raises:
            EpisodeError: a stream cannot be used, or the episode's folder cannot be made.
        """
        intake = self._intake
        if intake.problem:
            raise EpisodeError(intake.problem)
        if not intake.alive:
            return False
        start = intake.present(node_time)
        run.meta = replace(run.meta, start=start, end=start)
        run.deadline = start + round((run.request.max_duration or run.task.max_duration) * NANO)
        offered = {topic.name: self._ports.offered(topic.name) for topic in intake.topics}
        writer = EpisodeWriter(self._config.root, run.meta, intake.topics, offered)
        run.recorder = Recorder(writer, Digest(intake.grid, run.meta.subtasks, writing_typestore()))
        run.phase, run.since = Phase.RECORDING, now
        for index, log_time, stamp, message in intake.said_before(start, node_time):
            run.recorder.put(index, log_time, stamp, message)
        return True
