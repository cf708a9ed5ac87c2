# SPDX-License-Identifier: Apache-2.0
"""What a cell of the table is made of: trainings, a tally of what they used, locks on what cells share."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from igrft.bench.config import ProfileConfig
from igrft.bench.record import Record
from igrft.config import as_dict
from igrft.policies.serving import Agent
from igrft.reward.hybrid import HybridConfig
from igrft.training.checkpoint import Checkpoint
from igrft.training.config import TrainingConfig


@dataclass
class Tally:
    """What a method has used so far."""

    demos: int = 0
    rollouts: int = 0
    interventions: int = 0
    train_s: float = 0.0
    curve: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    chosen: dict[str, Any] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        """Count in what another one has used."""
        self.demos += other.demos
        self.rollouts += other.rollouts
        self.interventions += other.interventions
        self.train_s += other.train_s

    def used(self) -> dict[str, int]:
        """The data so far."""
        return {'demos': self.demos, 'rollouts': self.rollouts, 'interventions': self.interventions}


@dataclass(frozen=True, slots=True)
class Training:
    """What a stage is trained with; ``number`` is the round's."""

    stage: str
    data: list[Record]
    parent: Checkpoint | None
    config: TrainingConfig
    number: int = 0


def with_steps(config: TrainingConfig, stage: str, steps: int) -> TrainingConfig:
    """The same training with another length of a stage."""
    changed = {stage: replace(config.stage(stage), steps=steps)}
    return replace(config, **changed)  # type: ignore[arg-type]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one process at a time makes what others then read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def recorded_by(agent: Agent | None, profile: ProfileConfig, reward: HybridConfig, used: Mapping[str, Any]) -> str:
    """The folder of the episodes that an agent, or the operator alone, records: other ones wherever anything is
    different that they depend on. What one explores with matters once there is a critic.

    Args:
        used: :func:`igrft.bench.config.constants`, of which the task, the robot and the trunk count.
    """
    explores = as_dict(agent.temperature) if agent and agent.critic else None
    cell = used['policy']['frozen'], used['task'], used['robot']
    content = [profile.replan_steps, dict(profile.habits), as_dict(reward.interaction), *cell, explores]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
    return f'{agent.checkpoint if agent else "operator"}-{digest}'
