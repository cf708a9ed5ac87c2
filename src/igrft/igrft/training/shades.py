# SPDX-License-Identifier: Apache-2.0
"""Colours as another day's light would show them."""

from __future__ import annotations

import torch
from torch import Tensor


def brightness(images: Tensor, generator: torch.Generator) -> Tensor:
    """Scale and shift the colours of [B, H, W, 3] uint8 images a little, each its own way."""
    scale = 1 + 0.1 * (2 * torch.rand((len(images), 1, 1, 3), generator=generator) - 1)
    shift = 10 * (2 * torch.rand((len(images), 1, 1, 3), generator=generator) - 1)
    return torch.addcmul(shift.to(images.device), images, scale.to(images.device)).clamp_(0, 255)
