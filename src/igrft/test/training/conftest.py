# SPDX-License-Identifier: Apache-2.0
"""A tiny trunk, episodes that mean something, and a configuration of a few steps."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from igrft.config import named
from igrft.policies.pretrained import save_trunk
from igrft.policies.trunk import Trunk, TrunkConfig
from igrft.training.config import TrainingConfig
from igrft.training.request import StageRequest
from igrft.types import DecodedEpisode, EpisodeInfo, Kind, Outcome, Source

sys.path.insert(0, str(Path(__file__).parents[1] / 'policies'))

CAMERAS = ('front', 'wrist')
SIZE = 16
SPEC = {'action_dim': 7, 'proprio_dim': 17, 'cameras': CAMERAS, 'step_dt': 0.1}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def trunk_file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = TrunkConfig(stem=4, width=4, keypoints=3, hidden=8, latent=6)
    path = tmp_path / 'tiny.safetensors'
    save_trunk(Trunk(CAMERAS, SIZE, 17, 2, config), path, ('a', 'b'), config, SIZE)
    return path


@pytest.fixture
def overrides(trunk_file: Path) -> tuple[str, ...]:
    return (f'model.trunk_weights={trunk_file}', f'spec.image_size={SIZE}', 'model.width=16', 'model.blocks=1')


@pytest.fixture
def config() -> TrainingConfig:
    return named('training', 'smoke', TrainingConfig, ['threads=1'])


@pytest.fixture
def request_sft(tmp_path: Path, overrides: tuple[str, ...], spec: dict[str, Any]) -> StageRequest:
    return StageRequest(
        stage='sft', task='block_stacking', root=tmp_path / 'run', policy_overrides=overrides, spec=spec
    )


def _make_episode(
    index: int,
    kind: Kind = Kind.DEMONSTRATION,
    outcome: Outcome = Outcome.SUCCESS,
    steps: int = 12,
    human: slice = slice(0, 0),
    action_dim: int = 7,
) -> DecodedEpisode:
    """Actions that follow from where the tool is, images of noise, a reward for success."""
    rng = np.random.default_rng(index)
    proprio = rng.normal(size=(steps, 17)).astype(np.float32)
    actions = np.zeros((steps, action_dim), np.float32)
    actions[:, :6] = 0.3 * proprio[:, 8:14]
    actions[:, 6] = proprio[:, 7] > 0
    source = np.full(steps, int(Source.HUMAN if kind is Kind.DEMONSTRATION else Source.POLICY), np.uint8)
    source[human] = int(Source.HUMAN)
    return DecodedEpisode(
        info=EpisodeInfo(
            f'{index:04d}',
            'block_stacking',
            'stack the red block on the blue block and the green block on top',
            kind,
            outcome,
            index,
        ),
        dt=0.1,
        images={c: rng.integers(0, 255, (steps, SIZE, SIZE, 3), dtype=np.uint8) for c in CAMERAS},
        proprio=proprio,
        actions=actions,
        source=source,
        interaction=proprio[:, 0] > 0,
        subtask_times=np.array([3, -1]),
        rewards=np.full(steps, 1 / steps if outcome is Outcome.SUCCESS else 0.0, np.float32),
    )


@pytest.fixture
def make_episode() -> Callable[..., DecodedEpisode]:
    return _make_episode


@pytest.fixture
def spec() -> dict[str, Any]:
    return dict(SPEC)


@pytest.fixture
def episodes() -> list[DecodedEpisode]:
    """Four demonstrations, two rollouts, a correction and an evaluation (which must never be trained on)."""
    return [
        *(_make_episode(i) for i in range(4)),
        _make_episode(4, Kind.ROLLOUT),
        _make_episode(5, Kind.ROLLOUT, Outcome.TIMEOUT),
        _make_episode(6, Kind.CORRECTION, human=slice(6, 12)),
        _make_episode(7, Kind.EVALUATION),
    ]
