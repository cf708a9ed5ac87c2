# SPDX-License-Identifier: Apache-2.0
"""Looks at a few things at a time, so that what is learned of one thing holds for every other.

The trunk says of every thing in the cell where it is. Sixty demonstrations are sixty reaches for the red block: a
network that reads everything at once finds a thousand ways to tell them apart, few of which hold tomorrow. So a gaze
first picks things by a softmax, as many at once as it has heads, and only what it looks at reaches the action expert,
laid out alike whatever thing it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from igrft.policies.side_by_side import Linears

IDENTITY = 8
"""Learned floats that tell a thing from the others."""


def columns(targets: Sequence[str]) -> tuple[list[str], list[str], list[int]]:
    """Lay out predictions called ``<task>/<thing>.<what>.<axis>`` as a table.

    Returns:
        the things, what is said of a thing, and the cell of the flattened table that each prediction goes to.
    """
    split = [target.rpartition('/')[::2] for target in targets]
    parts = [(task, *name.partition('.')[::2]) for task, name in split]
    things = list(dict.fromkeys(f'{task}/{thing}' for task, thing, _ in parts))
    said = list(dict.fromkeys(what for _, _, what in parts))
    places = [things.index(f'{task}/{thing}') * len(said) + said.index(what) for task, thing, what in parts]
    return things, said, places


class Gaze(nn.Module):
    """From predictions [M, B, K] and states [M, B, S] to what is looked at, [M, B, heads × (columns + IDENTITY)], of M
    gazes side by side.

    Args:
        members: M.
        targets: names of the K predictions.
        inputs: S, what decides where to look.
        heads: things looked at together.
        width: of the network that decides.
    """

    def __init__(self, members: int, targets: Sequence[str], inputs: int, heads: int, width: int) -> None:
        super().__init__()
        things, said, places = columns(targets)
        self.heads, self.things, self.said = heads, len(things), len(said)
        self.places: Tensor
        self.register_buffer('places', torch.tensor(places), persistent=False)
        self.identity = nn.Parameter(0.3 * torch.randn(members, 1, self.things, IDENTITY))
        self.choose = nn.Sequential(
            Linears(members, inputs, width), nn.SiLU(), Linears(members, width, heads * self.things)
        )
        self.dim = heads * (self.said + IDENTITY)

    def attention(self, state: Tensor) -> Tensor:
        """How much each head looks at each thing, summing to 1 over the things: [M, B, heads, things]."""
        chosen: Tensor = self.choose(state)
        return chosen.view(*chosen.shape[:2], self.heads, self.things).softmax(-1)

    def forward(self, predictions: Tensor, state: Tensor) -> Tensor:
        members, count = predictions.shape[:2]
        table = predictions.new_zeros(members, count, self.things * self.said)
        table = table.index_copy(2, self.places, predictions).unflatten(2, (self.things, self.said))
        rows = torch.cat([table, self.identity.expand(-1, count, -1, -1)], -1)
        return (self.attention(state) @ rows).flatten(2)
