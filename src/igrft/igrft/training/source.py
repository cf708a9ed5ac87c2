# SPDX-License-Identifier: Apache-2.0
"""The recorded episodes of a task, from disk."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from igrft.config import RobotConfig
from igrft.episodes.cache import DecodingConfig, load_episode
from igrft.episodes.schema import EpisodeError, read_meta
from igrft.reward.hybrid import HybridConfig
from igrft.types import DecodedEpisode, Kind


def episode_folders(root: Path, task: str) -> Iterator[Path]:
    """Complete episode folders of a task, sorted by name; what is still being written begins with a dot."""
    folder = root / task
    if folder.is_dir():
        yield from sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith('.'))


def load_episodes(
    root: Path,
    task: str,
    robot: RobotConfig,
    image_size: int,
    labelling: HybridConfig | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[list[DecodedEpisode], dict[str, str]]:
    """Every episode that may be trained on, labelled, its frames at policy resolution.

    Args:
        root: has ``<task>/<episode>/``.
        task: name of the task.
        robot: what the policy is for.
        image_size: [px] side of the policy's images.
        labelling: constants of the reward.
        stop: checked between two episodes.

    Returns:
        the episodes, and folder name to reason of those that cannot be read; evaluation episodes are in neither.
    """
    decoding = DecodingConfig(width=image_size, height=image_size)
    found: list[DecodedEpisode] = []
    unreadable: dict[str, str] = {}
    for folder in episode_folders(root, task):
        if stop():
            break
        try:
            if read_meta(folder).kind is Kind.EVALUATION:
                continue
            found.append(load_episode(folder, decoding, labelling, robot))
        except EpisodeError as error:
            unreadable[folder.name] = str(error)
            print(f'left out: {error}', file=sys.stderr)
    return found, unreadable
