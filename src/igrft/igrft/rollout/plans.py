# SPDX-License-Identifier: Apache-2.0
"""What the loop can be asked to run: the whole curriculum, or one part of it for its own sake."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from igrft.config import nearest
from igrft.rollout.curriculum import EVALUATION_SEED, CurriculumConfig, Phase, Progress, Stage, phases
from igrft.rollout.loop import LoopError
from igrft.types import Kind

COLLECTION_SEED = 2_000_000
"""Seeds of `collect` start here, after those of every curriculum."""


class Request(Protocol):
    """The parameters of the loop that plans read."""

    stage: str
    episodes: int
    kind: str
    checkpoint: str


@dataclass(frozen=True)
class Plan:
    """Phases to run, and where their progress is kept.

    Attributes:
        title: what it is, for the first line of the output.
        phases: in order.
        file: the progress file.
        checkpoint: checkpoint that counts as trained before the first phase, '' for none.
    """

    title: str
    phases: tuple[Phase, ...]
    file: Path
    checkpoint: str = ''

    def open(self, settings: dict[str, Any]) -> Progress:
        """The plan's progress so far."""
        progress = Progress.open(self.file, settings)
        if self.checkpoint:
            progress.checkpoints[self.phases[0].name] = self.checkpoint
        return progress


def curriculum(config: CurriculumConfig, request: Request, folder: Path) -> Plan:
    """All stages, in order; resumes from ``loop.json``."""
    return Plan('the curriculum', tuple(phases(config)), folder / 'loop.json')


def collect(config: CurriculumConfig, request: Request, folder: Path) -> Plan:
    """Episodes of one kind, added to what is there."""
    kinds = [kind.value for kind in Kind]
    if request.kind not in kinds:
        raise LoopError(f"kind '{request.kind}': {nearest(request.kind, kinds)}")
    kind = Kind(request.kind)
    seed = COLLECTION_SEED + int(time.time()) % 1_000_000 * 1000
    phase = Phase(f'collecting {kind.value} episodes', Stage.SFT, kind, request.episodes, seed)
    return Plan(
        'a collection', _served(phase, request, folder), folder / f'collect-{seed}.json', _path(request, folder, kind)
    )


def train(config: CurriculumConfig, request: Request, folder: Path) -> Plan:
    """One stage (`stage:=`) on the episodes that are there."""
    if request.stage == 'all':
        raise LoopError('say which stage to train: stage:=sft, stage:=offline_rl or stage:=hil')
    stage = Stage(request.stage)
    number = int(stage is Stage.HIL)
    parent = '' if stage is Stage.SFT else _path(request, folder, Kind.ROLLOUT)
    order = (Phase('initial checkpoint', stage), Phase(f'training {stage.value}', stage, round=number))
    return Plan('one training', order if parent else order[1:], folder / f'train-{time.time_ns()}.json', parent)


def evaluate(config: CurriculumConfig, request: Request, folder: Path) -> Plan:
    """Evaluation episodes of one checkpoint, on the curriculum's evaluation seeds."""
    phase = Phase('evaluation', Stage.HIL, Kind.EVALUATION, request.episodes, EVALUATION_SEED)
    path = _path(request, folder, Kind.EVALUATION)
    return Plan(
        f'the evaluation of {path}', _served(phase, request, folder), folder / f'evaluate-{time.time_ns()}.json', path
    )


def _served(phase: Phase, request: Request, folder: Path) -> tuple[Phase, ...]:
    if phase.kind is Kind.DEMONSTRATION:
        return (phase,)
    return Phase('initial checkpoint', phase.stage), phase


def _path(request: Request, folder: Path, kind: Kind) -> str:
    if kind is Kind.DEMONSTRATION:
        return ''
    if request.checkpoint:
        return request.checkpoint
    loop = folder / 'loop.json'
    if loop.exists():
        checkpoints = list(json.loads(loop.read_text(encoding='utf-8'))['checkpoints'].values())
        if checkpoints:
            return str(checkpoints[-1])
    raise LoopError(f'no checkpoint to drive with: give checkpoint:=<folder>; {loop} names none')


PLANS: dict[str, Callable[[CurriculumConfig, Request, Path], Plan]] = {
    'curriculum': curriculum,
    'collect': collect,
    'train': train,
    'evaluate': evaluate,
}
