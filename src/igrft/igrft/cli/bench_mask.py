# SPDX-License-Identifier: Apache-2.0
"""`igrft bench mask`: the robot mask drawn from the URDF against the cell's segmentation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from igrft.bench import robot_mask
from igrft.config import TaskConfig, named
from igrft.episodes.schema import write_atomically
from igrft.reward.hybrid import HybridConfig


def command(
    episodes: Annotated[int, typer.Option(min=1, help='of the expert, a task and split')] = 20,
    tasks: Annotated[str, typer.Option(help='comma-separated; all with one arm when left out')] = '',
    dilation: Annotated[float, typer.Option(min=0, help='[px] growth of the mask, as of reward_node')] = 1.0,
    out: Annotated[Path, typer.Option(help='folder of results.json and results.md')] = Path(
        'docs/benchmarks/robot_mask'
    ),
) -> None:
    """IoU, recall and cost of the URDF's mask, and whether the interaction signal stays the same."""
    from igrft.cli.bench import commit
    from igrft_sim.tasks import SPLITS, TASKS

    config = named('reward', 'hybrid', HybridConfig).interaction
    known = [task for task in sorted(TASKS) if named('tasks', task, TaskConfig).robot == 'sim']
    rows = []
    for task in tasks.split(',') if tasks else known:
        for split in SPLITS:
            traces = robot_mask.measure(task, split, episodes, dilation, config)
            rows.append(robot_mask.row(task, split, dilation, traces) | {'commit': commit()})
            typer.echo(robot_mask.table(rows[-1:]).splitlines()[-1])
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / 'results.json', (json.dumps(rows, indent=1) + '\n').encode())
    write_atomically(out / 'results.md', robot_mask.table(rows).encode())
    typer.echo(f'{out}/results.md')
