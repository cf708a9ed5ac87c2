# SPDX-License-Identifier: Apache-2.0
"""exp(Â / β): how much a step counts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class WeightConfig:
    """The constants of the weighting."""

    beta: float = 1.0
    """β in root mean squares of Â; small is greedy"""
    clip: float = 5.0
    """w_max; a step as good as V(s) promises weighs 1"""
    positive_only: bool = False
    """steps with Â below its threshold count nothing"""
    threshold: float = 0.0
    """that threshold, in root mean squares of Â"""

    def __post_init__(self) -> None:
        if self.beta <= 0:
            raise ValueError('beta must be positive')
        if self.clip < 1:
            raise ValueError('clip must be at least 1, the weight where Â is 0')


def advantage_weights(advantage: Tensor, config: WeightConfig) -> Tensor:
    """w = min(exp(Â / β), w_max): one step that did unheard-of well must not outweigh all others.

    Args:
        advantage: Â, [N]; it is divided by its root mean square first, so that β has no unit.

    Returns:
        [N], monotone in Â, not negative, at most ``clip``.
    """
    if not len(advantage):
        return advantage
    scaled = advantage / advantage.square().mean().sqrt().clamp_min(1e-8)
    weights = torch.exp((scaled / config.beta).clamp(max=math.log(config.clip)))
    return weights * (scaled >= config.threshold) if config.positive_only else weights


def effective_sample_size(weights: Tensor) -> Tensor:
    """Kish's (Σw)² / (N Σw²) in (0, 1]: the share of the batch that carries the gradient; 0 without any weight."""
    if not weights.numel():
        return torch.zeros(())
    squares = weights.square().sum()
    return torch.where(squares > 0, weights.sum().square() / (weights.numel() * squares.clamp_min(1e-30)), 0.0)
