# SPDX-License-Identifier: Apache-2.0
"""Features on disk, the labels of pretraining, and the trunk that is shipped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from igrft.policies.pretrained import WEIGHTS, load_trunk
from igrft.policies.registry import create
from igrft.policies.trunk import TrunkConfig
from igrft.training.features import FeatureStore
from igrft.training.pretrain import PretrainConfig, pretrain
from igrft.training.scenes import Scenes, target_names, targets
from igrft.types import DecodedEpisode

DOWN = [0.0, 1.0, 0.0, 0.0]
"""A tool that points down: x of the tool is x of the base, its y and z are turned over."""


def test_features_are_computed_once(
    tmp_path: Path, overrides: tuple[str, ...], spec: dict[str, Any], make_episode: Callable[..., DecodedEpisode]
) -> None:
    policy = create('compact_flow', overrides=overrides, **spec)
    store, episode = FeatureStore(tmp_path / 'store'), make_episode(1)
    first = store(policy, episode)
    assert first.shape == (len(episode), policy.feature_dim)
    (file,) = (tmp_path / 'store').rglob('*.safetensors')
    written = file.stat().st_mtime_ns
    assert torch.equal(FeatureStore(tmp_path / 'store')(policy, episode), first)
    assert file.stat().st_mtime_ns == written
    file.write_bytes(b'cut')
    assert torch.equal(FeatureStore(tmp_path / 'store')(policy, episode), first)


def test_another_trunk_has_other_features(
    tmp_path: Path, overrides: tuple[str, ...], spec: dict[str, Any], make_episode: Callable[..., DecodedEpisode]
) -> None:
    policy, other = (create('compact_flow', overrides=overrides, **spec) for _ in range(2))
    with torch.no_grad():
        next(other.trunk.parameters()).add_(0.5)  # type: ignore[operator, union-attr]
    store = FeatureStore(tmp_path / 'store')
    store(policy, make_episode(1))
    store(other, make_episode(1))
    assert len(list((tmp_path / 'store').rglob('*.safetensors'))) == 2


def test_targets_say_where_things_are_from_the_tool() -> None:
    names = target_names(['blue', 'red'])
    poses = {'blue': np.array([0.5, 0.1, 0.02, 1, 0, 0, 0]), 'red': np.array([0.4, 0.0, 0.02, 1, 0, 0, 0])}
    values = dict(zip(names, targets(poses, np.array([0.4, 0.0, 0.12, *DOWN]), 'red'), strict=True))
    assert [values[f'red.tool.{a}'] for a in 'xyz'] == pytest.approx([0.0, 0.0, 0.10])
    assert [values[f'blue.tool.{a}'] for a in 'xyz'] == pytest.approx([0.1, -0.1, 0.10])
    assert [values[f'blue-red.base.{a}'] for a in 'xyz'] == pytest.approx([0.1, 0.1, 0.0])
    assert (values['red.held'], values['blue.held']) == (1.0, 0.0)
    assert values['red.yaw.cos'] == pytest.approx(1.0)


def test_a_quarter_turn_of_a_cube_is_no_turn() -> None:
    tool = np.array([0.4, 0.0, 0.1, *DOWN])

    def yaw(angle: float) -> list[float]:
        pose = np.array([0.4, 0.0, 0.02, np.cos(angle / 2), 0, 0, np.sin(angle / 2)])
        names = target_names(['red'])
        values = dict(zip(names, targets({'red': pose}, tool, ''), strict=True))
        return [values['red.yaw.cos'], values['red.yaw.sin']]

    assert yaw(0.2) == pytest.approx(yaw(0.2 + np.pi / 2), abs=1e-9)
    assert yaw(0.2) != pytest.approx(yaw(-0.2), abs=1e-3)


def test_pretraining_learns_its_targets() -> None:
    """The targets follow from the proprioception, so a few steps must beat guessing the middle."""

    def scenes(count: int, seed: int) -> Scenes:
        rng = np.random.default_rng(seed)
        proprio = rng.normal(size=(count, 17)).astype(np.float32)
        images = rng.integers(0, 255, (count, 8, 8, 3), dtype=np.uint8)
        return Scenes({'front': images}, proprio, 3 * proprio[:, :2], ('spot.x', 'spot.y'))

    size = TrunkConfig(stem=16, width=16, keypoints=2, hidden=32, latent=16)
    settings = PretrainConfig(steps=150, batch=32, learning_rate=5e-3, threads=1)
    trunk, errors = pretrain(scenes(256, 0), scenes(64, 1), 8, size, settings)
    assert trunk.feature_dim == 18
    assert max(errors.values()) < 0.5 * 3 * 0.67, errors


def test_the_shipped_trunk_fits_the_cell() -> None:
    (file,) = WEIGHTS.glob('cell_v1.safetensors')
    assert file.stat().st_size < 2_000_000
    trunk = load_trunk('cell_v1')
    trunk.check(('front', 'wrist'), 128, 17)
    assert trunk.targets == target_names(['red_block', 'blue_block'])
    assert all(bool(parameter.isfinite().all()) for parameter in trunk.build().parameters())
