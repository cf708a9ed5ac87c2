# SPDX-License-Identifier: Apache-2.0
"""Which recorded steps are nothing to imitate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from igrft.types import DecodedEpisode, Kind, Outcome, Source


def nothing_to_imitate(source: Tensor, before_takeover: int, progress: Sequence[int], within: int) -> Tensor:
    """Mark the policy's steps that led to a takeover, and a human's that led nowhere or on a long detour.

    Args:
        source: [T] of :class:`igrft.types.Source`, one episode.
        before_takeover: steps before one that led to it.
        progress: steps in which a subtask was completed, and the last one of a success.
        within: steps before such a one that led to it.

    Returns:
        [T] bool.
    """
    human, led, useful = source == int(Source.HUMAN), *torch.zeros(2, len(source), dtype=torch.bool)
    for start in ((human[1:] & ~human[:-1]).nonzero().flatten() + 1).tolist():
        led[max(0, start - before_takeover) : start] = True
    for step in progress:
        useful[max(0, step - within) : step + 1] = True
    left_out: Tensor = (led & (source == int(Source.POLICY))) | (human & ~useful)
    return left_out


def progress_of(episode: DecodedEpisode) -> list[int]:
    """The steps in which a subtask was completed, in order, and the last one of a success."""
    end = [len(episode) - 1] if episode.info.outcome is Outcome.SUCCESS else []
    return sorted({int(step) for step in episode.subtask_times if step >= 0} | set(end))


def marked(episode: DecodedEpisode) -> bool:
    """Somebody marked when a subtask was completed."""
    return bool((np.asarray(episode.subtask_times) >= 0).any())


def longest_wait(episodes: Sequence[DecodedEpisode], detour: float) -> int:
    """[steps] before progress in which a human's steps lead to it: ``detour`` times the longest that nine of ten
    demonstrations took from one completed subtask to the next, standing still aside. Without marked demonstrations,
    or with a detour of 0, as long as it takes.
    """
    shown = [episode for episode in episodes if episode.info.kind is Kind.DEMONSTRATION and marked(episode)]
    if not shown or not detour:
        return max(map(len, episodes), default=0)
    driven = [np.cumsum(np.asarray(episode.source) != int(Source.HOLD)) for episode in shown]
    waits = [
        np.diff(steps[progress_of(episode)], prepend=0).max() for steps, episode in zip(driven, shown, strict=True)
    ]
    return round(detour * float(np.quantile(waits, 0.9, method='higher')))
