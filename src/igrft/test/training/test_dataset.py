# SPDX-License-Identifier: Apache-2.0
"""Which recorded steps are nothing to imitate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from igrft.bench.config import MethodConfig
from igrft.config import config_dir, named
from igrft.method.awr import StepWeightConfig, step_weights
from igrft.policies import registry
from igrft.training.config import TrainingConfig
from igrft.training.dataset import Dataset
from igrft.training.marks import longest_wait, nothing_to_imitate
from igrft.training.stages import weighing
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


def test_a_humans_detour_is_left_out_where_progress_is_marked(
    make_episode: Callable[..., DecodedEpisode], overrides: tuple[str, ...], spec: dict[str, Any]
) -> None:
    shown = make_episode(1)  # twelve steps; a subtask in step 3, the end in step 11
    corrected = make_episode(2, Kind.CORRECTION, steps=40, human=slice(2, 40))
    unmarked = replace(corrected, subtask_times=np.array([-1, -1]))
    policy = registry.create('compact_flow', overrides=overrides, **spec)

    def left_out(episodes: list[DecodedEpisode], detour: float) -> list[int]:
        marks = StepWeightConfig(before_takeover=0, detour=detour)
        rows = Dataset.build(episodes, policy, marks=marks).left_out.nonzero().flatten() - len(shown)
        return [int(row) for row in rows]

    assert left_out([shown, corrected], 3.0) == list(range(4, 39 - 3 * 8))
    assert left_out([shown, corrected], 0.0) == []
    assert left_out([shown, unmarked], 3.0) == [], 'nobody said when there was progress'


def test_how_long_progress_may_take_is_measured_on_the_demonstrations(
    make_episode: Callable[..., DecodedEpisode],
) -> None:
    shown, corrected = make_episode(1), make_episode(2, Kind.CORRECTION, human=slice(2, 12))
    assert longest_wait([shown, corrected], 3.0) == 3 * 8
    standing = np.where(np.arange(12) < 2, N, H)[[*range(2, 6), 0, 1, *range(6, 12)]].astype(np.uint8)
    assert longest_wait([replace(shown, source=standing), corrected], 3.0) == 3 * 6, 'standing still does not count'
    assert longest_wait([*[shown] * 10, make_episode(3, steps=100)], 3.0) == 3 * 8, 'nor one slow demonstration of many'
    for episodes, detour in (([shown, corrected], 0.0), ([corrected], 3.0)):
        assert longest_wait(episodes, detour) >= len(corrected), 'without a measure as long as it takes'


@pytest.mark.parametrize('path', sorted((config_dir() / 'methods').glob('*.yaml')), ids=lambda path: path.stem)
def test_every_method_learns_from_what_it_records(path: Path) -> None:
    method = named('methods', path.stem, MethodConfig)
    training = named('training', 'bench', TrainingConfig, method.training)
    source = torch.tensor([P] * 20 + [H] * 20)
    none, advantage = torch.zeros(40, dtype=torch.bool), torch.linspace(-1, 1, 20).repeat(2)
    for name in ['offline_rl'] * method.offline_rl + ['hil'] * bool(method.rounds):
        stage = training.stage(name)
        known = advantage if stage.critic_steps else torch.zeros(40)
        weights = step_weights(known, source, none, none, weighing(stage), ~none)
        assert float(weights[:20].sum()) > 0 and float(weights[20:].min()) > 0
        assert bool(weights.isfinite().all())
