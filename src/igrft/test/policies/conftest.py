# SPDX-License-Identifier: Apache-2.0
"""The policy families at a size that takes milliseconds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from igrft.policies.pretrained import save_trunk
from igrft.policies.protocol import Inputs, Policy
from igrft.policies.registry import create
from igrft.policies.trunk import Trunk, TrunkConfig
from igrft.types import Observation

sys.path.insert(0, str(Path(__file__).parent))

CAMERAS = ('front', 'wrist')
SIZE = 32


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope='session')
def tiny_trunk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = TrunkConfig(stem=4, width=4, keypoints=3, hidden=8, latent=6)
    path = tmp_path_factory.mktemp('trunk') / 'tiny.safetensors'
    save_trunk(Trunk(CAMERAS, SIZE, 17, 2, config), path, ('a', 'b'), config, SIZE)
    return path


def _make(name: str, trunk: Path, *more: str) -> Policy:
    own = {
        'compact_flow': (f'model.trunk_weights={trunk}', 'model.width=16', 'model.blocks=1', f'spec.image_size={SIZE}'),
        'act': (
            f'model.trunk_weights={trunk}',
            'model.width=16',
            'model.heads=2',
            'model.layers=1',
            f'spec.image_size={SIZE}',
        ),
        'pi0_tiny': (
            'model.hidden=16',
            'model.layers=2',
            'model.heads=2',
            'model.head_dim=8',
            f'spec.image_size={SIZE}',
        ),
    }[name]
    torch.manual_seed(1)
    return create(name, overrides=(*own, *more), action_dim=7, proprio_dim=17, cameras=CAMERAS, step_dt=0.1)


@pytest.fixture
def make_policy(tiny_trunk: Path) -> Callable[..., Policy]:
    return lambda name='compact_flow', *more: _make(name, tiny_trunk, *more)


@pytest.fixture(params=['compact_flow', 'pi0_tiny', 'act'])
def policy(request: pytest.FixtureRequest, make_policy: Callable[..., Policy]) -> Policy:
    return make_policy(request.param)


def _inputs(batch: int, seed: int = 0) -> Inputs:
    rng = np.random.default_rng(seed)
    images = {c: torch.from_numpy(rng.integers(0, 255, (batch, SIZE, SIZE, 3), dtype=np.uint8)) for c in CAMERAS}
    proprio = torch.from_numpy(rng.normal(size=(batch, 17)).astype(np.float32))
    return Inputs(proprio, ['stack the red block on the blue block and the green block on top'] * batch, images=images)


@pytest.fixture
def make_inputs() -> Callable[..., Inputs]:
    return _inputs


@pytest.fixture
def observation() -> Observation:
    inputs = _inputs(1)
    assert inputs.images is not None
    images = {name: frames[0].numpy() for name, frames in inputs.images.items()}
    return Observation(12.5, images, inputs.proprio[0].numpy(), inputs.instructions[0])
