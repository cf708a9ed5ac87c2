# SPDX-License-Identifier: Apache-2.0
"""``act``: a policy that is no flow. A conditional variational autoencoder over chunks (ACT, Zhao et al. 2023).

In training an encoder reads the recorded chunk into a latent z ~ q(z | a, s); a transformer decodes z and the state
into a chunk. Its error of a step is the negative log-likelihood of a Laplace distribution of scale 1, |a − â|, plus
the chunk's KL(q ‖ N(0, I)), so the three stages are weighted maximum likelihood: exp(Â / β) weighs both terms.

What the interaction temperature 𝒯(s) means here: the chunk is decoded from z = 𝒯(s) · ε. With 𝒯 = 0 it is the decoder's
chunk for the prior's mean, which is what ACT executes; with 𝒯 = 1 the way of doing it (of those that were demonstrated)
is drawn as often as it was shown. It spreads the *choice among chunks*, a whole chunk at a time, not the steps within.
A decoder cannot be guided towards a running chunk, so in real time the overlap of both is averaged instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from igrft.config import as_dict, parse
from igrft.method.awr import AwrLoss, weighted_loss
from igrft.policies.normalisation import Normalisation
from igrft.policies.pretrained import PretrainedTrunk, named_trunk, refuse_older
from igrft.policies.protocol import Batch, Inputs, Policy, PolicySpec
from igrft.policies.real_time_chunking import Committed
from igrft.policies.text import TextEncoder
from igrft.policies.trunk import TrunkConfig
from igrft.types import Float32


@dataclass(frozen=True, kw_only=True)
class ActConfig:
    """The policy's size (``config/policies/act.yaml``)."""

    trunk_weights: str = 'shipped'
    """frozen trunk, as of compact_flow: 'shipped', the name of one of the package's, or the path of another"""
    width: int = 96
    heads: int = 4
    layers: int = 2
    """of the decoder; the encoder of recorded chunks has as many"""
    latent: int = 8
    """floats of z"""
    text: int = 16
    """floats of the encoded instruction"""
    state_tokens: int = 4
    """tokens that the features are spread over"""
    kl_weight: float = 0.02
    """of KL(q ‖ N(0, I)) against the error of a step; large values leave z unused"""

    def __post_init__(self) -> None:
        if min(self.width, self.heads, self.layers, self.latent, self.text, self.state_tokens) < 1:
            raise ValueError('width, heads, layers, latent, text and state_tokens must be at least 1')
        if self.width % self.heads or self.kl_weight < 0:
            raise ValueError('width must be a multiple of heads, and kl_weight not negative')


class Act(Policy):
    """See the module."""

    name = 'act'
    caches_features = True

    def __init__(self, spec: PolicySpec, config: ActConfig, trunk: PretrainedTrunk | None = None) -> None:
        """Build the policy with random weights around its trunk.

        Args:
            spec: what it is made for.
            config: its size.
            trunk: a loaded trunk; left out, the one that the configuration names.

        Raises:
            TrunkError: there is none for this robot.
        """
        super().__init__()
        sizes = (spec.cameras, spec.image_size, spec.proprio_dim)
        self.spec = spec
        self.config = config
        self.source = named_trunk(config.trunk_weights, *sizes) if trunk is None else trunk
        self.trunk = self.source.build().requires_grad_(False)
        self.feature_dim = self.trunk.feature_dim
        self.normalisation = Normalisation(spec.proprio_dim, spec.action_dim)
        width = config.width
        own = spec.proprio_dim + config.text
        self.text = TextEncoder(config.text)
        self.state = nn.Linear(self.feature_dim + own, config.state_tokens * width)
        self.enter = nn.Linear(spec.action_dim, width)
        self.places = nn.Parameter(0.02 * torch.randn(spec.horizon, width))
        self.summary = nn.Parameter(0.02 * torch.randn(width))
        self.encoder = nn.TransformerEncoder(
            self._layer(nn.TransformerEncoderLayer), config.layers, enable_nested_tensor=False
        )
        self.posterior = nn.Linear(width, 2 * config.latent)
        self.latent = nn.Linear(config.latent, width)
        self.decoder = nn.TransformerDecoder(self._layer(nn.TransformerDecoderLayer), config.layers)
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, spec.action_dim))

    def _layer(self, kind: type[Any]) -> Any:
        c = self.config
        return kind(c.width, c.heads, 4 * c.width, 0.0, 'gelu', batch_first=True, norm_first=True)

    def config_dict(self) -> dict[str, Any]:
        own = {'targets': list(self.source.targets), 'frames': dict(self.source.frames)}
        return {**as_dict(self.config), 'trunk': as_dict(self.source.config), **own}

    @classmethod
    def rebuild(cls, spec: PolicySpec, settings: Mapping[str, Any]) -> Act:
        """The policy of a checkpoint, from :meth:`config_dict`, before its weights are loaded."""
        own = dict(settings)
        refuse_older(own)
        targets, frames = tuple(own.pop('targets', ())), own.pop('frames', {})
        trunk = parse(own.pop('trunk', {}), TrunkConfig, f'{cls.name}: trunk')
        sizes = (spec.cameras, spec.image_size, spec.proprio_dim)
        config = parse(own, ActConfig, cls.name)
        return cls(spec, config, PretrainedTrunk('', *sizes, targets, trunk, frames))

    @torch.no_grad()
    def encode(self, images: Mapping[str, Tensor], proprio: Tensor) -> Tensor:
        features: Tensor = self.trunk(images, proprio)
        return features

    def tokens(self, inputs: Inputs) -> Tensor:
        """The state as tokens: [B, state_tokens, width]."""
        own = [self.normalisation.proprio(inputs.proprio), self.text(inputs.instructions)]
        seen = self.state(torch.cat([self.features(inputs), *own], -1))
        tokens: Tensor = seen.view(len(inputs), self.config.state_tokens, self.config.width)
        return tokens

    def recognise(self, actions: Tensor, mask: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of q(z | a, s), both [B, latent].

        Args:
            actions: normalised, [B, H, A].
            mask: [B, H] bool, steps that exist.
            tokens: of the state.
        """
        steps = self.enter(actions) + self.places
        summary = self.summary.expand(len(actions), 1, -1)
        missing = torch.zeros(len(actions), 1 + tokens.shape[1] + steps.shape[1], dtype=torch.bool, device=mask.device)
        missing[:, 1 + tokens.shape[1] :] = ~mask
        read = self.encoder(torch.cat([summary, tokens, steps], 1), src_key_padding_mask=missing)
        mean, log_variance = self.posterior(read[:, 0]).chunk(2, -1)
        return mean, log_variance.clamp(-8.0, 8.0)

    def decode(self, latent: Tensor, tokens: Tensor) -> Tensor:
        """Normalised chunks of z [B, latent] and the state's tokens: [B, H, A]."""
        memory = torch.cat([self.latent(latent)[:, None], tokens], 1)
        queries = self.places.expand(len(latent), -1, -1)
        chunk: Tensor = self.leave(self.decoder(queries, memory))
        return chunk

    def loss(
        self,
        batch: Batch,
        weights: Tensor | None = None,
        generator: torch.Generator | None = None,
        reference: Policy | None = None,
        anchor: float = 0.0,
    ) -> AwrLoss:
        batch = batch.to(self.device)
        inputs = replace(batch.inputs, features=self.features(batch.inputs))
        actions = self.normalisation.actions(batch.actions)
        tokens = self.tokens(inputs)
        mean, log_variance = self.recognise(actions, batch.mask, tokens)
        noise = torch.randn(mean.shape, generator=generator).to(self.device)
        latent = mean + (0.5 * log_variance).exp() * noise
        chunk = self.decode(latent, tokens)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1)
        error = (actions - chunk).abs().mean(-1) + self.config.kl_weight * divergence[:, None]
        distance = None
        if isinstance(reference, Act) and anchor:
            with torch.no_grad():
                held = reference.decode(latent, reference.tokens(inputs))
            distance = (chunk - held).square().mean(-1)
        ones = torch.ones_like(error) if weights is None else weights.to(self.device)
        return weighted_loss(error, ones, batch.mask, distance, anchor)

    @torch.no_grad()
    def sample(
        self,
        inputs: Inputs,
        temperature: float | Tensor,
        generator: torch.Generator | list[torch.Generator] | None = None,
        committed: Committed | None = None,
    ) -> Float32:
        shape = (self.config.latent,)
        if isinstance(generator, list):
            noise = torch.stack([torch.randn(shape, generator=g) for g in generator])
        else:
            noise = torch.randn((len(inputs), *shape), generator=generator)
        scale = torch.as_tensor(temperature, dtype=noise.dtype).reshape(-1, 1)
        chunk = self.decode((scale * noise).to(self.device), self.tokens(inputs.to(self.device)))
        return self.physical(chunk, committed, blend=True)
