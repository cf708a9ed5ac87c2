# SPDX-License-Identifier: Apache-2.0
"""The vision trunk: shapes, what an image does to the features, independence of a row from its neighbours."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from igrft.policies.pretrained import TrunkError, load_trunk, save_trunk
from igrft.policies.trunk import KeypointNet, Trunk, TrunkConfig

CAMERAS = ('front', 'wrist')
SMALL = {'stem': 4, 'width': 8, 'keypoints': 3, 'hidden': 8, 'latent': 6}


def make(stages: int, size: int = 32, targets: int = 5) -> Trunk:
    torch.manual_seed(0)
    return Trunk(CAMERAS, size, 17, targets, TrunkConfig(stages=stages, **SMALL)).eval()


def frames(batch: int, size: int = 32, seed: int = 0) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = {c: torch.randint(0, 256, (batch, size, size, 3), generator=generator).byte() for c in CAMERAS}
    return images, torch.randn(batch, 17, generator=generator)


@pytest.mark.parametrize('stages', [1, 2])
@pytest.mark.parametrize('size', [16, 30, 33])
def test_any_image_size_gives_the_promised_features(stages: int, size: int) -> None:
    trunk = make(stages, size)
    with torch.no_grad():
        features = trunk(*frames(2, size))
    assert features.shape == (2, trunk.feature_dim) == (2, 11)
    assert trunk.predictions(features).shape == (2, 5)


@pytest.mark.parametrize('stages', [1, 2])
def test_a_row_does_not_depend_on_its_neighbours(stages: int) -> None:
    """In groups of one size, bit for bit: an episode must not depend on what runs beside it."""
    trunk = make(stages)
    images, proprio = frames(8)
    others, other_proprio = frames(8, seed=1)
    for camera in CAMERAS:
        others[camera][0] = images[camera][0]
    other_proprio[0] = proprio[0]
    with torch.no_grad():
        first, second = trunk(images, proprio), trunk(others, other_proprio)
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[1], second[1])


def test_a_keypoint_follows_a_spot() -> None:
    """A net whose heat is brightness has its keypoint on the bright spot."""
    net = KeypointNet(TrunkConfig(stages=2, stem=1, width=1, keypoints=1), 32)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        net.sharpness.fill_(20.0)
        for layer in (*net.stem, *net.body, net.heat):
            if isinstance(layer, torch.nn.Conv2d):
                middle = layer.kernel_size[0] // 2
                layer.weight[0, :, middle, middle] = 1.0
        image = torch.zeros(1, 32, 32, 3, dtype=torch.uint8)
        image[0, 8:12, 24:28] = 255
        x, y, _ = net(image)[0].tolist()
    assert x == pytest.approx(2 * 24 / 28 - 1, abs=0.2)
    assert y == pytest.approx(2 * 8 / 28 - 1, abs=0.2)


def test_a_file_gives_the_trunk_back_in_half_precision(tmp_path: Path) -> None:
    trunk, path = make(2), tmp_path / 'trunk.safetensors'
    names = tuple('abcde')
    save_trunk(trunk, path, names, TrunkConfig(stages=2, **SMALL), 32)
    found = load_trunk(str(path))
    assert (found.targets, found.config.stages) == (names, 2)
    inputs = frames(2)
    with torch.no_grad():
        torch.testing.assert_close(found.build().eval()(*inputs), trunk(*inputs), atol=0.02, rtol=0.02)
    path.write_bytes(b'nothing')
    with pytest.raises(TrunkError, match='not a trunk'):
        load_trunk(str(path))


def test_sizes_are_checked() -> None:
    with pytest.raises(ValueError, match='stages must be 1 or 2'):
        TrunkConfig(stages=3)
    with pytest.raises(ValueError, match='at least 1'):
        TrunkConfig(width=0)
