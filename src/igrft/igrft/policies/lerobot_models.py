# SPDX-License-Identifier: Apache-2.0
"""``smolvla`` and ``pi05``: LeRobot's own model classes behind the protocol (:mod:`.lerobot`).

π0.5 (Physical Intelligence 2025) reads the proprioception as words of its prompt, SmolVLA (Shukor et al. 2025) as one
token of its prefix.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor, nn

from igrft.policies.lerobot import LerobotPolicy
from igrft.policies.protocol import Inputs

STATE_RANGE = 2.33
"""[standard deviations] that π0.5's 256 words of a proprioception component span: the 1st to the 99th percentile."""
STATE_WORDS = 256


class Pi05(LerobotPolicy):
    """π0.5; see the module."""

    name = 'pi05'
    kind = 'pi05'
    text_tokens = 200

    @classmethod
    def _import(cls) -> Any:
        from lerobot.policies.pi05.modeling_pi05 import PI05Policy

        return PI05Policy

    def adjust(self, own: Any) -> None:
        # The precision is this package's business (tuning), for both families alike.
        own.dtype, own.freeze_vision_encoder, own.gradient_checkpointing = 'float32', False, False

    def image_side(self) -> int:
        return int(self.own.image_resolution[0])

    def trunk_width(self) -> int:
        return int(self._trunk.config.text_config.hidden_size)

    @property
    def _trunk(self) -> Any:
        return self.model.paligemma_with_expert.paligemma

    def trunk_modules(self) -> Iterable[nn.Module]:
        return (self._trunk,)

    def projection_modules(self) -> Iterable[nn.Module]:
        m = self.model
        return (m.action_in_proj, m.action_out_proj, m.time_mlp_in, m.time_mlp_out)

    def fixed_keys(self, policy: Any, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        bare = {name.removeprefix('model.'): tensor for name, tensor in weights.items()}
        fixed = policy._fix_pytorch_state_dict_keys(bare, policy.config)
        return {f'model.{name}': tensor for name, tensor in fixed.items()}

    def tokens(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        share = (self.normalisation.proprio(inputs.proprio) / STATE_RANGE + 1) / 2
        words = (share * STATE_WORDS).floor().clamp(0, STATE_WORDS - 1).long().tolist()
        return self.tokenizer.rows(
            prompts(inputs.instructions, words), self.text_tokens, [self.tokenizer.token('<bos>')]
        )

    def prefill(self, embedded: Tensor, mask: Tensor, positions: Tensor) -> tuple[Tensor, Any]:
        from lerobot.policies.common.vla_utils import prepare_attention_masks_4d

        self._trunk.model.language_model.config._attn_implementation = 'eager'
        (hidden, _), cache = self.model.paligemma_with_expert.forward(
            attention_mask=prepare_attention_masks_4d(mask),
            position_ids=positions,
            inputs_embeds=[embedded, None],
            use_cache=True,
        )
        return hidden, cache


class SmolVla(LerobotPolicy):
    """SmolVLA; see the module."""

    name = 'smolvla'
    kind = 'smolvla'
    text_tokens = 48

    @classmethod
    def _import(cls) -> Any:
        from lerobot.policies.smolvla.modeling_smolvla import SmolVLAPolicy

        return SmolVLAPolicy

    def adjust(self, own: Any) -> None:
        own.load_vlm_weights, own.freeze_vision_encoder, own.use_cache = False, False, True
        own.vlm_model_name = self.config.backbone or own.vlm_model_name

    def image_side(self) -> int:
        return int(self.own.resize_imgs_with_padding[0])

    def trunk_width(self) -> int:
        return int(self._trunk.config.text_config.hidden_size)

    @property
    def _trunk(self) -> Any:
        return self.model.vlm_with_expert.vlm

    def trunk_modules(self) -> Iterable[nn.Module]:
        return (self._trunk,)

    def projection_modules(self) -> Iterable[nn.Module]:
        m = self.model
        return (m.state_proj, m.action_in_proj, m.action_out_proj, m.action_time_mlp_in, m.action_time_mlp_out)

    def tokens(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        return self.tokenizer.rows([f'{text.strip()}\n' for text in inputs.instructions], self.text_tokens)

    def embed(self, images: list[Tensor], masks: list[Tensor], ids: Tensor, real: Tensor, state: Tensor) -> Any:
        return self.model.embed_prefix(images, masks, ids, real, state=state)

    def prefill(self, embedded: Tensor, mask: Tensor, positions: Tensor) -> tuple[Tensor, Any]:
        (hidden, _), cache = self.model.vlm_with_expert.forward(
            attention_mask=mask, position_ids=positions, inputs_embeds=[embedded, None], use_cache=True
        )
        return hidden, cache


def prompts(instructions: Sequence[str], words: Sequence[Sequence[int]]) -> list[str]:
    """π0.5's prompts: the task, and the proprioception as numbers from 0 to 255."""
    found = []
    for text, row in zip(instructions, words, strict=True):
        task = text.strip().replace('_', ' ').replace('\n', ' ')
        found.append(f'Task: {task}, State: {" ".join(map(str, row))};\nAction: ')
    return found
