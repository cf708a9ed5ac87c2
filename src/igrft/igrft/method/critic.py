# SPDX-License-Identifier: Apache-2.0
"""The critic: V(s) and p_int(s), two heads on the policy's features.

The features are inputs, never trained through: the critic's gradient stops before the policy's trunk.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class CriticConfig:
    """The critic's size."""

    hidden: int = 128
    layers: int = 2
    ensemble: int = 3
    """value networks; V is their mean. Each never sees its share of the episodes, and alone says what those promised"""
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if min(self.hidden, self.layers, self.ensemble) < 1:
            raise ValueError('hidden, layers and ensemble must be at least 1')


def _mlp(inputs: int, config: CriticConfig) -> nn.Sequential:
    blocks: list[nn.Module] = []
    for index in range(config.layers):
        width = inputs if index == 0 else config.hidden
        blocks += [nn.Linear(width, config.hidden), nn.LayerNorm(config.hidden), nn.SiLU()]
        if config.dropout:
            blocks.append(nn.Dropout(config.dropout))
    blocks.append(nn.Linear(config.hidden, 1))
    return nn.Sequential(*blocks)


class Critic(nn.Module):
    """V(s) and p_int(s) from a state vector [B, inputs]."""

    def __init__(self, inputs: int, config: CriticConfig | None = None) -> None:
        super().__init__()
        self.inputs = inputs
        self.config = config or CriticConfig()
        self.values = nn.ModuleList(_mlp(inputs, self.config) for _ in range(self.config.ensemble))
        self.interaction = _mlp(inputs, self.config)

    def value_ensemble(self, state: Tensor) -> Tensor:
        """Every member's V(s): [K, B]."""
        state = state.detach()
        return torch.stack([member(state).squeeze(-1) for member in self.values])

    def value(self, state: Tensor, unseen_by: Tensor | None = None) -> Tensor:
        """V(s): [B], the ensemble's mean; or what its member ``unseen_by`` [B] says, who never saw the episode."""
        values = self.value_ensemble(state)
        return values.mean(0) if unseen_by is None else values.gather(0, unseen_by[None]).squeeze(0)

    def interaction_logit(self, state: Tensor) -> Tensor:
        """The logit of p_int(s): [B]."""
        logit: Tensor = self.interaction(state.detach()).squeeze(-1)
        return logit

    def interaction_probability(self, state: Tensor) -> Tensor:
        """p_int(s) in [0, 1]: [B]."""
        return self.interaction_logit(state).sigmoid()


@dataclass(frozen=True, slots=True)
class CriticLoss:
    """The critic's loss and what to plot of it.

    Attributes:
        total: scalar to minimise.
        value: expectile regression error, scalar.
        interaction: binary cross-entropy of p_int, scalar.
        accuracy: share of steps whose I_t is p_int > 0.5, scalar.
        mean: of V over the steps, scalar.
    """

    total: Tensor
    value: Tensor
    interaction: Tensor
    accuracy: Tensor
    mean: Tensor


def expectile_loss(prediction: Tensor, target: Tensor, expectile: float) -> Tensor:
    """|e − 1(u < 0)| u² with u = target − prediction (Kostrikov et al. 2021); e = 0.5 is half the squared error."""
    u = target - prediction
    return torch.where(u < 0, 1 - expectile, expectile) * u.square()


def critic_loss(
    critic: Critic,
    state: Tensor,
    returns: Tensor,
    interaction: Tensor,
    expectile: float = 0.5,
    unseen_by: Tensor | None = None,
) -> CriticLoss:
    """The loss of both heads.

    Args:
        critic: the critic.
        state: [B, inputs].
        returns: λ-returns of the steps, [B], see :mod:`.advantage`.
        interaction: I_t in {0, 1}, [B].
        expectile: above 0.5 leans V towards the better of the recorded actions.
        unseen_by: the member that learns nothing from a step, [B]; None lets all learn from all.
    """
    values = critic.value_ensemble(state)
    errors = expectile_loss(values, returns.expand_as(values), expectile)
    if unseen_by is not None:
        errors = errors.scatter(0, unseen_by[None], 0.0) * len(values) / max(1, len(values) - 1)
    value = errors.mean()
    logit = critic.interaction_logit(state)
    cross_entropy = functional.binary_cross_entropy_with_logits(logit, interaction.to(logit.dtype))
    accuracy = ((logit > 0) == (interaction > 0.5)).float().mean()
    return CriticLoss(value + cross_entropy, value, cross_entropy, accuracy, values.detach().mean())
