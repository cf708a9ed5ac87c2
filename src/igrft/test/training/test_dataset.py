# SPDX-License-Identifier: Apache-2.0
"""Which recorded steps are nothing to imitate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from igrft.policies import registry
from igrft.training.dataset import Dataset
from igrft.types import DecodedEpisode, Kind, Outcome


@pytest.mark.parametrize(
    ('outcome', 'left_out'),
    [(Outcome.SUCCESS, [1]), (Outcome.FAILURE, [1, 4, 5, 6, 7, 8, 9, 10, 11]), (Outcome.TIMEOUT, [1, *range(4, 12)])],
)
def test_a_humans_steps_after_the_last_progress_of_a_failed_episode_are_left_out(
    make_episode: Callable[..., DecodedEpisode],
    overrides: tuple[str, ...],
    spec: dict[str, Any],
    outcome: Outcome,
    left_out: list[int],
) -> None:
    episode = make_episode(1, Kind.CORRECTION, outcome, human=slice(2, 12))  # its last subtask is done in step 3
    policy = registry.create('compact_flow', overrides=overrides, **spec)
    dataset = Dataset.build([episode], policy, before=1)
    assert dataset.left_out.nonzero().flatten().tolist() == left_out
