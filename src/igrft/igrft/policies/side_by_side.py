# SPDX-License-Identifier: Apache-2.0
"""Networks side by side: the same layers with different weights, computed together."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Linears(nn.Module):
    """One linear layer for each of M networks: [M, B, inputs] to [M, B, outputs]. Begins as ``nn.Linear`` does."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.out_features = outputs
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, 1, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = torch.baddbmm(self.bias, x, self.weight)
        return result


def dealt(rows: Tensor, members: int) -> Tensor:
    """Rows [B, ...] dealt out in turn: [M, ⌈B / M⌉, ...], from the first ones again where B is no multiple of M."""
    count = -(-len(rows) // members) * members
    if count > len(rows):
        rows = rows[torch.arange(count, device=rows.device) % len(rows)]
    return rows.view(-1, members, *rows.shape[1:]).transpose(0, 1)


def gathered(dealt_out: Tensor, count: int) -> Tensor:
    """The inverse of :func:`dealt`: [M, ⌈B / M⌉, ...] to [B, ...]."""
    return dealt_out.transpose(0, 1).flatten(0, 1)[:count]
