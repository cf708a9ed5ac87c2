# SPDX-License-Identifier: Apache-2.0
"""``pi0``: π0 (Black et al. 2024) as `transformers` implements it, from random weights at any size or pretrained ones.

π0 counts time the other way round (t = 1 is noise, its velocity noise − action), so v(a, τ) = −π0(a, 1 − τ).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from igrft.config import as_dict, parse
from igrft.policies.normalisation import Normalisation
from igrft.policies.protocol import Inputs, PolicyError, PolicySpec
from igrft.policies.text import VOCABULARY
from igrft.policies.tokens import Bytes, Pretrained
from igrft.policies.vla import Prefix, TuningConfig, VlaPolicy, average
from igrft.policies.weights_source import locate, locate_tokenizer


@dataclass(frozen=True, kw_only=True)
class Pi0Config:
    """π0 (``config/policies/pi0.yaml``; ``pi0_tiny.yaml`` is one that trains on a laptop)."""

    weights: str = ''
    """folder of pretrained weights, or owner/name on the Hugging Face hub; '' begins with random ones of the size
    below"""
    tokenizer: str = ''
    """tokenizer.json, or a folder or hub name that has it; '' looks beside the weights"""
    hidden: int = 96
    layers: int = 3
    heads: int = 4
    head_dim: int = 24
    patch: int = 16
    """[px]"""
    text_tokens: int = 48
    """tokens of the instruction that are read; bytes where the weights are random"""
    attention: str = 'eager'
    """how `transformers` computes attention: sdpa on a GPU; eager learns faster on a CPU"""
    flow_steps: int = 10
    tuning: TuningConfig = TuningConfig(train='all')

    def __post_init__(self) -> None:
        if min(self.hidden, self.layers, self.heads, self.head_dim, self.patch, self.text_tokens, self.flow_steps) < 1:
            raise ValueError('every size must be at least 1')
        if not self.weights and self.tuning.train == 'lora':
            raise ValueError('tuning.train: lora adapts pretrained weights; name them, or train all')


def random_architecture(spec: PolicySpec, config: Pi0Config) -> Any:
    """`transformers`' configuration of a π0 that starts from random weights.

    Raises:
        PolicyError: the image does not divide into patches.
    """
    from transformers import PI0Config

    if spec.image_size % config.patch or config.hidden % config.heads:
        raise PolicyError('pi0: image_size must be a multiple of patch, and hidden of heads')
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
    vision = {
        'model_type': 'siglip_vision_model',
        'hidden_size': config.hidden,
        'intermediate_size': 4 * config.hidden,
        'num_hidden_layers': config.layers,
        'num_attention_heads': config.heads,
        'image_size': spec.image_size,
        'patch_size': config.patch,
        'num_image_tokens': (spec.image_size // config.patch) ** 2,
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


def pretrained_model(folder: Path) -> Any:
    """`transformers`' model with the weights of a folder.

    Raises:
        PolicyError: naming the folder, and the weights that are missing.
    """
    from transformers import PI0ForConditionalGeneration

    try:
        model, about = PI0ForConditionalGeneration.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, dtype=torch.float32
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise PolicyError(f'{folder}: not the weights of a π0: {error}') from error
    missing = sorted(key for key in about['missing_keys'] if 'dit.embed_tokens' not in key)
    odd = missing or sorted(str(key) for key in about['mismatched_keys'])
    if odd:
        raise PolicyError(f'{folder}: not the weights of a π0: {len(odd)} missing or misshapen, first {odd[0]}')
    return model


class Pi0(VlaPolicy):
    """See the module."""

    name = 'pi0'

    def __init__(
        self,
        spec: PolicySpec,
        config: Pi0Config,
        architecture: Mapping[str, Any] | None = None,
        tokenizer: Bytes | Pretrained | None = None,
    ) -> None:
        """Build π0: with the weights that the configuration names, else with random ones.

        Args:
            spec: what it is made for.
            config: its settings.
            architecture: `transformers`' configuration as plain data, of a checkpoint whose weights come later.
            tokenizer: of such a checkpoint.

        Raises:
            PolicyError: weights that cannot be read, or do not fit the robot.
        """
        super().__init__()
        from transformers import PI0Config, PI0ForConditionalGeneration

        self.spec = spec
        self.config = config
        self.tuning = config.tuning
        self.flow_steps = config.flow_steps
        self.normalisation = Normalisation(spec.proprio_dim, spec.action_dim)
        if architecture is None and config.weights:
            folder = locate(config.weights, 'model.weights')
            tokenizer = Pretrained.read(locate_tokenizer(config.tokenizer) if config.tokenizer else folder)
            model = pretrained_model(folder)
        else:
            own = random_architecture(spec, config) if architecture is None else PI0Config.from_dict(dict(architecture))
            own._attn_implementation = config.attention
            model = PI0ForConditionalGeneration(own)
        model.set_attn_implementation(config.attention)
        # The expert's own embedding is never used; pretrained, it is a gigabyte.
        model.model.dit.embed_tokens = None
        self.model = model
        self.tokenizer = tokenizer or Bytes()
        sizes = model.config.vlm_config
        self.image_tokens = (sizes.vision_config.image_size // sizes.vision_config.patch_size) ** 2
        self.image_token = int(sizes.image_token_id)
        self.feature_dim = int(sizes.text_config.hidden_size)
        self.check_widths(model.config.max_state_dim, model.config.max_action_dim)
        if sizes.vision_config.image_size != spec.image_size:
            raise PolicyError(
                f'pi0: the weights take images of {sizes.vision_config.image_size} px, spec.image_size is '
                f'{spec.image_size}'
            )
        # Another horizon than the pretrained one is another number of expert tokens, no other weights.
        model.config.chunk_size = spec.horizon
        self.tune(model)
        if config.tuning.gradient_checkpointing:
            from igrft.policies.prefix_cache import checkpointed

            checkpointed(model)

    def config_dict(self) -> dict[str, Any]:
        own = {'architecture': self.model.config.to_dict(), 'tokenizer_bytes': self.tokenizer.size}
        return {**as_dict(self.config), **own}

    @classmethod
    def rebuild(cls, spec: PolicySpec, settings: Mapping[str, Any]) -> Pi0:
        """The policy of a checkpoint, from :meth:`config_dict`, before its weights are loaded."""
        own = dict(settings)
        architecture, size = own.pop('architecture', None), int(own.pop('tokenizer_bytes', 0))
        return cls(spec, parse(own, Pi0Config, cls.name), architecture, Pretrained(size) if size else Bytes())

    @classmethod
    def outline(cls, spec: PolicySpec, config: Pi0Config) -> Pi0:
        from transformers import PI0Config

        if not config.weights:
            return cls(spec, config)
        folder = Path(config.weights).expanduser()
        # A name of the hub stands for π0 as it was published.
        own = PI0Config.from_pretrained(folder) if folder.is_dir() else PI0Config()
        with torch.device('meta'):
            return cls(spec, config, own.to_dict(), Bytes())

    @property
    def flow_dim(self) -> int:
        return int(self.model.config.max_action_dim)

    def trunk_modules(self) -> Iterable[nn.Module]:
        return (self.model.model.vlm,)

    def projection_modules(self) -> Iterable[nn.Module]:
        return (self.model.embed_action_time, self.model.action_out_proj)

    def _pixels(self, images: Mapping[str, Tensor]) -> Tensor:
        """[B, cameras, 3, S, S] in [−1, 1]."""
        stacked = torch.stack([images[name] for name in self.spec.cameras], 1)
        return stacked.movedim(-1, 2).float().div(127.5).sub(1.0)

    def _ids(self, instructions: list[str]) -> tuple[Tensor, Tensor]:
        """Image places, then the instruction: ids and mask, [B, tokens]."""
        if isinstance(self.tokenizer, Pretrained):
            begin = [self.tokenizer.token('<bos>', '<s>')]
            texts = [f'{text.strip()}\n' for text in instructions]
            ids, real = self.tokenizer.rows(texts, self.config.text_tokens, begin)
        else:
            ids = self.tokenizer(instructions, self.config.text_tokens)
            real = ids != 0
        places = torch.full((len(ids), self.image_tokens * len(self.spec.cameras)), self.image_token)
        mask = torch.cat([torch.ones_like(places), real.long()], -1)
        return torch.cat([places, ids], -1).to(self.device), mask.to(self.device)

    def read(self, inputs: Inputs) -> Prefix:
        """Run the vision-language trunk once; the action expert attends to its keys and values."""
        from igrft.policies.prefix_cache import WrittenOnce

        pixels = self._pixels(self.images(inputs))
        ids, mask = self._ids(list(inputs.instructions))
        present = torch.ones(pixels.shape[:2], dtype=torch.bool, device=pixels.device)
        core = self.model.model
        cache = WrittenOnce()
        hidden = core.vlm(
            inputs_embeds=core.embed_prefix(ids, pixels, present),
            attention_mask=mask,
            position_ids=mask.cumsum(-1) - 1,
            token_type_ids=torch.zeros_like(ids),
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        state = self.padded_state(inputs.proprio, self.model.config.max_state_dim)
        return Prefix(cache, mask, average(hidden, mask), state)

    def velocity(self, noisy: Tensor, tau: Tensor, context: Prefix) -> Tensor:
        from igrft.policies.prefix_cache import ReadOnly

        with self.computing():
            output = self.model(
                state=context.state,
                noise=noisy,
                timestep=1.0 - tau,
                attention_mask=context.mask,
                past_key_values=ReadOnly(context.cache),
            )
        velocity: Tensor = -output.logits.float()
        return velocity
