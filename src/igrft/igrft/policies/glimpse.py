# SPDX-License-Identifier: Apache-2.0
"""Second looks: a window around where the trunk first saw each thing, in every camera, says more exactly how it lies.

The trunk finds things, but a whole image squeezed into keypoints does not tell how a block is turned. Seen through a
window that follows the thing and always spans as many centimetres, all headings look alike wherever the thing is, and
whatever its name: one small network learns them all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from igrft.policies.gaze import IDENTITY, columns
from igrft.policies.target_names import AXES, WAVE, pair_of
from igrft.types import ORIENTATION

RADIUS = 0.05
"""[m] from the middle of a window to its edge, at the thing's distance."""
WIDEST = 1.0
"""Half of the window at most, in halves of the image: a thing before the lens fills it."""
EXACT = ('projection', 'mean', 'scale', 'middle', 'folds')
"""Buffers that lose too much in half precision."""


def tool_headings(proprio: Tensor, arms: int) -> Tensor:
    """Heading [rad] about z of each tool, 0 where one that points down has its x along base_link's: [B, arms].

    Args:
        proprio: [B, P] as in :func:`igrft.types.proprioception`.
        arms: how many.
    """
    first, second = proprio.view(len(proprio), arms, -1)[..., ORIENTATION].split(3, -1)
    return torch.atan2(first[..., 1] + second[..., 0], first[..., 0] - second[..., 1])


@dataclass(frozen=True, kw_only=True)
class GlimpseConfig:
    """The size of the second looks."""

    pixels: int = 24
    """side of a window in samples, a multiple of eight"""
    width: int = 32
    """channels of the convolutions"""
    seen: int = 48
    """floats that a window says"""
    known: int = 128
    """floats that are known of a thing"""

    def __post_init__(self) -> None:
        if self.pixels < 8 or self.pixels % 8:
            raise ValueError('pixels must be a multiple of 8')
        if min(self.width, self.seen, self.known) < 2:
            raise ValueError('width, seen and known must be at least 2')


@dataclass(frozen=True, slots=True)
class Lens:
    """How a camera projects.

    Attributes:
        frame: prefix of the predictions in the frame that the camera is fixed to: ``base``, ``tool``, ``left.tool``.
        projection: [3, 4] from that frame [m] to the image, homogeneous, ±1 at its edges, x right and y down.
    """

    frame: str
    projection: Tensor


class Glimpses(nn.Module):
    """Corrections to the predictions.

    Args:
        targets: names of the trunk's K predictions.
        lenses: camera to how it projects.
        proprio_dim: P.
        config: their size.
    """

    def __init__(
        self,
        targets: Sequence[str],
        lenses: Mapping[str, Lens],
        proprio_dim: int,
        config: GlimpseConfig = GlimpseConfig(),
    ) -> None:
        super().__init__()
        self.config = config
        self.targets, self.cameras = tuple(targets), tuple(lenses)
        self.frames = tuple(lens.frame for lens in lenses.values())
        names, said, places = columns(targets)
        self.things = [name for name in names if not pair_of(name)]
        self.pairs = [name for name in names if name not in self.things]
        self.said = len(said)
        width = self.said + proprio_dim
        channels, pixels, seen, known = config.width, config.pixels, config.seen, config.known
        self.see = nn.Sequential(
            nn.Conv2d(3, channels // 2, 5, 2, 2), nn.ReLU(), nn.Conv2d(channels // 2, channels, 3, 2, 1), nn.ReLU(),
            nn.Conv2d(channels, channels, 3, 2, 1), nn.ReLU(), nn.Flatten(),
            nn.Linear(channels * (pixels // 8) ** 2, seen), nn.ReLU(),
        )  # fmt: skip
        self.identity = nn.Parameter(0.3 * torch.randn(len(self.things), IDENTITY))
        inputs = width + IDENTITY + len(self.cameras) * seen
        self.know = nn.Sequential(nn.Linear(inputs, known), nn.SiLU(), nn.Linear(known, known), nn.SiLU())
        self.correct = nn.Linear(known, self.said)
        self.heading = nn.Linear(known, 2)
        self.compare = nn.Sequential(nn.Linear(width + 2 * known, known), nn.SiLU(), nn.Linear(known, self.said))
        grid = torch.linspace(-1, 1, pixels)
        shapes = {
            'projection': torch.stack([lens.projection.float() for lens in lenses.values()]),
            'mean': torch.zeros(len(targets)),
            'scale': torch.ones(len(targets)),
            'middle': torch.zeros(len(self.cameras), len(self.things), 3),
            'folds': torch.zeros(len(self.things)),
        }
        for name, tensor in shapes.items():
            self.register_buffer(name, tensor)
        self.projection: Tensor
        self.mean: Tensor
        self.scale: Tensor
        self.middle: Tensor
        self.folds: Tensor
        # What follows from the names alone is not kept with the weights.
        row = {name: index for index, name in enumerate([*self.things, *self.pairs])}
        order = [row[names[place // self.said]] * self.said + place % self.said for place in places]
        where = {target: index for index, target in enumerate(targets)}
        sources = [
            [[where.get(f'{thing}.{frame}.{axis}', -1) for axis in AXES] for thing in self.things]
            for frame in self.frames
        ]
        ends = [[self.things.index(end) for end in pair_of(pair)] for pair in self.pairs]
        self.arms = max(1, sum(what.endswith('yaw.cos') for what in said))
        self.yaws = [(said.index(cos), said.index(f'{cos[:-3]}sin')) for cos in said if cos.endswith('yaw.cos')]
        waves = [
            [where[name.replace('.in.', f'.{wave}.')] for wave in ('in', 'cos', 'sin')]
            for name in targets
            if '.in.' in name and all(name.replace('.in.', f'.{wave}.') in where for wave in ('cos', 'sin'))
        ]
        fixed = {
            'waves': torch.tensor(waves, dtype=torch.long).reshape(-1, 3),
            'places': torch.tensor(order),
            'sources': torch.tensor(sources),
            'ends': torch.tensor(ends).reshape(-1, 2),
            'window': torch.stack(torch.meshgrid(grid, grid, indexing='xy'), -1),
        }
        for name, tensor in fixed.items():
            self.register_buffer(name, tensor, persistent=False)
        self.places: Tensor
        self.sources: Tensor
        self.ends: Tensor
        self.waves: Tensor
        self.window: Tensor

    def positions(self, predictions: Tensor) -> Tensor:
        """Where each thing was first seen, in each camera's frame [m]: [B, cameras, things, 3]."""
        metres = predictions * self.scale + self.mean
        found = metres[:, self.sources.clamp_min(0)]
        return torch.where(self.sources >= 0, found, self.middle)

    def windows(self, image: Tensor, camera: int, positions: Tensor) -> Tensor:
        """What of an image [B, 3, H, W] is around positions [B, n, 3]: [B × n, 3, pixels, pixels]."""
        pixels = self.config.pixels
        batch, count = positions.shape[:2]
        projection = self.projection[camera]
        x, y, depth = (positions @ projection[:, :3].T + projection[:, 3]).unbind(-1)
        depth = depth.clamp_min(0.02)
        middle = (torch.stack([x, y], -1) / depth[..., None]).clamp(-2, 2)
        half = (projection[0, :3].norm() * RADIUS / depth).clamp_max(WIDEST)
        grid = middle[:, :, None, None] + half[:, :, None, None, None] * self.window
        grid = grid.view(batch, count * pixels, pixels, 2)
        seen = functional.grid_sample(image, grid, padding_mode='border', align_corners=False)
        return seen.view(batch, 3, count, pixels, pixels).transpose(1, 2).flatten(0, 1)

    def headings(self, known: Tensor, things: Sequence[int], tools: Tensor) -> Tensor:
        """How things are turned, [B, n, columns]: said in base_link, as a camera on a stand sees it, and carried
        into the frame of each tool. Of a thing that looks the same after so many turns, the angle counts so many times.

        Args:
            known: [B, n, known].
            things: n numbers.
            tools: [B, arms] rad, heading of each tool that points down.
        """
        x, y = self.heading(known).unbind(-1)
        said = known.new_zeros(*known.shape[:2], self.said)
        scales = torch.ones(len(self.things) + len(self.pairs), self.said, device=known.device)
        scales = scales.flatten().index_copy(0, self.places, self.scale).view_as(scales)[list(things)]
        for arm, (cos, sin) in enumerate(self.yaws):
            angle = tools[:, arm, None] * self.folds[list(things)]
            said[..., cos] = (x * angle.cos() + y * angle.sin()) / scales[:, cos]
            said[..., sin] = (x * angle.sin() - y * angle.cos()) / scales[:, sin]
        return said

    def forward(
        self,
        images: Mapping[str, Tensor],
        predictions: Tensor,
        proprio: Tensor,
        tools: Tensor,
        of: str = '',
        slip: float = 0.0,
    ) -> Tensor:
        """Corrected predictions [B, K].

        Args:
            images: camera to [B, H, W, 3], 0 to 255.
            predictions: [B, K], normalised.
            proprio: [B, P], normalised.
            tools: [B, arms] rad, heading of each tool, see :func:`tool_headings`.
            of: the task whose things are looked at, '' for all; the others keep their predictions.
            slip: [m] standard deviation by which the windows miss, in training.
        """
        batch = len(predictions)
        things = [i for i, name in enumerate(self.things) if not of or name.startswith(f'{of}/')]
        pairs = [i for i, name in enumerate(self.pairs) if not of or name.startswith(f'{of}/')]
        rows = len(self.things) + len(self.pairs)
        table = predictions.new_zeros(batch, rows * self.said).index_copy(1, self.places, predictions)
        table = table.view(batch, rows, self.said)
        positions = self.positions(predictions)[:, :, things]
        if slip:
            positions = positions + slip * torch.randn_like(positions)
        seen = []
        for camera, name in enumerate(self.cameras):
            image = images[name].movedim(-1, 1).to(predictions.dtype).div(127.5).sub(1.0)
            seen.append(self.see(self.windows(image, camera, positions[:, camera])).view(batch, len(things), -1))
        own = proprio[:, None].expand(-1, len(things), -1)
        identity = self.identity[things].expand(batch, -1, -1)
        known = self.know(torch.cat([table[:, things], own, identity, *seen], -1))
        update = torch.zeros_like(table)
        update[:, things] = (self.correct(known) + self.headings(known, things, tools)).to(update.dtype)
        if pairs:
            first, second = (self._slots(things)[self.ends[pairs, end]] for end in (0, 1))
            shown = table[:, [len(self.things) + pair for pair in pairs]]
            both = [shown, proprio[:, None].expand(-1, len(pairs), -1), known[:, first], known[:, second]]
            update[:, [len(self.things) + pair for pair in pairs]] = self.compare(torch.cat(both, -1)).to(update.dtype)
        return self._waved(predictions + update.flatten(1)[:, self.places])

    def _waved(self, found: Tensor) -> Tensor:
        """With the waves of places in fixtures calculated: they repeat too often for a network to learn them well."""
        place, *waves = self.waves.unbind(1)
        angle = 2 * math.pi / WAVE * (found[:, place] * self.scale[place] + self.mean[place])
        for column, wave in zip(waves, (angle.cos(), angle.sin()), strict=True):
            found = found.index_copy(1, column, (wave - self.mean[column]) / self.scale[column])
        return found

    def _slots(self, things: Sequence[int]) -> Tensor:
        """From a thing's number to its place among those looked at."""
        slots = torch.full((len(self.things),), -1, dtype=torch.long, device=self.places.device)
        slots[list(things)] = torch.arange(len(things), device=slots.device)
        return slots
