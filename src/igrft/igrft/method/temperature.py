# SPDX-License-Identifier: Apache-2.0
"""Dynamic uncertainty modulation: how much noise a rollout's flow starts from.

    𝒯(s) = σ_base · (1 − α · p_int(s)) + σ_min

Wide while nothing is touched (diverse approaches), narrow while something is (precise, stable contact).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class TemperatureConfig:
    """The constants of 𝒯(s)."""

    sigma_base: float = 0.5
    """σ_base, temperature above σ_min where nothing is touched"""
    alpha: float = 0.8
    """α in [0, 1], how much an interaction takes away"""
    sigma_min: float = 0.1
    """σ_min, the floor"""

    def __post_init__(self) -> None:
        if self.sigma_base < 0 or self.sigma_min < 0:
            raise ValueError('sigma_base and sigma_min must not be negative')
        if not 0 <= self.alpha <= 1:
            raise ValueError('alpha must lie in [0, 1]')


def temperature(interaction_probability: Tensor, config: TemperatureConfig) -> Tensor:
    """𝒯(s) for p_int [B]; NaN (no critic yet) counts as no interaction, that is σ_base + σ_min."""
    p = interaction_probability.nan_to_num(0.0)
    return config.sigma_base * (1 - config.alpha * p) + config.sigma_min
