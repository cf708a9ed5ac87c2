# SPDX-License-Identifier: Apache-2.0
"""Runs a curriculum against any backend (the ROS graph, or everything in one process), resumably."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from igrft.rollout.curriculum import LABELS, Phase, Progress, Stage
from igrft.rollout.statistics import Proportion
from igrft.types import Kind


@dataclass(frozen=True, slots=True)
class EpisodeResult:
    """What one episode came to."""

    id: str
    outcome: str
    """success, failure, timeout"""
    progress: float
    """share of the subtasks completed"""
    steps: int
    interventions: int


class Backend(Protocol):
    """What the loop needs of the world. Every call blocks until done; failures raise :class:`LoopError`."""

    def run_episode(self, kind: Kind, seed: int) -> EpisodeResult: ...

    def train(self, stage: Stage, round_number: int, initial: str, on_progress: Callable[[float, str], None]) -> str:
        """Train a stage from the recorded episodes and the ``initial`` checkpoint ('' for none).

        Returns:
            the checkpoint folder.
        """
        ...

    def load(self, checkpoint: str) -> None:
        """Make the policy serve ``checkpoint``."""
        ...


class LoopError(RuntimeError):
    """An episode or a training that could not be done; the text says what to do."""


class Stopped(Exception):
    """The run was asked to stop; what is done is saved."""


class Reporter(Protocol):
    """Tells the user where the loop stands."""

    def begin(self, phase: Phase, number: int, total: int) -> None: ...

    def advance(self, phase: Phase, fraction: float, detail: str) -> None: ...

    def end(self, phase: Phase, seconds: float, detail: str) -> None: ...


@dataclass(frozen=True, slots=True)
class StageResult:
    """The evaluation after a stage."""

    label: str
    success: Proportion
    progress: float
    """mean share of subtasks completed"""


class Loop:
    """Walks the phases in order and skips what an earlier run has done."""

    def __init__(
        self,
        order: Iterable[Phase],
        progress: Progress,
        backend: Backend,
        reporter: Reporter,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._order = list(order)
        self._progress = progress
        self._backend = backend
        self._reporter = reporter
        self._stopping = stopping
        self._served = ''

    def run(self, only: Stage | None = None) -> list[StageResult]:
        """Run what is not done yet, of one stage or of all.

        Raises:
            LoopError: a phase failed, or ``only`` names a stage whose predecessors are not done.
            Stopped: ``stopping`` became true between two episodes; progress is saved.
        """
        for number, phase in enumerate(self._order, start=1):
            if only is not None and phase.stage is not only:
                self._require(phase, only)
                continue
            if not self._progress.done(phase):
                self._run_phase(phase, number)
        return self.results()

    def results(self) -> list[StageResult]:
        """Success after each stage that has been evaluated."""
        found = []
        for phase in self._order:
            episodes = self._progress.episodes.get(phase.name, [])
            if phase.kind is Kind.EVALUATION and episodes:
                mean = sum(e['progress'] for e in episodes) / len(episodes)
                found.append(StageResult(LABELS[phase.stage], self._progress.success(phase), mean))
        return found

    def _require(self, phase: Phase, only: Stage) -> None:
        stages = list(Stage)
        if stages.index(phase.stage) < stages.index(only) and not self._progress.done(phase):
            raise LoopError(
                f"stage '{only.value}' needs '{phase.name}', which this run has not done; "
                f'run stage:={phase.stage.value} first, or stage:=all'
            )

    def _run_phase(self, phase: Phase, number: int) -> None:
        self._reporter.begin(phase, number, len(self._order))
        begin = time.monotonic()
        try:
            detail = self._train(phase) if phase.trains else self._record(phase)
        finally:
            spent = time.monotonic() - begin
            self._progress.seconds[phase.name] = self._progress.seconds.get(phase.name, 0.0) + spent
            self._progress.save()
        self._reporter.end(phase, self._progress.seconds[phase.name], detail)

    def _train(self, phase: Phase) -> str:
        def report(fraction: float, detail: str) -> None:
            self._reporter.advance(phase, fraction, detail)

        initial = self._progress.checkpoint_before(phase, self._order)
        path = self._backend.train(phase.stage, phase.round, initial, report)
        self._progress.checkpoints[phase.name] = path
        return f'checkpoint {path}'

    def _record(self, phase: Phase) -> str:
        assert phase.kind is not None
        if phase.kind is not Kind.DEMONSTRATION:
            self._serve(self._progress.checkpoint_before(phase, self._order))
        results = self._progress.episodes.setdefault(phase.name, [])
        while len(results) < phase.episodes:
            if self._stopping():
                raise Stopped
            result = self._backend.run_episode(phase.kind, phase.first_seed + len(results))
            results.append(_as_json(result))
            self._progress.save()
            self._reporter.advance(phase, len(results) / phase.episodes, str(self._progress.success(phase)))
        return f'success {self._progress.success(phase)}'

    def _serve(self, checkpoint: str) -> None:
        if not checkpoint:
            raise LoopError('no checkpoint to drive with; train a stage first')
        if checkpoint != self._served:
            self._backend.load(checkpoint)
            self._served = checkpoint


def _as_json(result: EpisodeResult) -> dict[str, Any]:
    return {
        'id': result.id,
        'outcome': result.outcome,
        'progress': round(result.progress, 4),
        'steps': result.steps,
        'interventions': result.interventions,
    }
