# SPDX-License-Identifier: Apache-2.0
"""Features on disk, and the trunk that is shipped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from igrft.policies.pretrained import WEIGHTS, load_trunk
from igrft.policies.registry import create
from igrft.training.features import FeatureStore
from igrft.types import DecodedEpisode


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


@pytest.mark.parametrize(
    ('name', 'cameras', 'proprio', 'seen'),
    [
        ('cell_v4', ('front', 'wrist'), 17, ('block_stacking/red_block.tool.x', 'parcel_packing/lid.angle')),
        ('cell_dual_v3', ('front', 'left_wrist', 'right_wrist'), 34, ('sort_hand_over/red_bar.left.tool.x',)),
    ],
)
def test_the_shipped_trunks_fit_the_cells(
    name: str, cameras: tuple[str, ...], proprio: int, seen: tuple[str, ...]
) -> None:
    assert (WEIGHTS / f'{name}.safetensors').stat().st_size < 2_500_000
    trunk = load_trunk(name)
    trunk.check(cameras, 128, proprio)
    assert {target.rsplit('.', 1)[0] for target in seen} <= {target.rsplit('.', 1)[0] for target in trunk.targets}
    assert all(bool(parameter.isfinite().all()) for parameter in trunk.build().parameters())
