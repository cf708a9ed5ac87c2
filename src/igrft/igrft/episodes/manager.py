# SPDX-License-Identifier: Apache-2.0
"""The life of an episode as a state machine: IDLE → RESETTING → RECORDING → FINALISING → IDLE.

No ROS in here: the node hands in messages, requests and the passing of time, and offers :class:`Ports` for
what the manager wants from the graph. Everything but the writing itself happens in the caller's thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from igrft.config import ConfigError, RobotConfig, TaskConfig
from igrft.episodes.definitions import writing_typestore
from igrft.episodes.digest import stamp_of
from igrft.episodes.intake import Intake
from igrft.episodes.opening import Opening
from igrft.episodes.recorder import Recorded, Recorder
from igrft.episodes.schema import NANO, EpisodeError, directory_name
from igrft.episodes.states import (
    ManagerConfig,
    Phase,
    Ports,
    RefusedError,
    Request,
    Result,
    Run,
    Snapshot,
    State,
    known_outcome,
)
from igrft.episodes.streams import Stream
from igrft.episodes.topics import TopicSpec
from igrft.types import Outcome


@dataclass
class EpisodeManager:
    """See the module's text. Not thread-safe: one thread calls it."""

    config: ManagerConfig
    robot: RobotConfig
    load_task: Callable[[str], TaskConfig]
    ports: Ports
    status: Snapshot = field(default_factory=Snapshot)

    def __post_init__(self) -> None:
        self._intake = Intake(self.robot, self.config.lockstep, self.ports)
        self._opening = Opening(self.config, self.robot, self._intake, self.ports)
        self._run: Run | None = None
        self._recorded: Recorded | None = None
        self._lock = threading.Lock()

    @property
    def topics(self) -> tuple[TopicSpec, ...]:
        """What is recorded; messages come with their number."""
        return self._intake.topics

    @property
    def streams(self) -> list[Stream]:
        """One a topic, in the same order."""
        return self._intake.streams

    # -- requests -----------------------------------------------------------------------------------------

    def start(self, request: Request, now: float) -> str:
        """Begin an episode; returns its id.

        Args:
            request: what to record.
            now: monotonic time [s].

        Raises:
            RefusedError: one is in progress, or the request names something unknown.
        """
        if self._run is not None:
            raise RefusedError(
                f'episode {self._run.meta.id} is in progress ({self.status.state.name.lower()}); '
                'stop or discard it first'
            )
        try:
            task = self.load_task(request.task)
        except ConfigError as error:
            raise RefusedError(f"task '{request.task}': {error}") from error
        self._run = run = self._opening.begin(request, task, now)
        self._say(State.RESETTING, problem='', path='', outcome='')
        if self.config.call_reset:
            self.ports.reset(request)
        return run.meta.id

    def reset_done(self, success: bool, message: str, instruction: str, stamp: int, now: float) -> None:
        """The cell answered; an answer that nobody waits for any more is ignored.

        Args:
            success: whether it reset. message: why not.
            instruction: the task in words, '' for the configured ones.
            stamp: of the first tick of the new layout [ns]; 0 when the cell does not say.
            now: monotonic time [s].
        """
        run = self._run
        if run is None or run.phase is not Phase.RESET:
            return
        if not success:
            self._refuse(f'the reset failed: {message}')
            return
        self._opening.reset_done(run, instruction, stamp, now)
        self._say(State.RESETTING)
        self._record_if_alive(run, now, 0)

    def stop(self, stamp: int, outcome: str, by: str, now: float, node_time: int) -> None:
        """End the episode with a label.

        Args:
            stamp: of the event that ended it [ns]; 0 is now.
            outcome: success, failure, or '' for unlabelled.
            by: who says so.
            now: monotonic time [s].
            node_time: [ns].

        Raises:
            RefusedError: nothing is being recorded, the outcome is unknown, or the stamp precedes the start.
        """
        run = self._recording()
        label = known_outcome(outcome) if outcome else Outcome.UNLABELLED
        if stamp and stamp < run.meta.start:
            raise RefusedError(
                f'the stop stamp lies {(run.meta.start - stamp) / NANO:.3f} s before the episode began; '
                'it belongs to another episode'
            )
        self._close(label, by, stamp or self._intake.present(node_time), now)

    def discard(self, reason: str = 'discarded by the operator') -> None:
        """Delete the episode in progress.

        Raises:
            RefusedError: nothing is in progress, or it is already being saved.
        """
        run = self._run
        if run is None:
            raise RefusedError('no episode is in progress')
        if run.recorder is None:
            self._refuse(reason)
            return
        if run.phase is Phase.WRITING:
            raise RefusedError(f'episode {run.meta.id} is already being saved')
        run.phase = Phase.WRITING
        self._say(State.FINALISING)
        run.recorder.discard(run.meta, reason, self._deliver)

    def interrupt(self, reason: str, now: float, node_time: int, at_once: bool = False) -> None:
        """A signal or a cancelled goal: save as unlabelled or delete, as configured; never raises.

        Args:
            at_once: what waits for its last messages is finished without them: nobody will hand them in.
        """
        if self._run is None or self._run.phase is Phase.WRITING:
            return
        if self._run.phase is Phase.DRAINING:
            if at_once:
                self._finish(self._run)
        elif self.config.keep_interrupted and self._run.phase is Phase.RECORDING:
            self._close(Outcome.UNLABELLED, '', self._intake.present(node_time), now, reason, drain=False)
        else:
            self.discard(reason)

    # -- messages and time --------------------------------------------------------------------------------

    def message(self, index: int, data: bytes, sequence: int, now: float, node_time: int) -> None:
        """Take one serialised message of topic number ``index``."""
        stream = self.streams[index]
        run = self._run
        waiting = run is not None and run.phase in (Phase.RESET, Phase.STREAMS)
        stream.take(data, now, sequence, check=waiting and stream.spec.required)
        if run is None:
            return
        if run.recorder is not None:
            run.recorder.put(index, self._intake.log_time(stream, node_time), stream.stamp, data, sequence)
            if index == self._intake.event and run.phase is Phase.RECORDING:
                self._event(data, now, node_time)
            elif run.phase is Phase.DRAINING:
                self._drain(run, now)
        elif run.phase is Phase.STREAMS and stream.spec.required:
            self._record_if_alive(run, now, node_time)

    def tick(self, now: float, node_time: int) -> None:
        """Let time pass: call it at 10 Hz or more, and after :meth:`Ports.wake`."""
        with self._lock:
            recorded, self._recorded = self._recorded, None
        if recorded is not None:
            self._finished(recorded)
        run = self._run
        if run is None:
            return
        if run.phase in (Phase.RESET, Phase.STREAMS):
            self._check_patience(run, now)
        elif run.phase is Phase.DRAINING:
            self._drain(run, now)
        elif run.phase is Phase.RECORDING and run.recorder is not None:
            self._check_recording(run, run.recorder, now, node_time)

    def wait(self, timeout: float) -> bool:
        """Block until the writing thread is done (shutdown); call :meth:`tick` afterwards."""
        recorder = self._run.recorder if self._run else None
        return recorder is None or recorder.join(timeout)

    @property
    def future_path(self) -> str:
        """Where the episode in progress will be, '' without one."""
        if self._run is None:
            return ''
        meta = self._run.meta
        return str(self.config.root / meta.task / directory_name(meta.id))

    @property
    def completed(self) -> int:
        """Subtasks completed in the episode in progress."""
        return self._run.recorder.completed if self._run and self._run.recorder else 0

    def elapsed(self, node_time: int) -> float:
        """[s] of node time since the first step of the episode in progress."""
        run = self._run
        if run is None or run.recorder is None:
            return 0.0
        return max(0, self._intake.present(node_time) - run.meta.start) / NANO

    # -- inside -------------------------------------------------------------------------------------------

    def _check_patience(self, run: Run, now: float) -> None:
        if self._opening.overdue(run, now):
            self._refuse(self._opening.waits_for(run))
        elif self._opening.late(run, now) and not self.status.problem:
            self._say(State.RESETTING, problem=self._opening.waits_for(run))

    def _record_if_alive(self, run: Run, now: float, node_time: int) -> None:
        try:
            begun = self._opening.record(run, now, node_time)
        except EpisodeError as error:
            self._refuse(str(error))
            return
        if begun:
            self._say(State.RECORDING, problem='')

    def _check_recording(self, run: Run, recorder: Recorder, now: float, node_time: int) -> None:
        if recorder.problem:
            self._close(Outcome.UNLABELLED, '', run.meta.start, now, recorder.problem, drain=False)
            return
        stalled = self._intake.stalled(run.since, now, self.config.stall_timeout)
        if stalled:
            self._close(Outcome.UNLABELLED, '', self._intake.present(node_time), now, stalled, drain=False)
        elif self._intake.present(node_time) >= run.deadline:
            self._close(Outcome.TIMEOUT, 'timeout', run.deadline, now)

    def _event(self, data: bytes, now: float, node_time: int) -> None:
        """A button of the operator."""
        spec = self.topics[self._intake.event]
        event: Any = writing_typestore().deserialize_cdr(data, spec.type)
        if event.event in (Outcome.SUCCESS.value, Outcome.FAILURE.value):
            assert self._run is not None
            stamp = max(stamp_of(event), self._run.meta.start)
            self._close(Outcome(event.event), event.device, stamp, now)
        elif event.event == 'discard':
            self.discard(f'discarded with the {event.device}')

    def _recording(self) -> Run:
        run = self._run
        if run is None or run.phase is not Phase.RECORDING:
            raise RefusedError('no episode is being recorded')
        return run

    def _close(self, outcome: Outcome, by: str, end: int, now: float, problem: str = '', drain: bool = True) -> None:
        """The episode ended at ``end`` [ns]; what belongs before it may still be on its way."""
        run = self._recording()
        run.meta = replace(run.meta, outcome=outcome, labelled_by=by, end=max(end, run.meta.start), problem=problem)
        run.phase, run.since = Phase.DRAINING, now
        self._say(State.FINALISING, outcome=outcome.value)
        if drain:
            self._drain(run, now)
        else:
            self._finish(run)

    def _drain(self, run: Run, now: float) -> None:
        complete = self._intake.complete(run.meta.end, round(run.meta.dt * NANO))
        if complete or now - run.since > self.config.drain_timeout:
            self._finish(run)

    def _finish(self, run: Run) -> None:
        assert run.recorder is not None
        run.phase = Phase.WRITING
        run.recorder.finish(run.meta, self._intake.lost(), self._deliver)

    def _deliver(self, recorded: Recorded) -> None:
        """In the writing thread: hand the result over to the next tick."""
        with self._lock:
            self._recorded = recorded
        self.ports.wake()

    def _finished(self, recorded: Recorded) -> None:
        result = Result.of(recorded)
        self._run = None
        self._say(State.IDLE, outcome=result.outcome, path=result.path, problem=recorded.problem)
        self.ports.finished(result)

    def _refuse(self, reason: str) -> None:
        """End an episode that never began to record."""
        run = self._run
        assert run is not None
        self._run = None
        self._say(State.IDLE, problem=reason, outcome='discarded')
        self.ports.finished(Result(False, reason, run.meta.id))

    def _say(self, state: State, **changes: Any) -> None:
        if self._run is not None:
            meta = self._run.meta
            changes |= {
                'episode_id': meta.id,
                'task': meta.task,
                'instruction': meta.instruction,
                'kind': meta.kind.value,
                'seed': meta.seed,
            }
        else:
            changes |= {'episode_id': ''}
        self.status = replace(self.status, state=state, **changes)
        self.ports.publish(self.status)
