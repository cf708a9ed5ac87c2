# SPDX-License-Identifier: Apache-2.0
"""An episode as people look at it: on the policy's time grid, with its curves and with who drove when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from igrft.config import RobotConfig, named
from igrft.episodes.bag import EpisodeBag
from igrft.episodes.cache import DecodingConfig, load_episode
from igrft.episodes.digest import stamp_of
from igrft.episodes.schema import NANO, EpisodeMeta, read_meta
from igrft.reward.hybrid import HybridConfig
from igrft.reward.subtask import NEVER, potential
from igrft.types import DecodedEpisode, Source

CHUNKS = 'policy/action_chunk'
Curve = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive steps of one kind, from ``start`` to ``end`` [s] after the episode's begin."""

    what: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Replay:
    """One episode.

    Attributes:
        meta: ``episode.yaml``.
        episode: decoded as training sees it, with pictures of the asked width.
        curves: potential, reward, probability (p_int) and value (V) of every step [T]; NaN where nobody said one.
        sources: policy, human or hold.
        interaction: where I_t holds.
        subtasks: name and completion [s], None where it was never completed.
    """

    meta: EpisodeMeta
    episode: DecodedEpisode
    curves: dict[str, Curve]
    sources: tuple[Stretch, ...]
    interaction: tuple[Stretch, ...]
    subtasks: tuple[tuple[str, float | None], ...]


def load_replay(directory: Path, labelling: HybridConfig | None = None, max_width: int = 0) -> Replay:
    """Read an episode for looking at it.

    Args:
        directory: ``<root>/<task>/<utc>_<ulid>``.
        labelling: constants of interaction and reward.
        max_width: [px] to which pictures are made smaller; 0 leaves them as they were recorded.

    Raises:
        EpisodeError: the episode cannot be used.
        ConfigError: the robot's configuration does not exist.
    """
    labelling = labelling or HybridConfig()
    meta = read_meta(directory)
    robot = named('robots', meta.robot, RobotConfig)
    camera = max(robot.cameras, key=lambda c: c.width)
    width = min(camera.width, max_width or camera.width)
    decoding = DecodingConfig(width=width, height=max(1, round(width * camera.height / camera.width)))
    episode = load_episode(directory, decoding, labelling, robot)
    done = [None if s.stamp is None else (s.stamp - meta.start) / NANO for s in meta.subtasks]
    completed = [NEVER if time is None else time for time in done]
    weights = [subtask.weight for subtask in meta.subtasks]
    probability, value = _said(EpisodeBag(directory), len(episode))
    curves = {
        'potential': potential(np.arange(len(episode)) * meta.dt, completed, weights, labelling.kappa),
        'reward': np.asarray(episode.rewards, np.float64),
        'probability': probability,
        'value': value,
    }
    drivers = [Source(int(source)).name.lower() for source in episode.source]
    touched = _stretches(['interaction' if held else '' for held in episode.interaction], meta.dt)
    return Replay(
        meta=meta,
        episode=episode,
        curves=curves,
        sources=tuple(_stretches(drivers, meta.dt)),
        interaction=tuple(stretch for stretch in touched if stretch.what),
        subtasks=tuple(zip((s.name for s in meta.subtasks), done, strict=True)),
    )


def _said(bag: EpisodeBag, steps: int) -> tuple[Curve, Curve]:
    """p_int and V [steps] of the chunk that was the newest at each step."""
    values = np.full((2, steps), np.nan)
    dt = bag.meta.dt * NANO
    # A chunk that was asked for again is in the bag twice.
    chunks: dict[int, Any] = {stamp_of(item.message): item.message for item in bag.decoded([CHUNKS])}
    stamps = sorted(chunks)
    for index, stamp in enumerate(stamps):
        chunk = chunks[stamp]
        after = stamps[index + 1] if index + 1 < len(stamps) else stamp + round(chunk.horizon * dt)
        first, behind = (max(round((t - bag.meta.start) / dt), 0) for t in (stamp, after))
        values[:, first:behind] = [[chunk.interaction_probability], [chunk.value]]
    return values[0], values[1]


def _stretches(values: Sequence[str], dt: float) -> Iterator[Stretch]:
    """Runs of equal values."""
    begin = 0
    for step in range(1, len(values) + 1):
        if step == len(values) or values[step] != values[begin]:
            yield Stretch(values[begin], round(begin * dt, 6), round(step * dt, 6))
            begin = step
