# SPDX-License-Identifier: Apache-2.0
"""The vision trunk of ``compact_flow``: two images and proprioception to features that know where things are.

Per camera a convolution finds keypoints by spatial soft-argmax (Finn et al. 2016); an MLP joins them with the
proprioception. It is pretrained once on random scenes (:mod:`igrft.training.pretrain`) to predict where the objects
are; a second look at each of them (:mod:`.glimpse`) corrects the predictions, which are part of its features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from igrft.policies.glimpse import GlimpseConfig, Glimpses, tool_headings

SHARPNESS = 4.0
"""Of an untrained soft-argmax: with 1 all keypoints begin in the middle and learn slowly."""


@dataclass(frozen=True, kw_only=True)
class TrunkConfig:
    """The trunk's size."""

    stem: int = 16
    stages: int = 1
    """strided convolutions to a quarter of the image's size: one 7 wide, or two, 5 and 3 wide"""
    width: int = 32
    keypoints: int = 24
    """a camera"""
    hidden: int = 256
    latent: int = 96
    """floats of the latent state, besides the predictions"""
    glimpse: GlimpseConfig = GlimpseConfig()
    """of the second looks"""

    def __post_init__(self) -> None:
        if min(self.stem, self.width, self.keypoints, self.hidden, self.latent) < 1:
            raise ValueError('stem, width, keypoints, hidden and latent must be at least 1')
        if self.stages not in (1, 2):
            raise ValueError('stages must be 1 or 2')


class KeypointNet(nn.Module):
    """One camera's image [B, H, W, 3] uint8 to keypoints: x, y in [−1, 1] and a strength each, [B, 3 K]."""

    def __init__(self, config: TrunkConfig, size: int) -> None:
        super().__init__()
        self.size = size
        stem, width = config.stem, config.width
        entry = [nn.ReLU(), nn.Conv2d(stem, width, 3, padding=1)]
        self.stem: nn.Module = nn.Conv2d(3, stem, 7, stride=4, padding=3)
        if config.stages == 2:
            entry = []
            self.stem = nn.Sequential(
                nn.Conv2d(3, stem, 5, stride=2, padding=2), nn.ReLU(), nn.Conv2d(stem, width, 3, stride=2, padding=1)
            )
        self.body = nn.Sequential(
            *entry,
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=2, dilation=2),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=4, dilation=4),
            nn.ReLU(),
        )
        self.heat = nn.Conv2d(config.width, config.keypoints, 1)
        self.sharpness = nn.Parameter(torch.full((config.keypoints,), SHARPNESS))
        side = (size + 3) // 4
        grid = torch.linspace(-1, 1, side)
        self.grid: Tensor
        self.register_buffer(
            'grid', torch.stack(torch.meshgrid(grid, grid, indexing='xy'), -1).reshape(-1, 2), persistent=False
        )

    def forward(self, image: Tensor) -> Tensor:
        x = image.movedim(-1, 1).to(self.heat.weight.dtype).div(127.5).sub(1.0)
        x = x.contiguous(memory_format=torch.channels_last)
        heat = self.heat(self.body(self.stem(x)))
        # Half precision is good enough to find a keypoint, not to say where it is.
        with torch.autocast(image.device.type, enabled=False):
            flat = heat.float().flatten(2)
            share = (flat * self.sharpness[:, None]).softmax(-1)
            position = share @ self.grid
            strength = (share * flat).sum(-1)
            return torch.cat([position.flatten(1), 0.1 * strength], -1)


class Trunk(nn.Module):
    """Images and proprioception to features [B, latent + targets]."""

    def __init__(
        self,
        cameras: tuple[str, ...],
        size: int,
        proprio_dim: int,
        targets: int,
        config: TrunkConfig,
        glimpses: Glimpses | None = None,
    ) -> None:
        super().__init__()
        self.glimpses = glimpses
        self.cameras = cameras
        self.targets = targets
        self.feature_dim = config.latent + targets
        self.eyes = nn.ModuleDict({name: KeypointNet(config, size) for name in cameras})
        self.proprio_mean: Tensor
        self.proprio_scale: Tensor
        self.register_buffer('proprio_mean', torch.zeros(proprio_dim))
        self.register_buffer('proprio_scale', torch.ones(proprio_dim))
        width = 3 * config.keypoints * len(cameras) + proprio_dim
        self.join = nn.Sequential(
            nn.Linear(width, config.hidden),
            nn.SiLU(),
            nn.Linear(config.hidden, config.hidden),
            nn.SiLU(),
            nn.Linear(config.hidden, config.latent),
            nn.LayerNorm(config.latent, elementwise_affine=False),
        )
        self.head = nn.Sequential(nn.SiLU(), nn.Linear(config.latent, targets)) if targets else None

    def forward(self, images: Mapping[str, Tensor], proprio: Tensor) -> Tensor:
        """Features: the latent state [B, latent], then the normalised predictions [B, targets]."""
        seen = [self.eyes[name](images[name]) for name in self.cameras]
        with torch.autocast(proprio.device.type, enabled=False):
            state = self.normalised(proprio)
            latent = self.join(torch.cat([*seen, state], -1))
            if self.head is None:
                return torch.as_tensor(latent)
            found = self.head(latent)
            if self.glimpses is not None:
                found = self.glimpses(images, found, state, tool_headings(proprio, self.glimpses.arms))
            return torch.cat([latent, found], -1)

    def normalised(self, proprio: Tensor) -> Tensor:
        """Proprioception in deviations over the scenes: [B, P]."""
        return ((proprio - self.proprio_mean) / self.proprio_scale).clamp(-5, 5)

    def predictions(self, features: Tensor) -> Tensor:
        """The part of the features that pretraining supervised: [B, targets]."""
        return features[:, -self.targets :]
