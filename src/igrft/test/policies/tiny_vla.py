# SPDX-License-Identifier: Apache-2.0
"""Pretrained-looking folders of a π0 that takes milliseconds: `transformers`' own classes and files, random weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

SIZE = 16
"""[px]"""
WIDE = 16
"""floats of state and action that the weights take, more than the robot's"""


def save_tokenizer(folder: Path) -> None:
    """A `tokenizer.json` with words of the tasks and of π0.5's prompt."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    words = ['<pad>', '<eos>', '<bos>', '<unk>', 'stack', 'the', 'red', 'blue', 'green', 'block', 'on', 'and', 'top']
    words += ['Task', 'State', 'Action', ':', ',', ';', *map(str, range(256))]
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token='<unk>'))
    tokenizer.pre_tokenizer = Whitespace()
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / 'tokenizer.json'))


def save_pi0(folder: Path, seed: int = 0) -> None:
    """Weights of a tiny π0, as `save_pretrained` writes them, and its tokenizer."""
    from transformers import PI0Config, PI0ForConditionalGeneration

    text = {
        'hidden_size': 24,
        'intermediate_size': 48,
        'num_hidden_layers': 2,
        'num_attention_heads': 2,
        'num_key_value_heads': 1,
        'head_dim': 8,
        'vocab_size': 300,
        'pad_token_id': 0,
    }
    vision = {
        'model_type': 'siglip_vision_model',
        'hidden_size': 24,
        'intermediate_size': 48,
        'num_hidden_layers': 1,
        'num_attention_heads': 2,
        'image_size': SIZE,
        'patch_size': 8,
        'projection_dim': 24,
        'vision_use_head': False,
    }
    vlm = {
        'model_type': 'paligemma',
        'text_config': {'model_type': 'gemma', **text},
        'vision_config': vision,
        'image_token_id': 299,
        'projection_dim': 24,
        'hidden_size': 24,
    }
    expert = {'model_type': 'gemma', **text, 'hidden_size': 16, 'intermediate_size': 32}
    torch.manual_seed(seed)
    config = PI0Config(vlm_config=vlm, dit_config=expert, chunk_size=8, max_state_dim=WIDE + 4, max_action_dim=WIDE)
    PI0ForConditionalGeneration(config).save_pretrained(folder)
    save_tokenizer(folder)


def _features(chunk: int) -> dict[str, object]:
    images = {f'observation.images.{name}': {'type': 'VISUAL', 'shape': [3, SIZE, SIZE]} for name in ('front', 'wrist')}
    return {
        'input_features': {**images, 'observation.state': {'type': 'STATE', 'shape': [WIDE + 4]}},
        'output_features': {'action': {'type': 'ACTION', 'shape': [WIDE]}},
        'chunk_size': chunk,
        'n_action_steps': chunk,
        'max_state_dim': WIDE + 4,
        'max_action_dim': WIDE,
        'device': 'cpu',
    }


def save_pi05(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """A LeRobot checkpoint of π0.5 whose sizes, fixed in LeRobot's code, are made tiny there. Returns overrides."""
    from lerobot.policies.pi05 import modeling_pi05
    from safetensors.torch import save_file
    from transformers import GemmaConfig, PaliGemmaConfig

    widths = {'gemma_2b': (32, 48), 'gemma_300m': (16, 32)}

    def sizes(variant: str) -> object:
        width, inner = widths[variant]
        return modeling_pi05.GemmaConfig(width, 2, inner, 8, 1, 8)

    def paligemma() -> PaliGemmaConfig:
        vision = {
            'model_type': 'siglip_vision_model',
            'hidden_size': 24,
            'num_hidden_layers': 1,
            'num_attention_heads': 2,
            'patch_size': 8,
            'image_size': SIZE,
            'vision_use_head': False,
        }
        return PaliGemmaConfig(vision_config=vision, projection_dim=32, hidden_size=32)

    whole = modeling_pi05.PaliGemmaForConditionalGenerationWithPiGemma

    def trunk(config: PaliGemmaConfig) -> object:
        config.vision_config.projection_dim, config.vision_config.intermediate_size = 32, 48
        config.text_config.vocab_size = 300
        return whole(config=config)

    monkeypatch.setattr(modeling_pi05, 'PaliGemmaForConditionalGenerationWithPiGemma', trunk)
    monkeypatch.setattr(modeling_pi05, 'get_gemma_config', sizes)
    monkeypatch.setattr(modeling_pi05, 'CONFIG_MAPPING', {'paligemma': paligemma, 'gemma': GemmaConfig})
    folder.mkdir(parents=True, exist_ok=True)
    about = {'type': 'pi05', 'image_resolution': [SIZE, SIZE], **_features(8)}
    (folder / 'config.json').write_text(json.dumps(about))
    from igrft.policies.lerobot import own_config

    torch.manual_seed(0)
    policy = modeling_pi05.PI05Policy(own_config(about))
    weights = {name: tensor.clone().contiguous() for name, tensor in policy.state_dict().items()}
    save_file(weights, folder / 'model.safetensors')
    save_tokenizer(folder)
    return ()


def save_smolvla(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """A LeRobot checkpoint of a tiny SmolVLA, and its language model's configuration. Returns overrides."""
    from types import SimpleNamespace

    from lerobot.policies.smolvla import smolvlm_with_expert
    from lerobot.policies.smolvla.modeling_smolvla import SmolVLAPolicy
    from safetensors.torch import save_file
    from transformers import SmolVLMConfig

    text = {
        'model_type': 'llama',
        'hidden_size': 64,
        'intermediate_size': 64,
        'num_hidden_layers': 2,
        'num_attention_heads': 2,
        'num_key_value_heads': 1,
        'head_dim': 32,
        'vocab_size': 300,
        'pad_token_id': 0,
    }
    vision = {
        'hidden_size': 24,
        'intermediate_size': 48,
        'num_hidden_layers': 1,
        'num_attention_heads': 2,
        'image_size': SIZE,
        'patch_size': 4,
    }
    backbone = folder / 'backbone'
    SmolVLMConfig(text_config=text, vision_config=vision, scale_factor=2, image_token_id=299).save_pretrained(backbone)
    # Its processor is asked for two token ids only; the real one needs a vocabulary from the hub.
    tokenizer = SimpleNamespace(fake_image_token_id=4, global_image_token_id=5)
    stand_in = SimpleNamespace(from_pretrained=lambda _: SimpleNamespace(tokenizer=tokenizer))
    monkeypatch.setattr(smolvlm_with_expert, 'AutoProcessor', stand_in)
    about = {
        'type': 'smolvla',
        'resize_imgs_with_padding': [SIZE, SIZE],
        'vlm_model_name': str(backbone),
        'num_vlm_layers': 2,
        'expert_width_multiplier': 0.5,
        **_features(8),
    }
    (folder / 'config.json').write_text(json.dumps(about))
    from igrft.policies.lerobot import own_config

    torch.manual_seed(0)
    policy = SmolVLAPolicy(own_config(about))
    weights = {name: tensor.clone().contiguous() for name, tensor in policy.state_dict().items()}
    save_file(weights, folder / 'model.safetensors')
    save_tokenizer(folder)
    return ()
