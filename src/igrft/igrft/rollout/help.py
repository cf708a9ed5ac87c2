# SPDX-License-Identifier: Apache-2.0
"""Calibrates help on request from bags: what the gate would have seen in the policy's own successful episodes."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

from igrft.control.conformal import CalibrationError
from igrft.control.help import HelpConfig, Signals
from igrft.control.help_calibration import Calibration, calibrate
from igrft.episodes.bag import EpisodeBag
from igrft.episodes.catalog import Entry, iterate
from igrft.episodes.digest import stamp_of
from igrft.episodes.schema import NANO
from igrft.episodes.topics import ACTION_CHUNK
from igrft.types import Kind, Outcome

ALONE = (Kind.ROLLOUT, Kind.EVALUATION)
"""Kinds of episodes in which nobody but the policy drives."""


def signals_of(directory: Path) -> list[Signals]:
    """What the chunks of an episode say, in the order of their stamps; a chunk that was published again counts once.

    Raises:
        EpisodeError: not an episode, or damaged.
    """
    bag = EpisodeBag(directory)
    found: dict[int, Signals] = {}
    for each in bag.decoded([ACTION_CHUNK]):
        stamp = stamp_of(each.message)
        if bag.meta.start <= stamp < bag.meta.end:
            # Bags of before there was help have no such field.
            spread = getattr(each.message, 'disagreement', math.nan)
            found[stamp] = Signals(stamp / NANO, float(each.message.value), float(spread))
    return [found[stamp] for stamp in sorted(found)]


def usable(entry: Entry, checkpoint: str, split: str = '') -> str:
    """Why an episode cannot calibrate a checkpoint, '' if it can."""
    meta = entry.meta
    if meta.kind not in ALONE:
        return f'kind is {meta.kind.value}'
    if meta.checkpoint != checkpoint:
        return f'driven by {meta.checkpoint or "nobody"}'
    if meta.outcome is not Outcome.SUCCESS:
        return f'outcome is {meta.outcome.value}'
    if meta.interventions:
        return 'somebody took over'
    return f'split is {meta.split}' if split and meta.split != split else ''


def calibrate_from_bags(
    root: Path, task: str, checkpoint: str, alpha: float, split: str = '', config: HelpConfig | None = None
) -> Calibration:
    """A calibration from the episodes below ``root``.

    Args:
        root: has ``<task>/<episode>/``.
        task: of the episodes.
        checkpoint: id of the policy that drove them, alone.
        alpha: bound on the share of successful episodes in which help is asked for.
        split: only layouts of this split, '' for all.
        config: of the scores.

    Raises:
        CalibrationError: too few usable episodes; says why the others are not.
        EpisodeError: a bag cannot be read.
    """
    left_out: Counter[str] = Counter()
    chosen = []
    for entry in iterate(root, task):
        reason = usable(entry, checkpoint, split)
        if reason:
            left_out[reason] += 1
        else:
            chosen.append(entry.path)
    try:
        return calibrate([signals_of(path) for path in chosen], alpha, checkpoint, task, config)
    except CalibrationError as error:
        others = '; '.join(f'{count} × {reason}' for reason, count in left_out.most_common(6))
        raise CalibrationError(
            f'{root / task}, episodes that {checkpoint} drove alone and to success: {error}'
            + (f' (left out: {others})' if others else '')
        ) from error
