# SPDX-License-Identifier: Apache-2.0
"""`igrft bench loop`: the loop's promises, measured on the running graph; figures go to a JSON file."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from igrft.bench import paper as bench_paper
from igrft.cli import bench_console, bench_help, bench_interaction, bench_latency, bench_mask, bench_takeover
from igrft.config import RobotConfig, named
from igrft.episodes.catalog import iterate
from igrft.rollout.statistics import Proportion
from igrft.types import Source

app = typer.Typer(no_args_is_help=True, help='measure')
app.command('console')(bench_console.command)
app.command('help')(bench_help.command)
app.command('interaction')(bench_interaction.command)
app.command('latency')(bench_latency.command)
app.command('mask')(bench_mask.command)
app.command('takeover')(bench_takeover.command)


@app.command(add_help_option=False, context_settings={'allow_extra_args': True, 'ignore_unknown_options': True})
def paper(context: typer.Context) -> None:
    """The paper's tables from nothing (--help says more)."""
    raise typer.Exit(bench_paper.main(context.args))


DOMAIN = 100
"""ROS domain of the measurement, so that nothing else is measured."""


@dataclass(frozen=True)
class Figure:
    """One row of the results."""

    figure: str
    value: float
    unit: str
    n: int


def commit() -> str:
    """The commit that is measured, with a + where files differ from it."""
    try:
        rev = subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True, check=True)
        dirty = subprocess.run(['git', 'status', '--porcelain', '-uno'], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'
    return rev.stdout.strip() + ('+' if dirty.stdout.strip() else '')


def save(path: Path, figures: list[Figure]) -> None:
    """Merge rows into the file, and into a table beside it; a row replaces the one of the same figure."""
    rows = {row['figure']: row for row in json.loads(path.read_text())} if path.exists() else {}
    for figure in figures:
        rows[figure.figure] = {
            'figure': figure.figure,
            'value': round(figure.value, 4),
            'unit': figure.unit,
            'n': figure.n,
            'commit': commit(),
        }
        typer.echo(f'{figure.figure:44} {figure.value:10.4g} {figure.unit:10} n = {figure.n}')
    path.parent.mkdir(parents=True, exist_ok=True)
    table = ['| figure | value | unit | n | commit |', '|---|---|---|---|---|']
    table += [f'| {r["figure"]} | {r["value"]:g} | {r["unit"]} | {r["n"]} | {r["commit"]} |' for r in rows.values()]
    for target, text in (
        (path, json.dumps(list(rows.values()), indent=1)),
        (path.with_suffix('.md'), '\n'.join(table)),
    ):
        partial = target.with_name(f'.{target.name}.partial')
        partial.write_text(text + '\n')
        os.replace(partial, target)


Out = Annotated[Path, typer.Option(help='JSON file of the figures')]
RESULTS = Path('docs/benchmarks/loop/results.json')


@app.command()
def realtime(
    episodes_dir: Annotated[Path, typer.Option(help='of a finished loop, for its newest checkpoint')] = Path(
        '~/igrft_data'
    ),
    task: str = 'block_stacking',
    episodes: Annotated[int, typer.Option(min=1)] = 10,
    out: Out = RESULTS,
) -> None:
    """Real time: missed policy periods, jitter of the control period, lost messages, CPU of the graph."""
    from igrft.ros.probe import Probe, Usage

    robot = named('robots', 'sim', RobotConfig)
    checkpoint = _newest_checkpoint(episodes_dir.expanduser() / task)
    with tempfile.TemporaryDirectory() as folder, Probe(DOMAIN) as probe:
        command = ['collect.launch.py', f'task:={task}', 'rtf:=1', 'kind:=evaluation', f'episodes:={episodes}',
                   f'checkpoint:={checkpoint}', f'episodes_dir:={folder}', 'console:=false']  # fmt: skip
        begin = time.monotonic()
        with _launch(command) as process, Usage(process.pid, without=('ros2', 'trainer_node')) as usage:
            cpu = _cpu_while_recording(process, probe, usage, episodes)
        first_motion = (probe.trace.first_motion or time.monotonic()) - begin
        recordings = list(iterate(Path(folder), task))
        lost = sum(entry.meta.lost for entry in recordings)
        recorded = len(recordings)
    periods = np.concatenate([np.diff(ticks)[2:] for ticks in probe.trace.ticks if len(ticks) > 3])
    jitter = np.abs(periods * robot.control_rate - 1.0)
    per_step = round(robot.control_rate / robot.policy_rate)
    driven = [_while_driven(sources) for sources in probe.trace.sources]
    steps = [sources[i : i + per_step] for sources in driven for i in range(0, len(sources), per_step)]
    missed = sum(1 for step in steps if all(source == Source.HOLD for source in step))
    save(
        out,
        [
            Figure('missed policy periods', missed, 'periods', len(steps)),
            Figure('control jitter, median', float(np.median(jitter)) * 100, '% of 20 ms', len(jitter)),
            Figure('control jitter, p99', float(np.percentile(jitter, 99)) * 100, '% of 20 ms', len(jitter)),
            Figure('messages lost in bags', lost, 'messages', recorded),
            Figure(
                'CPU of the graph without the trainer', statistics.mean(cpu) if cpu else float('nan'), 'cores', len(cpu)
            ),
            Figure('memory of the graph, peak', usage.peak_mebi, 'MiB', 1),
            Figure('launch to first motion', first_motion, 's', 1),
        ],
    )


@app.command()
def curriculum(
    episodes_dir: Annotated[Path, typer.Option(help='where the run is kept')] = Path('~/igrft_data'),
    task: str = 'block_stacking',
    name: Annotated[str, typer.Option('--curriculum')] = 'quick',
    out: Out = RESULTS,
) -> None:
    """The whole curriculum with no argument changed: time, memory, success after each stage."""
    from igrft.ros.probe import Probe, Usage

    root = episodes_dir.expanduser()
    with Probe(DOMAIN) as probe:
        begin = time.monotonic()
        command = ['rl_loop.launch.py', f'task:={task}', f'curriculum:={name}', f'episodes_dir:={root}']
        with _launch(command, show=True) as process, Usage(process.pid, every=1.0) as usage:
            code = process.wait()
        if code:
            raise typer.Exit(code)
        first_motion = (probe.trace.first_motion or time.monotonic()) - begin
    progress = json.loads((root / task / 'loop.json').read_text())
    figures = [
        Figure(
            f'{name} curriculum, all phases', sum(progress['seconds'].values()) / 60, 'min', len(progress['seconds'])
        ),
        Figure(f'{name} curriculum, memory peak', usage.peak_mebi, 'MiB', 1),
        Figure(f'{name} curriculum, first motion', first_motion, 's', 1),
    ]
    for phase, seconds in progress['seconds'].items():
        figures.append(Figure(f'{name}: {phase}, time', seconds, 's', 1))
    for phase, results in progress['episodes'].items():
        if phase.startswith('evaluation'):
            success = Proportion(sum(r['outcome'] == 'success' for r in results), len(results))
            for label, value in zip(('', ' low', ' high'), (success.rate, *success.interval()), strict=True):
                figures.append(Figure(f'{name}: success, {phase}{label}', value * 100, '%', len(results)))
    save(out, figures)


@app.command()
def warm_run(repeats: Annotated[int, typer.Option(min=1)] = 20, out: Out = RESULTS) -> None:
    """What a second `./run` adds to a command (call it in the workspace)."""
    plain, through = [], []
    for _ in range(repeats):
        plain.append(_wall(['true']))
        through.append(_wall(['./run', 'true']))
    save(out, [Figure('second ./run adds', statistics.median(through) - statistics.median(plain), 's', repeats)])


def _wall(command: list[str]) -> float:
    begin = time.monotonic()
    subprocess.run(command, check=True)
    return time.monotonic() - begin


class _launch:  # noqa: N801 (used like a function)
    """`ros2 launch igrft …` in the measurement's domain; SIGINT on the way out."""

    def __init__(self, arguments: list[str], show: bool = False) -> None:
        self._arguments = arguments
        self._show = show

    def __enter__(self) -> subprocess.Popen[bytes]:
        self.process = subprocess.Popen(
            ['ros2', 'launch', 'igrft', *self._arguments],
            env={**os.environ, 'ROS_DOMAIN_ID': str(DOMAIN)},
            stdout=None if self._show else subprocess.DEVNULL,
        )
        return self.process

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=30)


def _cpu_while_recording(process, probe, usage, episodes: int) -> list[float]:  # type: ignore[no-untyped-def]
    """Cores used between the first and the last recorded tick, one value each 2 s, until the launch ends."""
    cores: list[float] = []
    before: tuple[float, float] | None = None
    while True:
        try:
            process.wait(timeout=2.0)
            break
        except subprocess.TimeoutExpired:
            now = (time.monotonic(), usage.cpu_seconds())
            if before is not None and now[1] >= before[1]:
                cores.append((now[1] - before[1]) / (now[0] - before[0]))
            before = now if probe.trace.ticks else None
    return cores[:-1]


def _while_driven(sources: list[int]) -> list[int]:
    """From the policy's first command to its last: before and after it nobody is meant to drive."""
    begin = next((i for i, source in enumerate(sources) if source == Source.POLICY), len(sources))
    end = next((i for i, source in enumerate(reversed(sources)) if source == Source.POLICY), 0)
    return sources[begin : len(sources) - end]


def _newest_checkpoint(folder: Path) -> str:
    path = folder / 'loop.json'
    if not path.exists():
        raise typer.BadParameter(f'{path} does not exist: run the loop first, or give --episodes-dir')
    checkpoints = list(json.loads(path.read_text())['checkpoints'].values())
    if not checkpoints:
        raise typer.BadParameter(f'{path} names no checkpoint yet')
    return str(checkpoints[-1])
