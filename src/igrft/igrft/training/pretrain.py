# SPDX-License-Identifier: Apache-2.0
"""Pretrain the vision trunk of ``compact_flow`` on random scenes of the cell: ``python -m igrft.training.pretrain``.

A vision-language-action model comes with a pretrained trunk; so does this one. The shipped weights were made by this
command with its defaults.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from igrft.policies.pretrained import WEIGHTS, save_trunk
from igrft.policies.trunk import Trunk, TrunkConfig
from igrft.training.scenes import Scenes, collect


@dataclass(frozen=True)
class PretrainConfig:
    """How long and how."""

    scenes: int = 14000
    held_out: int = 500
    steps: int = 1200
    batch: int = 128
    learning_rate: float = 2e-3
    threads: int = 1
    seed: int = 0


def brightness(images: Tensor, generator: torch.Generator) -> Tensor:
    """Scale and shift the colours of [B, H, W, 3] uint8 images a little, each its own way."""
    scale = 1 + 0.1 * (2 * torch.rand((len(images), 1, 1, 3), generator=generator) - 1)
    shift = 10 * (2 * torch.rand((len(images), 1, 1, 3), generator=generator) - 1)
    return (images * scale + shift).clamp(0, 255)


def pretrain(
    train: Scenes, test: Scenes, size: int, trunk_config: TrunkConfig, config: PretrainConfig
) -> tuple[Trunk, dict[str, float]]:
    """Train a trunk to predict the scenes' targets.

    Returns:
        the trunk, and the mean absolute error of every target on ``test`` [its unit].
    """
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    cameras = tuple(train.images)
    trunk = Trunk(cameras, size, train.proprio.shape[1], len(train.names), trunk_config)
    trunk.proprio_mean.copy_(torch.from_numpy(train.proprio.mean(0)))
    trunk.proprio_scale.copy_(torch.from_numpy(train.proprio.std(0)).clamp_min(0.02))
    mean = torch.from_numpy(train.targets.mean(0))
    scale = torch.from_numpy(train.targets.std(0)).clamp_min(1e-3)
    wanted = (torch.from_numpy(train.targets) - mean) / scale
    trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(trunk.parameters(), lr=config.learning_rate, weight_decay=1e-4)
    average = {name: tensor.clone() for name, tensor in trunk.state_dict().items()}
    begin = time.monotonic()
    for step in range(config.steps):
        for group in optimiser.param_groups:
            rise = min(1.0, (step + 1) / 100)
            group['lr'] = config.learning_rate * rise * (0.01 + 0.495 * (1 + math.cos(math.pi * step / config.steps)))
        rows = torch.randint(0, len(wanted), (config.batch,), generator=generator)
        images = {c: brightness(torch.from_numpy(train.images[c][rows.numpy()]), generator) for c in cameras}
        with torch.autocast('cpu', torch.bfloat16):
            features = trunk(images, torch.from_numpy(train.proprio[rows.numpy()]))
        loss = functional.smooth_l1_loss(trunk.predictions(features).float(), wanted[rows], beta=0.1)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(trunk.parameters(), 1.0)
        if not bool(norm.isfinite()):
            raise RuntimeError(f'step {step}: the gradient is not finite; try another width, or fewer threads')
        optimiser.step()
        with torch.no_grad():
            for name, tensor in trunk.state_dict().items():
                average[name].lerp_(tensor, 1 - min(0.995, (1 + step) / (10 + step)))
        if (step + 1) % 100 == 0 or step == 0:
            print(
                f'step {step + 1}/{config.steps}  loss {loss.item():.4f}  {time.monotonic() - begin:.0f} s', flush=True
            )
    trunk.load_state_dict(average)
    return trunk, evaluate(trunk, test, mean, scale)


@torch.no_grad()
def evaluate(trunk: Trunk, scenes: Scenes, mean: Tensor, scale: Tensor) -> dict[str, float]:
    """Median absolute error of every target."""
    trunk.eval()
    parts = []
    for i in range(0, len(scenes.proprio), 100):
        images = {c: torch.from_numpy(frames[i : i + 100]) for c, frames in scenes.images.items()}
        parts.append(trunk.predictions(trunk(images, torch.from_numpy(scenes.proprio[i : i + 100]))))
    error = ((torch.cat(parts) * scale + mean) - torch.from_numpy(scenes.targets)).abs().median(0).values
    return dict(zip(scenes.names, error.tolist(), strict=True))


def main(argv: list[str] | None = None) -> None:
    """Entry point."""
    defaults = PretrainConfig()
    parser = argparse.ArgumentParser(
        description='pretrain the vision trunk of compact_flow on random scenes of the cell'
    )
    parser.add_argument('--task', default='block_stacking', help='whose objects are in the scenes')
    parser.add_argument('--image-size', type=int, default=128, help='[px]')
    parser.add_argument('--scenes', type=int, default=defaults.scenes)
    parser.add_argument('--steps', type=int, default=defaults.steps)
    parser.add_argument('--threads', type=int, default=defaults.threads)
    parser.add_argument('--seed', type=int, default=defaults.seed)
    parser.add_argument('--out', type=Path, default=WEIGHTS / 'cell_v1.safetensors')
    arguments = parser.parse_args(argv)
    # The simulated cell is another package, and only this command needs it.
    from igrft_sim.cell import Cell
    from igrft_sim.tasks import make_task

    config = PretrainConfig(
        scenes=arguments.scenes, steps=arguments.steps, threads=arguments.threads, seed=arguments.seed
    )
    torch.set_num_threads(config.threads)
    cell = Cell(make_task(arguments.task), image_size=arguments.image_size)
    begin = time.monotonic()
    scenes = collect(cell, config.scenes, config.seed)
    test = collect(cell, config.held_out, config.seed + 1)
    print(f'{config.scenes} scenes in {time.monotonic() - begin:.0f} s', flush=True)
    trunk, errors = pretrain(scenes, test, arguments.image_size, TrunkConfig(), config)
    for name, error in errors.items():
        print(f'{name:32s} median error {error:.4f}')
    save_trunk(trunk, arguments.out, scenes.names, TrunkConfig(), arguments.image_size)
    print(f'{arguments.out}: {arguments.out.stat().st_size / 1e6:.2f} MB, {np.round(time.monotonic() - begin)} s')


if __name__ == '__main__':
    main()
