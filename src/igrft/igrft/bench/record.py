# SPDX-License-Identifier: Apache-2.0
"""An episode as the benchmark keeps it: features in place of frames, rewards not yet chosen."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from igrft.bench.supervision import Attention
from igrft.config import TaskConfig, named
from igrft.reward.hybrid import HybridConfig, hybrid_reward
from igrft.types import DecodedEpisode, EpisodeInfo, Kind, Outcome


@dataclass(frozen=True, slots=True)
class Record:
    """One finished episode.

    Attributes:
        episode: rewards all zero, images empty.
        features: [T, F] of the trunk; None of evaluation episodes, which nobody trains on.
        completed_at: [K] step at which each subtask was seen completed, NaN if never.
        interventions: takeovers.
        steps: executed.
        film: [8, H, W, 3] frames of the global camera, where it was filmed.
        attention: what it took of the human; not kept on disk.
    """

    episode: DecodedEpisode
    features: Tensor | None
    completed_at: npt.NDArray[np.float64]
    interventions: int
    steps: int
    film: npt.NDArray[np.uint8] | None = None
    attention: Attention | None = None

    @property
    def success(self) -> bool:
        return self.episode.info.outcome is Outcome.SUCCESS

    @property
    def progress(self) -> float:
        """Share of the subtasks that were completed."""
        return float((~np.isnan(self.completed_at)).mean())


def rewarded(record: Record, config: HybridConfig, sparse: bool = False) -> DecodedEpisode:
    """The episode with the rewards of :func:`igrft.reward.hybrid.hybrid_reward`, by the weights of its task's subtasks.

    Args:
        record: the episode.
        config: constants of the reward.
        sparse: 1 at the last step of a success and 0 everywhere else, in place of the hybrid reward.
    """
    length = len(record.episode)
    if sparse:
        rewards = np.zeros(length)
        rewards[-1] = float(record.success)
    else:
        dt = record.episode.dt
        task = named('tasks', record.episode.info.task, TaskConfig)
        weights = tuple(subtask.weight for subtask in task.subtasks)
        rewards = hybrid_reward(length, record.success, record.completed_at.tolist(), weights, dt, config).total
    return replace(record.episode, rewards=rewards.astype(np.float32))


def renamed(record: Record, name: str) -> Record:
    """The record under another id; those of two tasks may share one."""
    episode = record.episode
    return replace(record, episode=replace(episode, info=replace(episode.info, id=name)))


ARRAYS = ('proprio', 'actions', 'source', 'interaction', 'subtask_times', 'rewards')


def save(path: Path, record: Record) -> None:
    """Write a recorded episode as ``.npz``, atomically."""
    episode = record.episode
    info: dict[str, Any] = {name: getattr(episode.info, name) for name in EpisodeInfo.__slots__}
    about = {
        'info': info,
        'dt': episode.dt,
        'cameras': list(episode.images),
        'interventions': record.interventions,
        'steps': record.steps,
    }
    assert record.features is not None, 'evaluation episodes are not kept'
    arrays = {name: getattr(episode, name) for name in ARRAYS}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f'.{os.getpid()}.partial')
    with partial.open('wb') as file:
        np.savez(
            file, about=json.dumps(about), features=record.features.numpy(), completed_at=record.completed_at, **arrays
        )
    os.replace(partial, path)


def load(path: Path) -> Record:
    """Read what :func:`save` wrote."""
    with np.load(path, allow_pickle=False) as file:
        about = json.loads(str(file['about']))
        info = about['info'] | {'kind': Kind(about['info']['kind']), 'outcome': Outcome(about['info']['outcome'])}
        arrays = {name: file[name] for name in ARRAYS}
        empty = np.zeros((len(arrays['actions']), 0, 0, 3), np.uint8)
        episode = DecodedEpisode(
            info=EpisodeInfo(**info), dt=about['dt'], images=dict.fromkeys(about['cameras'], empty), **arrays
        )
        features = torch.from_numpy(file['features'])
        return Record(episode, features, file['completed_at'], about['interventions'], about['steps'])
