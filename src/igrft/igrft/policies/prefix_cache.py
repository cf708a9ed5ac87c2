# SPDX-License-Identifier: Apache-2.0
"""The trunk's keys and values as `transformers` caches that may be computed again (gradient checkpointing).

The library's cache grows with every call. These do not: writing a layer twice leaves what writing it once did, and
reading appends the caller's tokens to a copy. So the action expert may be asked any number of times, and a layer that
is computed again on the way back computes the same.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

from igrft.policies.protocol import PolicyError


class WrittenOnce(DynamicCache):  # type: ignore[misc]
    """What the trunk writes."""

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any) -> Any:
        while len(self.layers) <= layer_idx:
            self.layers.append(DynamicLayer())
        layer = self.layers[layer_idx]
        layer.lazy_initialization(key_states, value_states)
        layer.keys, layer.values, layer.is_initialized = key_states, value_states, True
        return key_states, value_states


class ReadOnly(DynamicCache):  # type: ignore[misc]
    """What the action expert reads of a :class:`WrittenOnce`."""

    def __init__(self, written: DynamicCache) -> None:
        super().__init__()
        self.layers = written.layers

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any) -> Any:
        layer = self.layers[layer_idx]
        keys, values = layer.keys.to(key_states.dtype), layer.values.to(value_states.dtype)
        return torch.cat([keys, key_states], -2), torch.cat([values, value_states], -2)

    def crop(self, *_: Any, **__: Any) -> None:
        """Nothing to take back."""


def checkpointed(model: Any) -> None:
    """Switch a `transformers` model to gradient checkpointing, beside one of the caches above.

    Raises:
        PolicyError: the library is too old to allow it.
    """
    layers = [module for module in model.modules() if hasattr(module, '_can_checkpoint_with_cache')]
    if not layers:
        raise PolicyError('model.tuning.gradient_checkpointing needs a newer transformers: pip install -U transformers')
    if hasattr(model, 'activation_checkpointing_enable'):  # the newer name
        model.activation_checkpointing_enable({'use_reentrant': False})
    else:
        model.gradient_checkpointing_enable({'use_reentrant': False})
    for layer in layers:
        # The library forbids it for its own caches, which a second computation would grow again.
        layer._can_checkpoint_with_cache = True
