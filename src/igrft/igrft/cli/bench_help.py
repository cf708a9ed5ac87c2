# SPDX-License-Identifier: Apache-2.0
"""`igrft bench help`: success against the human's attention, with and without help on request."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from igrft.config import ConfigError, named


def command(
    config: Annotated[str, typer.Option(help='name or path of a config/bench_help file')] = 'full',
    out: Annotated[Path, typer.Option(help='work and finished parts; shares its policies with `bench paper`')] = Path(
        'runs/paper/full'
    ),
    report: Annotated[Path, typer.Option(help='folder of results.json, results.md and attention.png')] = Path(
        'docs/benchmarks/help'
    ),
    tasks: Annotated[str, typer.Option(help="comma-separated, in place of the configuration's")] = '',
    override: Annotated[list[str] | None, typer.Option('--set', help='key=value on top of the configuration')] = None,
    only_report: Annotated[bool, typer.Option(help='write the report from the finished parts')] = False,
) -> None:
    """Nobody, a watching operator, and one who comes when called, on the same episodes; finished parts are kept."""
    for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS'):
        os.environ.setdefault(name, '1')
    from igrft.bench import help_report
    from igrft.bench.help import HelpBench, HelpBenchConfig

    try:
        settings = named('bench_help', config, HelpBenchConfig, override or [])
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    about = {
        'command': f'`igrft bench help --config {Path(config).stem}`',
        'split, evaluation seeds from': f'{settings.split}, {settings.evaluation_seed}',
        'bound on false alarms': f'{settings.alpha:.0%} of the successful episodes',
        'made': time.strftime('%Y-%m-%d', time.gmtime()),
    }

    def say(line: str) -> None:
        typer.echo(f'{time.strftime("%H:%M:%S")} {line}')

    benches = {task: HelpBench(task, settings, out, say) for task in settings.tasks}

    def tell() -> None:
        help_report.write(report, {task: bench.results() for task, bench in benches.items()}, about)

    wanted = tasks.split(',') if tasks else list(benches)
    for task in wanted if not only_report else ():
        if task not in benches:
            typer.echo(f"task '{task}': the configuration has {', '.join(benches)}", err=True)
            raise typer.Exit(2)
        benches[task].run(tell)
    tell()
    say(f'report: {report / "results.md"}')
