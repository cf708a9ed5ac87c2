# SPDX-License-Identifier: Apache-2.0
"""Real-time chunking: the next chunk is drawn so that it continues the one that runs meanwhile (Black et al. 2025).

While a chunk is computed, the arm goes on executing the running one. Of the new chunk's H steps, the first d will be
past when it arrives: they are frozen to what is being executed. The steps after them, as far as the running chunk
reaches, are pulled towards it, less and less; the rest is free. For a flow this is inpainting by guidance (ΠGDM, Song
et al. 2023): with the chunk that the flow is heading for, â = a + (1 − τ) v(a, τ),

    v'(a, τ) = v(a, τ) + min(β, (1 − τ) / (τ r²)) · (∂â/∂a)ᵀ W (y − â),    r² = (1 − τ)² / (τ² + (1 − τ)²)

with the running chunk's actions y and the weights W of :func:`soft_mask`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from igrft.method.flow_matching import Velocity

SEAM = 2
"""Steps after the frozen ones over which a chunk that would not be guided is led in."""


@dataclass(frozen=True, slots=True)
class Committed:
    """What the arm will be doing while the next chunk is computed.

    Attributes:
        actions: [R, A] of the running chunk in physical units; row 0 falls on the new chunk's first step.
        frozen: d, steps that will be past, or running, when the new chunk arrives.
        guidance: β, the largest weight of the pull; 0 only freezes.
    """

    actions: Tensor
    frozen: int
    guidance: float = 10.0

    def __post_init__(self) -> None:
        if self.actions.ndim != 2 or self.frozen < 0 or self.guidance < 0:
            raise ValueError('committed actions are [R, A]; frozen and guidance must not be negative')


def soft_mask(horizon: int, frozen: int, overlap: int) -> Tensor:
    """W, the weight of every step of the new chunk: [H] in [0, 1].

    Args:
        horizon: H.
        frozen: d, the first steps count 1.
        overlap: R, steps that the running chunk still has; from there on the weight is 0.

    Returns:
        between them c (eᶜ − 1) / (e − 1) with c falling linearly from below 1 to above 0.
    """
    overlap = min(overlap, horizon)
    step = torch.arange(horizon, dtype=torch.float32)
    fall = ((overlap - step) / (overlap - frozen + 1)).clamp(0.0, 1.0)
    weight = fall * torch.expm1(fall) / math.expm1(1.0)
    weight[step < min(frozen, overlap)] = 1.0
    weight[step >= overlap] = 0.0
    return weight


def guidance_weight(tau: Tensor, limit: float) -> Tensor:
    """min(β, (1 − τ) / (τ r²)) of τ [B] in [0, 1]: β where τ is 0 or 1."""
    size = (tau.square() + (1 - tau).square()) / (tau * (1 - tau)).clamp_min(1e-6)
    return size.clamp(max=limit)


def guided(velocity: Velocity, target: Tensor, weights: Tensor, limit: float) -> Velocity:
    """v' from v, for :func:`igrft.method.flow_matching.integrate`; it differentiates v, also where gradients are off.

    Args:
        velocity: v.
        target: y, [B, H, A] of normalised actions; what its weight is 0 for does not matter.
        weights: W, broadcastable to [B, H, A].
        limit: β.
    """

    def field(a: Tensor, tau: Tensor) -> Tensor:
        with torch.enable_grad():
            point = a.detach().requires_grad_()
            v = velocity(point, tau)
            heading = point + (1 - tau)[:, None, None] * v
            error = (weights * (target - heading)).detach()
            (pull,) = torch.autograd.grad(heading, point, error)
        return v.detach() + guidance_weight(tau, limit)[:, None, None] * pull

    return field


def continued(actions: Tensor, committed: Committed | None, blend: bool = False) -> Tensor:
    """The new chunks with their frozen steps replaced by what is being executed, and the next ones led over to.

    Guidance is a pull, no constraint: now and then a draw goes another way all the same. So the first SEAM free steps
    are averaged with the running chunk's, which changes nothing where the pull has worked.

    Args:
        actions: [B, H, A] in physical units.
        committed: None leaves them as they are.
        blend: average all steps that both have, by :func:`soft_mask`, for a policy that cannot be guided (temporal
            ensembling of two chunks, Zhao et al. 2023).
    """
    if committed is None:
        return actions
    horizon = actions.shape[1]
    running = committed.actions[:horizon].to(actions)
    weights = soft_mask(horizon, committed.frozen, len(running))
    if not blend:
        after = torch.arange(horizon) - (committed.frozen - 1)
        weights = (1 - after / (SEAM + 1)).clamp(0.0, 1.0)
    weights = weights[: len(running), None].to(actions)
    result = actions.clone()
    result[:, : len(running)] = weights * running + (1 - weights) * actions[:, : len(running)]
    return result
