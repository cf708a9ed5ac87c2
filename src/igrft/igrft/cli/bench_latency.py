# SPDX-License-Identifier: Apache-2.0
"""`igrft bench latency`: what slow inference does to the arm, with the synchronous executor as the baseline."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from igrft.bench import latency as bench
from igrft.config import RobotConfig, named


def command(
    latencies: Annotated[str, typer.Option('--latencies', help='injected inference times [s], by commas')] = '0.3',
    runs: Annotated[int, typer.Option(min=1, help='of each executor')] = 20,
    seconds: Annotated[float, typer.Option(min=1.0, help='that a run lasts')] = 8.0,
    robot: Annotated[str, typer.Option(help='whose limits hold')] = 'sim',
    out: Annotated[Path, typer.Option(help='folder of results.json and results.md')] = Path('docs/benchmarks/latency'),
) -> None:
    """Stalls, largest command step and lag of the executors, on the same runs."""
    from igrft.cli.bench import commit

    limits = named('robots', robot, RobotConfig).limits
    rows: list[dict[str, Any]] = []
    parts = []
    for value in (float(text) for text in latencies.split(',')):
        found = bench.summary(bench.measure(value, runs, seconds, limits), value)
        parts.append(f'Inference takes {1000 * value:.0f} ms ± 10 %:\n\n{bench.table(found)}')
        rows += [row | {'commit': commit()} for row in found]
        typer.echo(parts[-1])
    out.mkdir(parents=True, exist_ok=True)
    for name, text in (('results.json', json.dumps(rows, indent=1) + '\n'), ('results.md', '\n'.join(parts))):
        partial = out / f'.{name}.partial'
        partial.write_text(text)
        os.replace(partial, out / name)
