# SPDX-License-Identifier: Apache-2.0
"""Second looks learn what the first cannot tell: how a bar is turned."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from igrft.policies.glimpse import Lens
from igrft.policies.trunk import Trunk, TrunkConfig
from igrft.training.frames import Frames
from igrft.training.refine import RefineConfig, blank, first_looks, refine
from igrft.training.scene_store import Scenes
from igrft.types import proprioception

SIDE = 32
ABOVE = Lens('base', torch.tensor([[0.0, 5.0, 0.0, 0.0], [-5.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]))


def scenes(count: int, seed: int) -> Scenes:
    """A bright bar in the middle, turned any way; the tool points down, itself turned any way."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    images = np.zeros((count, SIDE, SIDE, 3), np.uint8)
    proprio = np.zeros((count, 17), np.float32)
    targets = np.zeros((count, 5), np.float32)
    for i, (bar, tool) in enumerate(rng.uniform(-np.pi / 2, np.pi / 2, (count, 2))):
        # x of base_link is up in the image, y is right
        along = columns * np.sin(bar) - rows * np.cos(bar)
        aside = columns * np.cos(bar) + rows * np.sin(bar)
        images[i][(np.abs(along) < 8) & (np.abs(aside) < 2)] = 255
        down = np.array([0.0, np.cos(tool / 2), np.sin(tool / 2), 0.0])
        proprio[i] = proprioception(np.zeros(7), 0.5, np.zeros(3), down)
        targets[i, 3:] = np.cos(2 * (tool - bar)), np.sin(2 * (tool - bar))
    names = tuple(f'toy/bar.{what}' for what in ('base.x', 'base.y', 'base.z', 'yaw.cos', 'yaw.sin'))
    return Scenes({'front': images}, proprio, targets, names)


def test_second_looks_learn_a_heading() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    train, test = scenes(600, 0), scenes(64, 1)
    config = TrunkConfig(stem=2, width=2, keypoints=2, hidden=4, latent=4)
    trunk = Trunk(('front',), SIDE, 17, 5, config)
    looks = blank(train, train.names, {'front': ABOVE}, {'toy/bar': 2})
    before = first_looks(trunk, Frames(test, torch.device('cpu')), torch.from_numpy(test.proprio))
    trunk = refine(trunk, looks, train, RefineConfig(steps=120, batch=64))
    with torch.no_grad():
        features = trunk({'front': torch.from_numpy(test.images['front'])}, torch.from_numpy(test.proprio))
    after = trunk.predictions(features)

    def error(found: torch.Tensor) -> float:
        cos, sin = (found * looks.scale + looks.mean)[:, 3:].unbind(-1)
        off = torch.atan2(sin, cos) - torch.atan2(*torch.from_numpy(test.targets)[:, [4, 3]].unbind(-1))
        return float(torch.atan2(off.sin(), off.cos()).abs().median()) / 2

    assert error(before) > 0.5  # chance is π / 4
    assert error(after) < 0.15


def test_what_never_moves_is_looked_at_where_it_is() -> None:
    """A thing whose position is no target, because it never changes, still has a window."""
    every = scenes(20, 0)
    every.targets[:, 0] = 0.3
    names = every.names[1:]
    looks = blank(every, names, {'front': ABOVE}, {'toy/bar': 2})
    where = looks.positions(torch.zeros(1, len(names)))
    assert where[0, 0, 0].tolist() == pytest.approx([0.3, 0.0, 0.0])
