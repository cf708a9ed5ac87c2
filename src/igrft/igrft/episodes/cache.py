# SPDX-License-Identifier: Apache-2.0
"""Decoded episodes: read from the bag once, then memory-mapped.

``.cache/<hash>/`` beside the episode holds the arrays, keyed by what decoding depends on. A cache made with
another configuration is left alone and another one is built; any of them can be deleted at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from igrft.config import RobotConfig, as_dict, named
from igrft.episodes.labels import Labels, label, load_labels, save_labels
from igrft.episodes.reader import RawEpisode, read_episode
from igrft.episodes.schema import EpisodeError, EpisodeMeta, read_meta
from igrft.episodes.store import key_of, load_arrays, save_arrays
from igrft.reward.hybrid import HybridConfig
from igrft.types import DecodedEpisode, UInt8

FOLDER = '.cache'
CACHE_VERSION = 1
"""Raised when the arrays' meaning changes, so that old caches are built anew."""
_IMAGE = 'image_'


@dataclass(frozen=True, kw_only=True)
class DecodingConfig:
    """How frames are brought to the policy's resolution."""

    width: int = 96
    """[px]"""
    height: int = 96

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError('width and height must be positive [px]')


def resize(frame: UInt8, width: int, height: int) -> UInt8:
    """A frame [H, W, …] at another size, by area; the policy node does the same to live frames."""
    if frame.shape[:2] == (height, width):
        return frame
    return np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def load_episode(
    directory: Path,
    decoding: DecodingConfig | None = None,
    labelling: HybridConfig | None = None,
    robot: RobotConfig | None = None,
    cache_dir: Path | None = None,
) -> DecodedEpisode:
    """An episode ready for training; the first call decodes the bag, later ones map the cache.

    Args:
        directory: ``<root>/<task>/<utc>_<ulid>``.
        decoding: resolution of the frames.
        labelling: constants of interaction and reward.
        robot: what it was recorded with; default the configuration of the name in ``episode.yaml``.
        cache_dir: where caches and labels go; default the episode's own directory.

    Raises:
        EpisodeError: the episode cannot be used, or the cache cannot be written; names file and remedy.
        ConfigError: the robot's configuration does not exist.
    """
    decoding = decoding or DecodingConfig()
    labelling = labelling or HybridConfig()
    meta = read_meta(directory)
    robot = robot or named('robots', meta.robot, RobotConfig)
    beside = cache_dir / directory.name if cache_dir else directory
    folder = beside / FOLDER / cache_key(meta, decoding, robot)
    arrays = load_arrays(folder, mapped=True)
    labels = load_labels(beside, meta, labelling)
    raw: RawEpisode | None = None
    if arrays is None:
        raw = read_episode(directory, robot)
        save_arrays(folder, decode(raw, decoding), {'episode': meta.id, 'decoding': as_dict(decoding)})
        arrays = load_arrays(folder, mapped=True) or decode(raw, decoding)
    if labels is None:
        raw = raw or read_episode(directory, robot)
        try:
            labels = label(raw, labelling)
        except ValueError as error:  # pictures and masks that do not fit each other
            raise EpisodeError(f'{directory}: cannot be labelled: {error}') from error
        save_labels(beside, labels, meta, labelling)
    return _assemble(meta, arrays, labels)


def decode(raw: RawEpisode, config: DecodingConfig) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a cache."""
    images = {
        f'{_IMAGE}{name}': np.stack([resize(frame, config.width, config.height) for frame in frames])
        for name, frames in raw.frames.items()
    }
    return {
        **images,
        'stamps': raw.stamps,
        'proprio': raw.proprio,
        'actions': raw.actions,
        'source': raw.source,
        'poses': raw.poses,
    }


def cache_key(meta: EpisodeMeta, decoding: DecodingConfig, robot: RobotConfig) -> str:
    """What decoded arrays depend on besides the bag."""
    cell = {
        'arms': robot.arms,
        'joints': robot.joints,
        'cameras': [(camera.name, camera.robot_mask) for camera in robot.cameras],
    }
    return key_of(['cache', CACHE_VERSION, as_dict(decoding), cell, meta.start, meta.end, meta.dt])


def _assemble(meta: EpisodeMeta, arrays: Mapping[str, npt.NDArray[Any]], labels: Labels) -> DecodedEpisode:
    images = {name.removeprefix(_IMAGE): array for name, array in arrays.items() if name.startswith(_IMAGE)}
    return DecodedEpisode(
        info=meta.info(),
        dt=meta.dt,
        images=images,
        proprio=arrays['proprio'],
        actions=arrays['actions'],
        source=arrays['source'],
        interaction=labels.interaction,
        subtask_times=labels.subtask_times,
        rewards=labels.rewards,
        poses=arrays['poses'],
    )
