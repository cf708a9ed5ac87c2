# SPDX-License-Identifier: Apache-2.0
"""What a stage is asked to train, and the name of what comes of it: the same request is the same checkpoint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from igrft.config import as_dict
from igrft.policies import registry
from igrft.training import checkpoint as checkpoints
from igrft.training.config import TrainingConfig
from igrft.types import DecodedEpisode


@dataclass(frozen=True, kw_only=True)
class StageRequest:
    """What to train.

    Attributes:
        root: folder that has ``checkpoints`` and ``tensorboard``.
        spec: action_dim, proprio_dim, cameras, step_dt of the robot.
        parent: checkpoint folder to start from; None starts SFT from random weights.
    """

    stage: str
    task: str
    root: Path
    policy: str = 'compact_flow'
    policy_overrides: tuple[str, ...] = ()
    spec: dict[str, Any] = field(default_factory=dict)
    round: int = 0
    parent: Path | None = None


def image_size(request: StageRequest) -> int:
    """[px] side of the images that the request's policy takes: the parent's, or that of its configuration."""
    if request.parent is not None:
        return checkpoints.load(request.parent).policy.spec.image_size
    return registry.read_spec(request.policy, request.policy_overrides, request.spec).image_size


def fingerprint(episode: DecodedEpisode, rewards: bool) -> tuple[str, ...]:
    """What a training depends on of an episode, on its rewards where it has a critic: another label is another one."""
    arrays = [episode.actions, episode.source, episode.subtask_times]
    if rewards:
        arrays += [episode.rewards, episode.interaction]
    digest = hashlib.sha256(b''.join(np.ascontiguousarray(array).tobytes() for array in arrays))
    return episode.info.id, episode.info.outcome.value, digest.hexdigest()


def checkpoint_id(request: StageRequest, config: TrainingConfig, episodes: Iterable[DecodedEpisode]) -> str:
    """A name that is the same for the same training: stage, round, and a hash of everything that decides its result."""
    common = {
        k: v
        for k, v in as_dict(config).items()
        if k not in ('sft', 'offline_rl', 'hil', 'threads', 'device', 'log_every', 'checkpoint_every')
    }
    stage, policy = config.stage(request.stage), (request.policy, request.policy_overrides)
    begins_new = request.parent is None or stage.anew
    content = {
        'stage': request.stage,
        'round': request.round,
        'task': request.task,
        'policy': registry.settings(*policy) if begins_new else '',
        'trunk': registry.trunk_digest(*policy, request.spec) if begins_new else '',
        'parent': request.parent.name if request.parent else '',
        'settings': as_dict(stage),
        'common': common,
        'episodes': sorted(fingerprint(episode, rewards=stage.critic_steps > 0) for episode in episodes),
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
    suffix = f'-{request.round}' if request.round else ''
    return f'{request.stage}{suffix}-{digest}'
