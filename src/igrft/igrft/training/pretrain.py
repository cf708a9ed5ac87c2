# SPDX-License-Identifier: Apache-2.0
"""Pretrain the vision trunk of ``compact_flow`` on random scenes of the cell: ``python -m igrft.training.pretrain``.

A vision-language-action model comes with a pretrained trunk; so does this one, one trunk for all tasks of a robot. How
the shipped weights were made: ``docs/learning.md``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from igrft.policies.glimpse import GlimpseConfig
from igrft.policies.pretrained import WEIGHTS, load_trunk, save_trunk
from igrft.policies.trunk import Trunk, TrunkConfig
from igrft.training.descent import BETA, Descent
from igrft.training.frames import Frames
from igrft.training.lenses import lenses_of
from igrft.training.refine import RefineConfig, blank, refine
from igrft.training.scene_store import Order, Scenes, collect, make_cell
from igrft.training.shades import brightness

OUT = {'sim': 'cell_v4', 'sim_dual': 'cell_dual_v3'}
"""Robot to the name of its trunk."""
SIZE = TrunkConfig(
    stages=2, width=64, keypoints=48, hidden=512, latent=128, glimpse=GlimpseConfig(pixels=32, width=48, known=192)
)
"""Of the shipped trunks."""
CONSTANT = 1e-3
"""Standard deviation below which a target is always the same and not learned."""
LEAN = 0.05
"""The same of ``up``: a held thing's few hundredths are no leaning."""
ABSENT = 0.1
"""Weight of a target in the scenes of other tasks, where it is to stay at its mean."""


@dataclass(frozen=True)
class PretrainConfig:
    """How long and how."""

    steps: int = 3600
    batch: int = 128
    learning_rate: float = 4e-3
    threads: int = 2
    seed: int = 0
    device: str = 'cpu'


def informative(scenes: Scenes) -> Scenes:
    """The scenes without the targets that never change: what stands still need not be seen."""
    spread = np.nanstd(scenes.targets, 0)
    least = [LEAN if '.up.' in name else CONSTANT for name in scenes.names]
    return select(scenes, tuple(name for name, s, t in zip(scenes.names, spread, least, strict=True) if s > t))


def select(scenes: Scenes, names: tuple[str, ...]) -> Scenes:
    """The scenes with these targets only."""
    columns = [scenes.names.index(name) for name in names]
    return replace(scenes, targets=scenes.targets[:, columns], names=names)


def loss_weights(present: Tensor) -> Tensor:
    """Weight of every target [B, K]: of a scene's own targets they sum to 1, whatever task it is of."""
    own = present / present.sum(1, keepdim=True).clamp_min(1)
    foreign = ~present / (~present).sum(1, keepdim=True).clamp_min(1)
    return own + ABSENT * foreign


def pretrain(
    train: Scenes, test: Scenes, size: int, trunk_config: TrunkConfig, config: PretrainConfig
) -> tuple[Trunk, dict[str, float]]:
    """Train a trunk to predict the scenes' targets, each scaled by its deviation over the scenes that have it.

    Returns:
        the trunk, and the median absolute error of every target on ``test`` [its unit].

    Raises:
        RuntimeError: the training diverged.
    """
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    device = torch.device(config.device)
    cameras = tuple(train.images)
    trunk = Trunk(cameras, size, train.proprio.shape[1], len(train.names), trunk_config)
    trunk.proprio_mean.copy_(torch.from_numpy(train.proprio.mean(0)))
    trunk.proprio_scale.copy_(torch.from_numpy(train.proprio.std(0)).clamp_min(0.02))
    mean, scale = scaling(train)
    targets = torch.from_numpy(train.targets)
    present = ~targets.isnan()
    wanted = ((targets - mean) / scale).nan_to_num(0.0)
    trunk.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    frames = Frames(train, device)
    proprio, wanted, weights = (x.to(device) for x in (torch.from_numpy(train.proprio), wanted, loss_weights(present)))
    descent = Descent(trunk, config.learning_rate, config.steps, 100, 'trunk')
    for _ in range(config.steps):
        rows = torch.randint(0, len(wanted), (config.batch,), generator=generator).sort().values
        images = {camera: brightness(frame, generator) for camera, frame in frames.take(rows).items()}
        rows = rows.to(device)
        with frames.precision():
            features = trunk(images, proprio[rows])
        found = trunk.predictions(features).float()
        each = functional.smooth_l1_loss(found, wanted[rows], beta=BETA, reduction='none')
        descent.step((each * weights[rows]).sum(1).mean())
    descent.finish()
    return trunk, evaluate(trunk, test, mean, scale)


def scaling(scenes: Scenes) -> tuple[Tensor, Tensor]:
    """Mean and deviation [K] of each target over the scenes that have it."""
    mean, scale = np.nanmean(scenes.targets, 0), np.nanstd(scenes.targets, 0)
    return torch.from_numpy(mean), torch.from_numpy(scale).clamp_min(CONSTANT)


@torch.no_grad()
def evaluate(trunk: Trunk, scenes: Scenes, mean: Tensor, scale: Tensor) -> dict[str, float]:
    """Median absolute error of every target over the scenes that have it."""
    trunk.eval()
    device = next(trunk.parameters()).device
    parts = []
    for i in range(0, len(scenes.proprio), 100):
        images = {c: torch.from_numpy(np.array(frames[i : i + 100])).to(device) for c, frames in scenes.images.items()}
        features = trunk(images, torch.from_numpy(scenes.proprio[i : i + 100]).to(device))
        parts.append(trunk.predictions(features).cpu())
    error = ((torch.cat(parts) * scale + mean) - torch.from_numpy(scenes.targets)).abs().nanmedian(0).values
    return dict(zip(scenes.names, error.tolist(), strict=True))


def report(errors: Mapping[str, float]) -> str:
    """The errors of a position's axes in one line."""
    lines: dict[str, list[str]] = {}
    for name, error in errors.items():
        thing, _, axis = name.rpartition('.')
        group = thing if axis in ('x', 'y', 'z', 'cos', 'sin') else name
        lines.setdefault(group, []).append(f'{axis} {error:.4f}')
    return '\n'.join(f'{group:44s} median error {"  ".join(parts)}' for group, parts in lines.items())


def tasks_of(robot: str) -> tuple[str, ...]:
    """The cell's tasks that are made for a robot."""
    from igrft_sim.tasks import TASKS, make_task

    return tuple(name for name in sorted(TASKS) if getattr(make_task(name).config, 'robot', 'sim') == robot)


def folds_of(tasks: Sequence[str]) -> dict[str, int]:
    """``<task>/<thing>`` to the turns about its own z after which it looks the same."""
    from igrft_sim.tasks import make_task

    made = [make_task(name) for name in tasks]
    return {f'{task.name}/{thing}': task.folds(thing) for task in made for thing in task.objects}


def main(argv: list[str] | None = None) -> None:
    """Entry point."""
    defaults = PretrainConfig()
    parser = argparse.ArgumentParser(
        description='pretrain the vision trunk of compact_flow on random scenes of the cell',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('--robot', default='sim', help='whose arms and cameras the trunk is for')
    parser.add_argument('--tasks', nargs='+', default=[], help="whose objects are in the scenes; all of the robot's")
    parser.add_argument('--image-size', type=int, default=128, help='[px]')
    parser.add_argument('--scenes', type=int, default=16000, help='of each task')
    parser.add_argument('--held-out', type=int, default=400, help='scenes of each task to measure the errors on')
    parser.add_argument('--steps', type=int, default=defaults.steps)
    parser.add_argument('--refine-steps', type=int, default=RefineConfig.steps, help='of the second looks')
    parser.add_argument('--batch', type=int, default=defaults.batch)
    parser.add_argument('--jobs', type=int, default=len(os.sched_getaffinity(0)), help='processes that render')
    parser.add_argument('--threads', type=int, default=defaults.threads, help='of the training')
    parser.add_argument('--device', default=defaults.device, help='cpu or cuda')
    parser.add_argument('--seed', type=int, default=defaults.seed)
    parser.add_argument('--cache', type=Path, help='folder that keeps the scenes: 100 kB each')
    parser.add_argument('--out', type=Path, help='file of the weights')
    arguments = parser.parse_args(argv)
    tasks = tuple(arguments.tasks) or tasks_of(arguments.robot)
    out: Path = arguments.out or WEIGHTS / f'{OUT.get(arguments.robot, f"cell_{arguments.robot}")}.safetensors'
    own = {name: getattr(arguments, name) for name in ('steps', 'batch', 'threads', 'seed', 'device')}
    with tempfile.TemporaryDirectory(prefix='scenes-') as scratch:
        folder: Path = arguments.cache or Path(scratch)
        order = Order(tasks, arguments.robot, arguments.image_size, arguments.scenes, arguments.seed)
        begin = time.monotonic()
        everything = collect(order, folder / 'train', arguments.jobs)
        train = informative(everything)
        unseen = replace(order, count=arguments.held_out, seed=arguments.seed + 1)
        test = select(collect(unseen, folder / 'test', arguments.jobs), train.names)
        print(f'{len(train.proprio)} scenes of {", ".join(tasks)} after {time.monotonic() - begin:.0f} s', flush=True)
        torch.set_num_threads(arguments.threads)
        trunk, _ = pretrain(train, test, arguments.image_size, SIZE, PretrainConfig(**own))
        cell = make_cell(tasks[0], arguments.robot, arguments.image_size)
        looks = blank(everything, train.names, lenses_of(cell), folds_of(tasks), SIZE.glimpse)
        cell.close()
        shared = {name: own[name] for name in ('batch', 'seed', 'device')}
        trunk = refine(trunk, looks, train, RefineConfig(steps=arguments.refine_steps, **shared)).cpu()
        save_trunk(trunk, out, train.names, SIZE, arguments.image_size)
        # what counts is what was written, in half precision
        print(report(evaluate(load_trunk(str(out)).build(), test, *scaling(train))))
    print(f'{out}: {out.stat().st_size / 1e6:.2f} MB, {time.monotonic() - begin:.0f} s')


if __name__ == '__main__':
    main()
