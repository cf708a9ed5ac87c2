# SPDX-License-Identifier: Apache-2.0
"""``compact_flow``: a small flow policy on a pretrained, frozen vision trunk.

The trunk turns a frame into some hundred numbers, once. What the three stages train is the action expert: a gaze that
picks the things to act on (:mod:`.gaze`), and a residual MLP over the whole chunk with adaptive layer norm (Peebles &
Xie 2023) for what it sees and τ. Milliseconds a step on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from igrft.config import as_dict
from igrft.policies.flow import FlowPolicy
from igrft.policies.gaze import Gaze
from igrft.policies.normalisation import Normalisation
from igrft.policies.pretrained import PretrainedTrunk, named_trunk, refuse_older
from igrft.policies.protocol import Inputs, PolicyError, PolicySpec
from igrft.policies.text import TextEncoder
from igrft.policies.trunk import Trunk, TrunkConfig


@dataclass(frozen=True, kw_only=True)
class CompactFlowConfig:
    """The policy's size (``config/policies/compact_flow.yaml``)."""

    trunk_weights: str = 'shipped'
    """'shipped': the package's own that fits the robot; or the name of one of them, the path of another, or '' for
    random weights (then train it)"""
    train_trunk: bool = False
    """True trains the trunk with the action expert; features are then not cached"""
    trunk: TrunkConfig = TrunkConfig()
    """size of the trunk where trunk_weights is ''"""
    heads: int = 4
    """things that the action expert looks at together; 0 shows it all predictions at once"""
    gaze: int = 128
    """width of the network that decides where to look"""
    latent: bool = False
    """whether the action expert also sees the trunk's latent state"""
    width: int = 128
    blocks: int = 3
    text: int = 16
    """floats of the encoded instruction"""
    feature_noise: float = 0.03
    """standard deviation of the noise on features in training"""
    dropout: float = 0.0
    flow_steps: int = 10

    def __post_init__(self) -> None:
        if min(self.width, self.blocks, self.text, self.gaze, self.flow_steps) < 1:
            raise ValueError('width, blocks, text, gaze and flow_steps must be at least 1')
        if self.feature_noise < 0 or self.heads < 0:
            raise ValueError('feature_noise and heads must not be negative')
        if not self.trunk_weights and not self.train_trunk:
            raise ValueError(
                "trunk_weights is '' and train_trunk false: a random trunk would stay random; set one of them"
            )


def time_embedding(tau: Tensor, width: int) -> Tensor:
    """Sines and cosines of τ in [0, 1] at ``width / 2`` frequencies: [B, width]."""
    frequencies = torch.exp(torch.linspace(0.0, math.log(100.0), width // 2, device=tau.device))
    angles = tau[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], -1)


class Block(nn.Module):
    """Residual MLP whose norm is shifted, scaled and gated by the condition."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.condition = nn.Linear(width, 3 * width)
        self.body = nn.Sequential(
            nn.Linear(width, 2 * width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )
        # Small, not zero: with zeros the first gradient would not reach the state at all.
        nn.init.normal_(self.condition.weight, std=0.02)
        nn.init.zeros_(self.condition.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        shift, scale, gate = self.condition(condition).chunk(3, -1)
        update: Tensor = self.body(self.norm(x) * (1 + scale) + shift)
        result: Tensor = x + (1 + gate) * update
        return result


class CompactFlow(FlowPolicy):
    """See the module."""

    name = 'compact_flow'

    def __init__(self, spec: PolicySpec, config: CompactFlowConfig, trunk: PretrainedTrunk | None = None) -> None:
        """Build the policy with random weights around its trunk.

        Args:
            spec: what it is made for.
            config: its size.
            trunk: a loaded trunk; left out, the one that the configuration names.

        Raises:
            PolicyError: the trunk was made for other cameras, image or proprioception size.
        """
        super().__init__()
        self.spec = spec
        self.config = config
        loaded = trunk
        if loaded is None and config.trunk_weights:
            loaded = named_trunk(config.trunk_weights, spec.cameras, spec.image_size, spec.proprio_dim)
        if loaded is None:
            self.targets: tuple[str, ...] = ()
            self.frames: Mapping[str, str] = {}
            self.trunk = Trunk(spec.cameras, spec.image_size, spec.proprio_dim, 0, config.trunk)
            self.trunk_config = config.trunk
        else:
            loaded.check(spec.cameras, spec.image_size, spec.proprio_dim)
            self.targets, self.frames = loaded.targets, loaded.frames
            self.trunk_config = loaded.config
            self.trunk = loaded.build()
        self.caches_features = not config.train_trunk
        self.trunk.requires_grad_(config.train_trunk)
        self.flow_steps = config.flow_steps
        self.feature_dim = self.trunk.feature_dim
        self.normalisation = Normalisation(spec.proprio_dim, spec.action_dim)
        width = config.width
        self.text = TextEncoder(config.text)
        own = spec.proprio_dim + config.text
        latent = self.trunk.feature_dim - self.trunk.targets
        self.gaze: Gaze | None = None
        seen = self.trunk.targets
        if self.targets and config.heads:
            self.gaze = Gaze(self.targets, self.feature_dim + own, config.heads, config.gaze)
            seen = self.gaze.dim
        self.with_latent = config.latent or not self.targets
        self.state = nn.Sequential(
            nn.Linear(seen + self.with_latent * latent + own, 2 * width),
            nn.SiLU(),
            nn.Dropout(config.dropout),
            nn.Linear(2 * width, width),
        )
        self.time = nn.Sequential(nn.Linear(64, width), nn.SiLU(), nn.Linear(width, width))
        flat = spec.horizon * spec.action_dim
        self.enter = nn.Linear(flat, width)
        self.blocks = nn.ModuleList(Block(width, config.dropout) for _ in range(config.blocks))
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, flat))

    def config_dict(self) -> dict[str, Any]:
        own = {'targets': list(self.targets), 'frames': dict(self.frames)}
        return {**as_dict(self.config), 'trunk': as_dict(self.trunk_config), **own}

    @classmethod
    def rebuild(cls, spec: PolicySpec, settings: Mapping[str, Any]) -> CompactFlow:
        """The policy of a checkpoint, from :meth:`config_dict`, before its weights are loaded."""
        from igrft.config import parse

        own = dict(settings)
        refuse_older(own)
        targets, frames = tuple(own.pop('targets', ())), own.pop('frames', {})
        config = parse(own, CompactFlowConfig, cls.name)
        sizes = (spec.cameras, spec.image_size, spec.proprio_dim)
        return cls(spec, config, PretrainedTrunk('', *sizes, targets, config.trunk, frames))

    def encode(self, images: Mapping[str, Tensor], proprio: Tensor) -> Tensor:
        for name in self.spec.cameras:
            if tuple(images[name].shape[1:]) != (self.spec.image_size, self.spec.image_size, 3):
                raise PolicyError(
                    f"image of camera '{name}' is {list(images[name].shape[1:])}, "
                    f'the policy takes [{self.spec.image_size}, {self.spec.image_size}, 3]'
                )
        with torch.set_grad_enabled(self.config.train_trunk and torch.is_grad_enabled()):
            features: Tensor = self.trunk(images, proprio)
        return features

    def prepare(self, inputs: Inputs) -> Tensor:
        features = self.features(inputs)
        if self.training and self.config.feature_noise:
            features = features + self.config.feature_noise * torch.randn_like(features)
        own = torch.cat([self.normalisation.proprio(inputs.proprio), self.text(inputs.instructions)], -1)
        latent, predictions = features.split([self.feature_dim - self.trunk.targets, self.trunk.targets], -1)
        seen = predictions if self.gaze is None else self.gaze(predictions, torch.cat([features, own], -1))
        context: Tensor = self.state(torch.cat([seen, latent, own] if self.with_latent else [seen, own], -1))
        return context

    def velocity(self, noisy: Tensor, tau: Tensor, context: Any) -> Tensor:
        condition = torch.nn.functional.silu(context + self.time(time_embedding(tau, 64)))
        x = self.enter(noisy.flatten(1))
        for block in self.blocks:
            x = block(x, condition)
        velocity: Tensor = self.leave(x)
        return velocity.view_as(noisy)
