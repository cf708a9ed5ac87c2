# SPDX-License-Identifier: Apache-2.0
"""``pi0``: π0 (Black et al. 2024) as `transformers` implements it, from its configuration, at any size.

π0 counts time the other way round (t = 1 is noise, its velocity noise − action), so v(a, τ) = −π0(a, 1 − τ).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from igrft.config import as_dict, parse
from igrft.policies.normalisation import Normalisation
from igrft.policies.protocol import Inputs, Policy, PolicyError, PolicySpec
from igrft.policies.text import VOCABULARY, byte_ids


@dataclass(frozen=True, kw_only=True)
class Pi0Config:
    """π0's size (``config/policies/pi0_tiny.yaml`` is one that trains on a laptop)."""

    hidden: int = 96
    layers: int = 3
    heads: int = 4
    head_dim: int = 24
    patch: int = 16
    """[px]"""
    text_tokens: int = 48
    """bytes of the instruction that are read"""
    flow_steps: int = 10

    def __post_init__(self) -> None:
        if min(self.hidden, self.layers, self.heads, self.head_dim, self.patch, self.text_tokens, self.flow_steps) < 1:
            raise ValueError('every size must be at least 1')


def _transformers_config(spec: PolicySpec, config: Pi0Config) -> Any:
    from transformers import PI0Config

    text: dict[str, Any] = {
        'hidden_size': config.hidden,
        'intermediate_size': 4 * config.hidden,
        'num_hidden_layers': config.layers,
        'num_attention_heads': config.heads,
        'num_key_value_heads': 1,
        'head_dim': config.head_dim,
        'vocab_size': VOCABULARY + 1,
        'max_position_embeddings': 1024,
        'pad_token_id': 0,
    }
    tokens = (spec.image_size // config.patch) ** 2
    vision = {
        'model_type': 'siglip_vision_model',
        'hidden_size': config.hidden,
        'intermediate_size': 4 * config.hidden,
        'num_hidden_layers': config.layers,
        'num_attention_heads': config.heads,
        'image_size': spec.image_size,
        'patch_size': config.patch,
        'num_image_tokens': tokens,
        'projection_dim': config.hidden,
        'vision_use_head': False,
    }
    vlm = {
        'model_type': 'paligemma',
        'text_config': {'model_type': 'gemma', **text},
        'vision_config': vision,
        'image_token_id': VOCABULARY,
        'projection_dim': config.hidden,
        'hidden_size': config.hidden,
    }
    return PI0Config(
        vlm_config=vlm,
        dit_config={'model_type': 'gemma', **text},
        chunk_size=spec.horizon,
        max_state_dim=spec.proprio_dim,
        max_action_dim=spec.action_dim,
        num_inference_steps=config.flow_steps,
        loss_reduction='none',
    )


class Pi0(Policy):
    """See the module."""

    name = 'pi0'
    caches_features = False

    def __init__(self, spec: PolicySpec, config: Pi0Config) -> None:
        """Build π0 with random weights.

        Raises:
            PolicyError: the image does not divide into patches.
        """
        super().__init__()
        from transformers import PI0ForConditionalGeneration

        if spec.image_size % config.patch or config.hidden % config.heads:
            raise PolicyError('pi0: image_size must be a multiple of patch, and hidden of heads')
        self.spec = spec
        self.config = config
        self.flow_steps = config.flow_steps
        self.normalisation = Normalisation(spec.proprio_dim, spec.action_dim)
        own = _transformers_config(spec, config)
        own._attn_implementation = 'eager'
        self.model = PI0ForConditionalGeneration(own)
        self.feature_dim = config.hidden * len(spec.cameras)
        self.image_tokens = (spec.image_size // config.patch) ** 2

    def config_dict(self) -> dict[str, Any]:
        return as_dict(self.config)

    @classmethod
    def rebuild(cls, spec: PolicySpec, settings: Mapping[str, Any]) -> Pi0:
        """The policy of a checkpoint, from :meth:`config_dict`, before its weights are loaded."""
        return cls(spec, parse(settings, Pi0Config, cls.name))

    def _pixels(self, images: Mapping[str, Tensor]) -> Tensor:
        """[B, cameras, 3, S, S] in [−1, 1]."""
        stacked = torch.stack([images[name] for name in self.spec.cameras], 1)
        return stacked.movedim(-1, 2).float().div(127.5).sub(1.0)

    def encode(self, images: Mapping[str, Tensor], proprio: Tensor) -> Tensor:
        """The vision tower's tokens, averaged a camera: [B, cameras × hidden]."""
        pixels = self._pixels(images)
        tokens = self.model.model.vlm.get_image_features(pixels.flatten(0, 1)).pooler_output
        pooled: Tensor = tokens.mean(1).reshape(len(pixels), -1)
        return pooled

    def _ids(self, instructions: list[str]) -> tuple[Tensor, Tensor]:
        image = [VOCABULARY] * (self.image_tokens * len(self.spec.cameras))
        rows = [image + byte_ids(text, self.config.text_tokens) for text in instructions]
        ids = torch.tensor(rows, device=self.normalisation.action_mean.device)
        return ids, (ids != 0).long()

    def prepare(self, inputs: Inputs) -> dict[str, Any]:
        """Run the vision-language trunk once; the action expert attends to its key-value cache."""
        if inputs.images is None:
            raise PolicyError('pi0 trains and acts on images, the batch has none')
        pixels = self._pixels(inputs.images)
        ids, mask = self._ids(list(inputs.instructions))
        present = torch.ones(pixels.shape[:2], dtype=torch.bool, device=pixels.device)
        core = self.model.model
        embedded = core.embed_prefix(ids, pixels, present)
        cache = core.vlm(
            inputs_embeds=embedded,
            attention_mask=mask,
            position_ids=mask.cumsum(-1) - 1,
            token_type_ids=torch.zeros_like(ids),
            use_cache=True,
        ).past_key_values
        state = self.normalisation.proprio(inputs.proprio)
        return {'cache': cache, 'mask': mask, 'state': state}

    def velocity(self, noisy: Tensor, tau: Tensor, context: Any) -> Tensor:
        cache = copy.copy(context['cache'])
        length = cache.get_seq_length()
        output = self.model(
            state=context['state'],
            noise=noisy,
            timestep=1.0 - tau,
            attention_mask=context['mask'],
            past_key_values=cache,
        )
        velocity: Tensor = -output.logits
        # The expert appends its own tokens to the shared cache; the next step must see the trunk's alone.
        cache.crop(length - cache.get_seq_length())
        return velocity
