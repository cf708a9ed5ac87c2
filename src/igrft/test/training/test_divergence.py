# SPDX-License-Identifier: Apache-2.0
"""What runs away stops a stage, and what was good before stays; what cannot be read is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from igrft.training import checkpoint as checkpoints
from igrft.training.config import TrainingConfig
from igrft.training.dataset import DataError
from igrft.training.learner import DivergenceError, Learner, OptimiserSettings, StepResult
from igrft.training.request import StageRequest
from igrft.training.stages import StageRun
from igrft.types import DecodedEpisode


@pytest.mark.parametrize('wrong', [float('nan'), float('inf'), 1e4])
def test_a_critic_that_has_run_away_stops_the_stage_and_the_parent_stays(
    request_sft: StageRequest,
    config: TrainingConfig,
    episodes: list[DecodedEpisode],
    monkeypatch: pytest.MonkeyPatch,
    wrong: float,
) -> None:
    sft = StageRun(request_sft, config).run(episodes)
    offline = replace(request_sft, stage='offline_rl', parent=sft.path)
    monkeypatch.setattr('igrft.training.stages.predict', lambda critic, states, unseen: np.full(len(states), wrong))
    with pytest.raises(DivergenceError, match=r'the critic: .*lower critic_learning_rate'):
        StageRun(offline, config).run(episodes)
    assert sft.path is not None
    assert [path.name for path in (request_sft.root / 'checkpoints').glob('[!.]*')] == [sft.id]
    assert checkpoints.load(sft.path).id == sft.id


def test_a_loss_that_is_not_finite_stops_the_stage_before_the_weights_are_touched() -> None:
    module = torch.nn.Linear(2, 1)
    before = module.weight.detach().clone()
    settings = OptimiserSettings(10, 0.1, 1, 0.0, 1.0, 0.9)
    learner = Learner(module, lambda step: StepResult(module(torch.ones(1, 2)).sum() * float('nan')), settings)
    with pytest.raises(DivergenceError, match='step 0: loss nan'):
        learner.advance()
    assert torch.equal(module.weight, before)


def test_what_could_not_be_read_is_in_the_manifest_and_in_the_reason_for_a_failure(
    request_sft: StageRequest, config: TrainingConfig, make_episode: Callable[..., DecodedEpisode]
) -> None:
    unreadable = {'20261123T000000Z_A': 'no bag', '20261123T000000Z_B': 'no bag'}
    with pytest.raises(DataError, match=r'2 × no bag \(first: 20261123T000000Z_A\)'):
        StageRun(request_sft, config).run([], unreadable)
    trained = StageRun(request_sft, config).run([make_episode(1)], unreadable)
    assert trained.about['excluded'] == unreadable
