# SPDX-License-Identifier: Apache-2.0
"""Interaction-guided advantage-weighted regression.

    L(θ) = E_{(s,a) ~ D_demo ∪ D_real} [ exp(Â(s,a) / β) · ‖v_θ(a_τ, τ, s) − (a − ε)‖² ] + κ · E ‖v_θ − v_SFT‖²

The last term is the proximal anchor: without one, weighted regression on its own rollouts is known to collapse.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from igrft.method.flow_matching import squared_error
from igrft.method.weights import WeightConfig, advantage_weights
from igrft.types import Source


@dataclass(frozen=True, kw_only=True)
class StepWeightConfig:
    """Which step gets which weight."""

    advantage: WeightConfig = WeightConfig()
    all_by_advantage: bool = False
    """False: a demonstrated step counts 1. True: every step, whoever drove, exp(Â / β)"""
    human: float = 1.0
    """weight of a human's step in a rollout, a demonstration where the policy needed one, unless by advantage"""
    successes_only: bool = False
    """the policy's steps count only in episodes that succeeded"""
    before_takeover: int = 40
    """[steps] of the policy before a takeover that count nothing: they led to it"""
    detour: float = 3.0
    """a human's steps count where a subtask is completed within so many times the longest that a demonstration took
    for one; 0: wherever one is completed later"""

    def __post_init__(self) -> None:
        if min(self.human, self.before_takeover, self.detour) < 0:
            raise ValueError('human, before_takeover and detour must not be negative')


def step_weights(
    advantage: Tensor,
    source: Tensor,
    demonstration: Tensor,
    left_out: Tensor,
    config: StepWeightConfig,
    succeeded: Tensor | None = None,
) -> Tensor:
    """The weight of every recorded step.

    Args:
        advantage: Â, [N].
        source: [N] of :class:`igrft.types.Source`.
        demonstration: [N] bool, steps of D_demo.
        left_out: [N] bool, see :func:`igrft.training.marks.nothing_to_imitate`.
        succeeded: [N] bool, steps of episodes that succeeded; needed where the configuration asks for successes only.

    Returns:
        [N]. Steps in which nobody drove (HOLD) count nothing.
    """
    weights = torch.zeros(len(advantage))
    human = (source == int(Source.HUMAN)) & ~demonstration & ~left_out
    policy = (source == int(Source.POLICY)) & ~demonstration & ~left_out
    if config.successes_only:
        if succeeded is None:
            raise ValueError('successes_only needs to know which steps are of episodes that succeeded')
        policy &= succeeded
    shown = demonstration & (source != int(Source.HOLD))
    weights[shown], weights[human] = 1.0, config.human
    weighed = policy | human | shown if config.all_by_advantage else policy
    weights[weighed] = advantage_weights(advantage[weighed], config.advantage)
    return weights


@dataclass(frozen=True, slots=True)
class AwrLoss:
    """The policy's loss.

    Attributes:
        total: scalar to minimise.
        regression: the weighted flow-matching error, scalar.
        anchor: distance to the anchor's velocity, scalar.
    """

    total: Tensor
    regression: Tensor
    anchor: Tensor


def weighted_loss(
    error: Tensor, weights: Tensor, mask: Tensor, distance: Tensor | None = None, anchor: float = 0.0
) -> AwrLoss:
    """The loss above with any error of a step, e.g. a negative log-likelihood: L = E [w · error] + κ · E [distance].

    Args:
        error: of every step of the chunks, [B, H].
        weights: exp(Â / β) of every step, [B, H]; ones make it plain imitation.
        mask: [B, H] bool, steps that exist.
        distance: to the anchor's prediction, [B, H].
        anchor: κ ≥ 0.
    """
    valid = mask.to(error.dtype)
    count = valid.sum().clamp_min(1.0)
    regression = (weights * valid * error).sum() / count
    if distance is None or anchor == 0:
        return AwrLoss(regression, regression, torch.zeros_like(regression))
    apart = (valid * distance).sum() / count
    return AwrLoss(regression + anchor * apart, regression, apart)


def awr_loss(
    velocity: Tensor,
    target: Tensor,
    weights: Tensor,
    mask: Tensor,
    reference: Tensor | None = None,
    anchor: float = 0.0,
) -> AwrLoss:
    """The loss above for one batch of a flow.

    Args:
        velocity: v_θ, [B, H, A].
        target: a − ε, [B, H, A].
        weights: exp(Â / β) of every step of the chunks, [B, H]; ones make it plain flow matching.
        mask: [B, H] bool, steps that exist.
        reference: the anchor's velocity at the same (a_τ, τ, s), [B, H, A].
        anchor: κ ≥ 0.
    """
    distance = None if reference is None else squared_error(velocity, reference.detach())
    return weighted_loss(squared_error(velocity, target), weights, mask, distance, anchor)
