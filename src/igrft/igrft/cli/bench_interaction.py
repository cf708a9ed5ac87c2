# SPDX-License-Identifier: Apache-2.0
"""`igrft bench interaction`: precision, recall and cost of the interaction signal."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from igrft.bench import interaction
from igrft.config import named
from igrft.reward.hybrid import HybridConfig


def command(
    episodes: Annotated[int, typer.Option(min=1, help='of the expert, a task and split')] = 40,
    tasks: Annotated[str, typer.Option(help='comma-separated; all of the cell when left out')] = '',
    reward: Annotated[str, typer.Option(help='name or path of a config/reward file')] = 'hybrid',
    out: Annotated[Path, typer.Option(help='folder of results.json, results.md and signal.png')] = Path(
        'docs/benchmarks/interaction'
    ),
) -> None:
    """The interaction signal against the cell's contacts, on seeds that nothing was tuned on."""
    from igrft.cli.bench import commit
    from igrft_sim.tasks import SPLITS, TASKS

    config = named('reward', reward, HybridConfig).interaction
    rows: list[dict[str, Any]] = []
    shown: dict[str, interaction.Trace] = {}
    for task in tasks.split(',') if tasks else sorted(TASKS):
        for split in SPLITS:
            traces = list(interaction.measure(task, split, episodes, config))
            rows.append(interaction.row(task, split, traces) | {'commit': commit()})
            shown.setdefault(task, traces[0])
            typer.echo(interaction.table(rows[-1:]).splitlines()[-1])
    out.mkdir(parents=True, exist_ok=True)
    for name, text in (('results.json', json.dumps(rows, indent=1) + '\n'), ('results.md', interaction.table(rows))):
        partial = out / f'.{name}.partial'
        partial.write_text(text)
        os.replace(partial, out / name)
    interaction.figure(out / 'signal.png', shown, config)
    typer.echo(f'{out}/results.md, {out}/signal.png')
