# SPDX-License-Identifier: Apache-2.0
"""Which recorded steps are nothing to imitate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from igrft.method.awr import StepWeightConfig, step_weights
from igrft.policies import registry
from igrft.training.dataset import Dataset
from igrft.training.marks import longest_wait, nothing_to_imitate
from igrft.types import DecodedEpisode, Kind, Outcome, Source

P, H, N = int(Source.POLICY), int(Source.HUMAN), int(Source.HOLD)


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
    dataset = Dataset.build([episode], policy, marks=StepWeightConfig(before_takeover=1))
    assert dataset.left_out.nonzero().flatten().tolist() == left_out


def test_steps_before_a_takeover_are_marked_and_count_nothing() -> None:
    source = torch.tensor([P, P, P, H, H, P, P, H, N])
    led = nothing_to_imitate(source, 2, [len(source) - 1], within=len(source))
    assert led.tolist() == [False, True, True, False, False, True, True, False, False]
    shown = torch.zeros(9, dtype=torch.bool)
    weights = step_weights(torch.linspace(-1, 1, 9), source, shown, led, StepWeightConfig(human=2.0))
    assert weights[led].sum() == 0
    assert weights[[3, 4, 7]].tolist() == [2.0, 2.0, 2.0]
    assert float(weights[8]) == 0.0
    assert float(weights[0]) > 0


def test_a_human_who_got_nowhere_is_nothing_to_imitate() -> None:
    source = torch.tensor([P, H, H, H, P, H])
    none = torch.zeros(6, dtype=torch.bool)
    for progress, within, kept in (
        ([5], 6, [1, 2, 3, 5]), ([2], 6, [1, 2]), ([], 6, []), ([5], 2, [3, 5]), ([2, 5], 0, [2, 5]), ([5], 0, [5])
    ):  # fmt: skip
        left_out = nothing_to_imitate(source, 0, progress, within)
        weights = step_weights(torch.zeros(6), source, none, left_out, StepWeightConfig(human=2.0))
        assert (weights == 2.0).nonzero().flatten().tolist() == kept
        assert weights[[0, 4]].tolist() == [1.0, 1.0], 'the policy is judged by its advantage'


def test_how_long_progress_may_take_is_measured_on_the_demonstrations(
    make_episode: Callable[..., DecodedEpisode],
) -> None:
    shown = make_episode(1, Kind.DEMONSTRATION, Outcome.SUCCESS)
    steps = sorted({0, *(int(step) for step in shown.subtask_times if step >= 0), len(shown) - 1})
    longest = max(b - a for a, b in zip(steps[:-1], steps[1:], strict=True))
    corrected = make_episode(2, Kind.CORRECTION, Outcome.SUCCESS, human=slice(2, 12))
    assert longest_wait([shown, corrected], 3.0) == 3 * longest
    for episodes, detour in (([shown, corrected], 0.0), ([corrected], 3.0)):
        assert longest_wait(episodes, detour) >= len(corrected), 'without a measure as long as it takes'
