# SPDX-License-Identifier: Apache-2.0
"""Success rate of a task's scripted expert: ``python -m igrft_sim.check_expert --seeds 200``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from igrft.types import Kind
from igrft_sim.cell import Cell
from igrft_sim.env import CellEnv
from igrft_sim.operator import Habits, Operator
from igrft_sim.tasks import SPLITS, TASKS, make_task


@dataclass(frozen=True, slots=True)
class Run:
    """One episode of the expert."""

    seed: int
    success: bool
    steps: int
    subtasks: tuple[bool, ...]


def run_expert(env: CellEnv, seed: int, split: str = 'in', noise: float = 1.0) -> Run:
    """Let the expert drive one episode, up to the task's time limit."""
    cell = env.cell
    env.reset(seed, split)
    operator = Operator(cell.task, Kind.DEMONSTRATION, seed, Habits(noise=noise))
    limit = round(cell.task.config.max_duration / env.dt)
    steps = 0
    while steps < limit and not env.succeeded:
        env.step(operator.tick(cell.task_state(), cell.tools, cell.openings).action)
        steps += 1
    return Run(seed, env.succeeded, steps, cell.task_state().subtasks)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--task', default='block_stacking', choices=sorted(TASKS))
    parser.add_argument('--seeds', type=int, default=200, help='number of episodes')
    parser.add_argument('--split', default='in', choices=SPLITS)
    parser.add_argument('--noise', type=float, default=1.0, help='motion noise, 1 is a practised operator')
    arguments = parser.parse_args(argv)
    env = CellEnv(Cell(make_task(arguments.task), cameras=()))
    runs = [run_expert(env, seed, arguments.split, arguments.noise) for seed in range(arguments.seeds)]
    steps = [run.steps for run in runs if run.success]
    for run in runs:
        if not run.success:
            print(f'seed {run.seed}: failed after {sum(run.subtasks)} of {len(run.subtasks)} subtasks')
    rate = len(steps) / len(runs)
    what = f'{arguments.task}, {arguments.split}, noise {arguments.noise:g}'
    print(f'{what}: {len(steps)}/{len(runs)} = {rate:.3f}')
    if steps:
        p5, p50, p95 = np.percentile(steps, (5, 50, 95))
        print(f'steps of the successes: median {p50:g}, 5-95 % {p5:g}-{p95:g}')


if __name__ == '__main__':
    main()
