# SPDX-License-Identifier: Apache-2.0
"""The second half of pretraining: second looks at what the trunk has found (:mod:`igrft.policies.glimpse`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from igrft.policies.glimpse import GlimpseConfig, Glimpses, Lens, tool_headings
from igrft.policies.target_names import AXES
from igrft.policies.trunk import Trunk
from igrft.training.descent import BETA, Descent
from igrft.training.frames import Frames
from igrft.training.scene_store import Scenes
from igrft.training.shades import brightness

FOREIGN = 0.15
"""Share of the steps that look for another task's things, which are not there and are to stay at their mean."""
LIGHT = 0.1
"""Weight of such a step."""
SLIP = 0.004
"""[m] by which the windows miss: where the trunk has learned, it errs less than where it will be used."""


@dataclass(frozen=True)
class RefineConfig:
    """How long and how."""

    steps: int = 9000
    batch: int = 128
    learning_rate: float = 2e-3
    seed: int = 0
    device: str = 'cpu'


@torch.no_grad()
def first_looks(trunk: Trunk, frames: Frames, proprio: Tensor, batch: int = 128) -> Tensor:
    """What the trunk predicts without second looks: [N, K]."""
    parts = []
    with frames.precision():
        for rows in torch.arange(len(proprio)).split(batch):
            features = trunk(frames.take(rows), proprio[rows.to(proprio.device)])
            parts.append(trunk.predictions(features).float())
    return torch.cat(parts)


def blank(
    everything: Scenes,
    names: tuple[str, ...],
    lenses: Mapping[str, Lens],
    folds: Mapping[str, int],
    config: GlimpseConfig = GlimpseConfig(),
) -> Glimpses:
    """Untrained second looks that know the targets' scales, and where the things are that never move.

    Args:
        everything: the scenes with all targets.
        names: of the targets that the trunk predicts.
        lenses: of the cameras.
        folds: ``<task>/<thing>`` to the turns after which it looks the same.
        config: their size.
    """
    looks = Glimpses(names, lenses, everything.proprio.shape[1], config)
    means = dict(zip(everything.names, np.nanmean(everything.targets, 0).tolist(), strict=True))
    spread = dict(zip(everything.names, np.nanstd(everything.targets, 0).tolist(), strict=True))
    looks.mean.copy_(torch.tensor([means[name] for name in names]))
    looks.scale.copy_(torch.tensor([spread[name] for name in names]).clamp_min(1e-3))
    looks.folds.copy_(torch.tensor([float(folds[thing]) for thing in looks.things]))
    middle = [[[means[f'{t}.{frame}.{axis}'] for axis in AXES] for t in looks.things] for frame in looks.frames]
    looks.middle.copy_(torch.tensor(middle))
    return looks


def refine(trunk: Trunk, looks: Glimpses, scenes: Scenes, config: RefineConfig) -> Trunk:
    """Train second looks on the scenes that a trunk was trained on; the trunk stays as it is.

    Returns:
        the trunk with them.

    Raises:
        RuntimeError: the training diverged.
    """
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    device = torch.device(config.device)
    trunk, looks = trunk.eval().to(device), looks.to(device)
    frames, proprio = Frames(scenes, device), torch.from_numpy(scenes.proprio).to(device)
    first = first_looks(trunk, frames, proprio)
    state, tools = trunk.normalised(proprio), tool_headings(proprio, looks.arms)
    targets = torch.from_numpy(scenes.targets)
    wanted = ((targets.to(device) - looks.mean) / looks.scale).nan_to_num(0.0)
    tasks = sorted({name.partition('/')[0] for name in looks.targets})
    columns = {task: torch.tensor([name.startswith(f'{task}/') for name in looks.targets]) for task in tasks}
    rows_of = {task: np.flatnonzero(~targets[:, columns[task]].isnan().all(1).numpy()) for task in tasks}
    descent = Descent(looks, config.learning_rate, config.steps, 50, 'second looks')
    for _ in range(config.steps):
        task = of = str(rng.choice(tasks))
        if rng.random() < FOREIGN:
            of = str(rng.choice(tasks))
        rows = torch.from_numpy(np.sort(rng.choice(rows_of[task], config.batch)))
        images = {camera: brightness(frame, generator) for camera, frame in frames.take(rows).items()}
        rows, own = rows.to(device), columns[of].to(device)
        # In full precision: in half of it a window's edge is off by more than a pixel.
        found = looks(images, first[rows], state[rows], tools[rows], of, SLIP)[:, own]
        goal = wanted[rows][:, own] if of == task else torch.zeros_like(found)
        loss = functional.smooth_l1_loss(found, goal, beta=BETA) * (1.0 if of == task else LIGHT)
        descent.step(loss)
    descent.finish()
    trunk.glimpses = looks.eval()
    return trunk
