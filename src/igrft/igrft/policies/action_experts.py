# SPDX-License-Identifier: Apache-2.0
"""The part of ``compact_flow`` that learns: several action experts side by side, each with its own gaze.

A gaze picks the things to act on (:mod:`.gaze`); a residual MLP over the whole chunk with adaptive layer norm
(Peebles & Xie 2023) reads what it sees and τ. The experts are one set of layers with a leading axis, so that four cost
hardly more calls than one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from igrft.policies.gaze import Gaze
from igrft.policies.side_by_side import Linears


def time_embedding(tau: Tensor, width: int) -> Tensor:
    """Sines and cosines of τ [..., B] in [0, 1] at ``width / 2`` frequencies: [..., B, width]."""
    frequencies = torch.exp(torch.linspace(0.0, math.log(100.0), width // 2, device=tau.device))
    angles = tau[..., None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], -1)


class Block(nn.Module):
    """Residual MLP whose norm is shifted, scaled and gated by the condition."""

    def __init__(self, members: int, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.condition = Linears(members, width, 3 * width)
        self.body = nn.Sequential(
            Linears(members, width, 2 * width), nn.SiLU(), nn.Dropout(dropout), Linears(members, 2 * width, width)
        )
        # Small, not zero: with zeros the first gradient would not reach the state at all.
        nn.init.normal_(self.condition.weight, std=0.02)
        nn.init.zeros_(self.condition.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        shift, scale, gate = self.condition(condition).chunk(3, -1)
        update: Tensor = self.body(self.norm(x) * (1 + scale) + shift)
        result: Tensor = x + (1 + gate) * update
        return result


class ActionExperts(nn.Module):
    """See the module. Every tensor has the experts as its first axis, M.

    Args:
        members: M.
        targets: names of the predictions that the gaze picks from.
        latent: floats of the trunk's latent state, which come before the predictions.
        own: floats of proprioception and instruction.
        flat: floats of a chunk.
        heads: things looked at together; 0 shows all predictions at once.
        gaze: width of the network that decides where to look.
        with_latent: whether the MLP also sees the latent state.
        width, blocks, dropout: of the MLP.
    """

    def __init__(
        self,
        members: int,
        targets: Sequence[str],
        latent: int,
        own: int,
        flat: int,
        *,
        heads: int,
        gaze: int,
        with_latent: bool,
        width: int,
        blocks: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.members = members
        self.predictions, self.latent, self.with_latent = len(targets), latent, with_latent
        self.gaze: Gaze | None = None
        seen = len(targets)
        if heads and targets:
            self.gaze = Gaze(members, targets, latent + len(targets) + own, heads, gaze)
            seen = self.gaze.dim
        self.state = nn.Sequential(
            Linears(members, seen + with_latent * latent + own, 2 * width),
            nn.SiLU(),
            nn.Dropout(dropout),
            Linears(members, 2 * width, width),
        )
        self.time = nn.Sequential(Linears(members, 64, width), nn.SiLU(), Linears(members, width, width))
        self.enter = Linears(members, flat, width)
        self.blocks = nn.ModuleList(Block(members, width, dropout) for _ in range(blocks))
        self.leave = nn.Sequential(nn.LayerNorm(width, elementwise_affine=False), Linears(members, width, flat))

    def context(self, features: Tensor, own: Tensor) -> Tensor:
        """What of the velocity depends on the state alone, of features [M, B, F] and own state [M, B, O]:
        [M, B, width]."""
        latent, predictions = features.split([self.latent, self.predictions], -1)
        seen = predictions if self.gaze is None else self.gaze(predictions, torch.cat([features, own], -1))
        context: Tensor = self.state(torch.cat([seen, latent, own] if self.with_latent else [seen, own], -1))
        return context

    def forward(self, noisy: Tensor, tau: Tensor, context: Tensor) -> Tensor:
        """The velocities of chunks [M, B, H, D] at τ [M, B]: [M, B, H, D]."""
        condition = nn.functional.silu(context + self.time(time_embedding(tau, 64)))
        x = self.enter(noisy.flatten(2))
        for block in self.blocks:
            x = block(x, condition)
        velocity: Tensor = self.leave(x)
        return velocity.view_as(noisy)
