# SPDX-License-Identifier: Apache-2.0
"""The curriculum as data: which episodes to record, when to train, when to evaluate; and where a run stands.

The order is the paper's: demonstrations → SFT → rollouts → offline RL → rounds of (corrected rollouts →
IG-AWR), with an evaluation after each stage on the same seeds, so that stages are compared pair by pair.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from igrft.config import as_dict
from igrft.rollout.statistics import Proportion
from igrft.types import Kind

FORMAT = 1
EVALUATION_SEED = 1_000_000
"""Evaluation seeds start here, far from every recorded episode's."""


class Stage(str, Enum):
    """The three stages, by the names of ``igrft_msgs/TrainStage``."""

    SFT = 'sft'
    OFFLINE_RL = 'offline_rl'
    HIL = 'hil'


@dataclass(frozen=True, kw_only=True)
class CurriculumConfig:
    """How much of everything (``config/curriculum``)."""

    demonstrations: int
    """episodes driven by the operator from start to end"""
    rollouts: int
    """episodes of the SFT policy, recorded before offline RL"""
    rounds: int
    """human-in-the-loop updates"""
    rollouts_per_round: int
    """corrected episodes before each update"""
    evaluation_episodes: int
    """episodes after each stage, always the same seeds; 0 skips evaluation"""
    training: str = 'quick'
    """a file of config/training"""

    def __post_init__(self) -> None:
        for name in ('demonstrations', 'rollouts', 'rounds', 'rollouts_per_round', 'evaluation_episodes'):
            if getattr(self, name) < 0:
                raise ValueError(f'{name} must not be negative')


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the curriculum: ``episodes`` of a kind, or one training of ``stage``."""

    name: str
    stage: Stage
    kind: Kind | None = None
    episodes: int = 0
    first_seed: int = 0
    round: int = 0

    @property
    def trains(self) -> bool:
        return self.kind is None


def phases(config: CurriculumConfig) -> Iterator[Phase]:
    """The whole curriculum in order."""

    def evaluation(stage: Stage) -> Iterator[Phase]:
        if config.evaluation_episodes:
            yield Phase(f'evaluation after {LABELS[stage]}', stage, Kind.EVALUATION,
                        config.evaluation_episodes, EVALUATION_SEED)  # fmt: skip

    seed = 0
    yield Phase('demonstrations', Stage.SFT, Kind.DEMONSTRATION, config.demonstrations, seed)
    seed += config.demonstrations
    yield Phase('SFT', Stage.SFT)
    yield from evaluation(Stage.SFT)
    yield Phase('rollouts', Stage.OFFLINE_RL, Kind.ROLLOUT, config.rollouts, seed)
    seed += config.rollouts
    yield Phase('offline RL', Stage.OFFLINE_RL)
    yield from evaluation(Stage.OFFLINE_RL)
    for number in range(1, config.rounds + 1):
        yield Phase(f'corrected rollouts, round {number}', Stage.HIL, Kind.CORRECTION,
                    config.rollouts_per_round, seed, number)  # fmt: skip
        seed += config.rollouts_per_round
        yield Phase(f'IG-AWR, round {number}', Stage.HIL, round=number)
    if config.rounds:
        yield from evaluation(Stage.HIL)


LABELS = {Stage.SFT: 'SFT', Stage.OFFLINE_RL: 'offline RL', Stage.HIL: 'human in the loop'}


class ProgressError(RuntimeError):
    """A run that cannot be continued with these settings; the text says what to do."""


@dataclass
class Progress:
    """Where a run stands, on disk after every step (``loop.json``), so that a killed run resumes.

    Attributes:
        settings: what the run was started with; a different one is refused.
        episodes: phase name to the results of its episodes, in order.
        checkpoints: phase name to the checkpoint folder that its training saved.
        seconds: phase name to the wall time spent in it [s], over all runs.
    """

    path: Path
    settings: dict[str, Any]
    episodes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    checkpoints: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, settings: dict[str, Any]) -> Progress:
        """Read the run's progress, or begin one.

        Raises:
            ProgressError: the file is of another run, or not readable.
        """
        settings = json.loads(json.dumps(settings))
        if not path.exists():
            return cls(path, settings)
        try:
            data = json.loads(path.read_text(encoding='utf-8'))
            found = cls(path, data['settings'], data['episodes'], data['checkpoints'], data['seconds'])
        except (ValueError, KeyError, TypeError) as error:
            raise ProgressError(f'{path}: not a run of the loop ({error!r}); move it away to begin anew') from error
        if data.get('format') != FORMAT:
            raise ProgressError(f'{path}: format {data.get("format")}, this version reads {FORMAT}')
        for key, value in settings.items():
            if found.settings.get(key) != value:
                raise ProgressError(
                    f'{path}: this run has {key} = {found.settings.get(key)!r}, now asked for is {value!r}; '
                    'give the same, or another episodes_dir'
                )
        return found

    def save(self) -> None:
        """Write atomically: a killed process leaves the old file or the new one."""
        data = {'format': FORMAT, **{k: getattr(self, k) for k in ('settings', 'episodes', 'checkpoints', 'seconds')}}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix('.partial')
        with partial.open('w', encoding='utf-8') as file:
            json.dump(data, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, self.path)

    def done(self, phase: Phase) -> bool:
        """Whether the phase needs nothing more."""
        if phase.trains:
            return phase.name in self.checkpoints
        return len(self.episodes.get(phase.name, [])) >= phase.episodes

    def checkpoint_before(self, phase: Phase, order: list[Phase]) -> str:
        """The newest checkpoint saved by a phase ahead of ``phase`` in ``order``, '' if none."""
        newest = ''
        for earlier in order[: order.index(phase)]:
            newest = self.checkpoints.get(earlier.name, newest)
        return newest

    def success(self, phase: Phase) -> Proportion:
        """Successes among the episodes of a phase so far."""
        results = self.episodes.get(phase.name, [])
        return Proportion(sum(result['outcome'] == 'success' for result in results), len(results))


def settings(task: str, policy: str, robot: str, config: CurriculumConfig) -> dict[str, Any]:
    """What makes a run this run; a resumed run must have the same."""
    return {'task': task, 'policy': policy, 'robot': robot, 'curriculum': as_dict(config)}
