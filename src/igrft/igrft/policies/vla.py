# SPDX-License-Identifier: Apache-2.0
"""What large vision-language-action models share: which part is trained, in which precision, what the critic reads.

A VLA is a trunk (vision tower and language model, which read images and instruction once a chunk) and an action expert
that attends to the trunk's keys and values. The critic reads the trunk's last hidden state, averaged over the tokens;
its gradient never reaches the trunk.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from igrft.policies.flow import FlowPolicy
from igrft.policies.protocol import Inputs, PolicyError


@dataclass(frozen=True, kw_only=True)
class TuningConfig:
    """How a VLA is fine-tuned (``model.tuning`` of a policy file)."""

    train: Literal['all', 'expert', 'lora'] = 'expert'
    """expert: the action expert, the trunk stays as it is; lora: low-rank adapters in trunk and expert, and the action
    projections (extra `lora`); all: everything"""
    precision: Literal['float32', 'bfloat16'] = 'float32'
    """bfloat16: frozen weights are kept in it and everything is computed in it; trained weights stay float32"""
    gradient_checkpointing: bool = False
    """compute each layer again on the way back, in place of keeping what it computed"""
    lora_rank: int = 16
    lora_alpha: float = 32.0
    """an adapter's output is scaled by alpha / rank"""
    lora_targets: tuple[str, ...] = ('q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj')
    """names of the linear layers that get an adapter"""

    def __post_init__(self) -> None:
        if self.lora_rank < 1 or self.lora_alpha <= 0 or not self.lora_targets:
            raise ValueError('lora_rank must be at least 1, lora_alpha positive, and lora_targets not empty')


def add_adapters(model: nn.Module, tuning: TuningConfig) -> None:
    """Put low-rank adapters (Hu et al. 2021) into the model's target layers; only they require a gradient then.

    Raises:
        PolicyError: `peft` is not installed, or the model has no such layer.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise PolicyError(
            "model.tuning.train: lora needs the extra 'lora' (pip install peft); expert needs nothing more"
        ) from error
    config = LoraConfig(
        r=tuning.lora_rank, lora_alpha=tuning.lora_alpha, target_modules=list(tuning.lora_targets), bias='none'
    )
    try:
        inject_adapter_in_model(config, model)
    except ValueError as error:
        raise PolicyError(f'model.tuning.lora_targets: {error}') from error


@dataclass(frozen=True, slots=True)
class Prefix:
    """What the trunk made of images and instruction.

    Attributes:
        cache: its keys and values, of the family's own kind.
        mask: [B, tokens], which tokens are real.
        summary: its last hidden state, averaged over the real tokens, [B, F].
        state: normalised proprioception as the expert takes it, [B, S].
    """

    cache: Any
    mask: Tensor
    summary: Tensor
    state: Tensor


def average(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean of hidden states [B, T, F] over the real tokens of ``mask`` [B, T]: [B, F] in float32."""
    real = mask.to(torch.float32)[..., None]
    return (hidden.float() * real).sum(1) / real.sum(1).clamp_min(1.0)


class VlaPolicy(FlowPolicy):
    """A flow policy around a trunk and an action expert.

    Attributes:
        tuning: what of it is trained.
    """

    caches_features = False
    tuning: TuningConfig

    @abstractmethod
    def read(self, inputs: Inputs) -> Prefix:
        """Run the trunk; images, instructions and proprioception are on the device."""

    @abstractmethod
    def projection_modules(self) -> Iterable[nn.Module]:
        """The expert's projections of state, action and time, which are trained in full beside adapters."""

    def tune(self, model: nn.Module) -> None:
        """Freeze what is not trained, add adapters, set the precision. Once, after the weights are loaded."""
        if self.tuning.train == 'expert':
            for part in self.trunk_modules():
                part.requires_grad_(False)
        elif self.tuning.train == 'lora':
            add_adapters(model, self.tuning)
            for part in self.projection_modules():
                part.requires_grad_(True)
        for parameter in model.parameters():
            kept_exact = parameter.requires_grad or self.tuning.precision == 'float32'
            parameter.data = parameter.data.to(torch.float32 if kept_exact else torch.bfloat16)

    @property
    def trains_trunk(self) -> bool:
        """Whether a gradient goes into the trunk."""
        return self.tuning.train != 'expert'

    def train(self, mode: bool = True) -> VlaPolicy:
        """Training mode; a frozen trunk stays in evaluation mode."""
        super().train(mode)
        if not self.trains_trunk:
            for part in self.trunk_modules():
                part.eval()
        return self

    def computing(self, trunk: bool = False) -> AbstractContextManager[Any]:
        """Precision, and for a frozen trunk no gradients, inside this context."""
        stack = ExitStack()
        if self.tuning.precision == 'bfloat16':
            stack.enter_context(torch.autocast(self.device.type, torch.bfloat16))
        if trunk and not self.trains_trunk:
            stack.enter_context(torch.no_grad())
        return stack

    def prepare(self, inputs: Inputs) -> Prefix:
        with self.computing(trunk=True):
            return self.read(inputs)

    def perceive(self, inputs: Inputs) -> Inputs:
        """One pass of the trunk, for the chunk and for the critic."""
        prefix = self.prepare(inputs.to(self.device))
        return replace(inputs, features=prefix.summary, context=prefix)

    def features(self, inputs: Inputs) -> Tensor:
        if inputs.features is not None:
            return inputs.features
        return self.prepare(inputs.to(self.device)).summary

    def padded_state(self, proprio: Tensor, width: int) -> Tensor:
        """Normalised proprioception with zeros to the model's width: [B, width]."""
        return torch.nn.functional.pad(self.normalisation.proprio(proprio), (0, width - proprio.shape[-1]))

    def check_widths(self, state: int, action: int, chunk: int | None = None) -> None:
        """Refuse a robot that the model is too narrow for.

        Raises:
            PolicyError: naming the field.
        """
        for what, own, wanted in (
            ('floats of proprioception', state, self.spec.proprio_dim),
            ('floats of an action', action, self.spec.action_dim),
        ):
            if own < wanted:
                raise PolicyError(f'{self.name}: the weights take at most {own} {what}, the robot has {wanted}')
        if chunk is not None and chunk != self.spec.horizon:
            raise PolicyError(f'{self.name}: the weights draw {chunk} steps, spec.horizon is {self.spec.horizon}')
