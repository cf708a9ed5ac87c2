# SPDX-License-Identifier: Apache-2.0
"""Labels derived from an episode: interaction, hybrid reward. Never written into the bag.

They lie beside it in ``.labels/<hash>/``, keyed by the labelling configuration; deleting that folder costs
nothing but the time to compute them again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from igrft.config import as_dict
from igrft.episodes.reader import RawEpisode, Stamps
from igrft.episodes.schema import NANO, EpisodeMeta
from igrft.episodes.store import key_of, load_arrays, save_arrays
from igrft.reward.hybrid import HybridConfig, HybridReward, hybrid_reward
from igrft.reward.interaction import InteractionConfig, InteractionDetector
from igrft.types import Float32, Outcome

FOLDER = '.labels'
LABELS_VERSION = 2
"""Raised when the labels' meaning changes, so that old ones are computed anew."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Derived labels of one episode.

    Attributes:
        interaction: [T] bool, I_t.
        moving_pixels: [T] int64, what I_t was decided from.
        subtask_times: [K] int64, step of each subtask's completion, -1 if never.
        rewards: [T] float32, hybrid reward.
    """

    interaction: npt.NDArray[np.bool_]
    moving_pixels: npt.NDArray[np.int64]
    subtask_times: npt.NDArray[np.int64]
    rewards: Float32


def label(raw: RawEpisode, config: HybridConfig) -> Labels:
    """Compute an episode's labels."""
    interaction, pixels = label_interaction(raw, config.interaction)
    reward = label_reward(raw.meta, raw.stamps, config)
    return Labels(
        interaction=interaction,
        moving_pixels=pixels,
        subtask_times=subtask_steps(raw.meta, raw.stamps),
        rewards=reward.total.astype(np.float32),
    )


def label_interaction(
    raw: RawEpisode, config: InteractionConfig
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """I_t [T] bool and its pixel counts [T], by the detector that runs online too."""
    detector = InteractionDetector(config)
    frames = raw.frames[raw.grid_camera]
    samples = [
        detector.update(frames[t], None if raw.mask is None else raw.mask[t], raw.stamps[t] / NANO)
        for t in range(len(raw.stamps))
    ]
    return (
        np.array([sample.interacting for sample in samples], np.bool_),
        np.array([sample.moving_pixels for sample in samples], np.int64),
    )


def label_reward(meta: EpisodeMeta, stamps: Stamps, config: HybridConfig) -> HybridReward:
    """The hybrid reward of every step; an unlabelled episode has no trajectory reward."""
    dt = meta.dt * NANO
    completed_at = [
        float('nan') if subtask.stamp is None else (subtask.stamp - int(stamps[0])) / dt for subtask in meta.subtasks
    ]
    weights = [subtask.weight for subtask in meta.subtasks]
    success = meta.outcome is Outcome.SUCCESS
    return hybrid_reward(len(stamps), success, completed_at, weights, meta.dt, config)


def subtask_steps(meta: EpisodeMeta, stamps: Stamps) -> npt.NDArray[np.int64]:
    """[K] index of the step whose observation shows the subtask completed (the last step where that is the
    end itself), -1 if never."""
    steps = np.full(len(meta.subtasks), -1, np.int64)
    for k, subtask in enumerate(meta.subtasks):
        if subtask.stamp is not None:
            steps[k] = np.clip(np.searchsorted(stamps, subtask.stamp, 'right') - 1, 0, len(stamps) - 1)
    return steps


def label_key(meta: EpisodeMeta, config: HybridConfig) -> str:
    """What a set of labels depends on besides the bag: the configuration, the outcome, the subtask times."""
    subtasks = [(s.name, s.weight, s.stamp) for s in meta.subtasks]
    return key_of(['labels', LABELS_VERSION, as_dict(config), meta.outcome.value, meta.start, meta.end, subtasks])


def load_labels(directory: Path, meta: EpisodeMeta, config: HybridConfig) -> Labels | None:
    """Labels computed earlier with the same configuration, None where there are none."""
    arrays = load_arrays(directory / FOLDER / label_key(meta, config))
    return Labels(**arrays) if arrays is not None else None


def save_labels(directory: Path, labels: Labels, meta: EpisodeMeta, config: HybridConfig) -> None:
    """Put labels beside the bag, atomically."""
    arrays = {name: getattr(labels, name) for name in Labels.__slots__}
    save_arrays(directory / FOLDER / label_key(meta, config), arrays, {'config': as_dict(config)})
