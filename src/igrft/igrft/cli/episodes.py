# SPDX-License-Identifier: Apache-2.0
"""`igrft episodes`: look at recorded episodes, check them, repair them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from igrft.cli import view
from igrft.config import ConfigError, RobotConfig, TaskConfig, named
from igrft.episodes.catalog import Entry, find, iterate, partials, relabel
from igrft.episodes.recover import recover
from igrft.episodes.replay import load_replay
from igrft.episodes.schema import EpisodeError, EpisodeMeta, read_meta
from igrft.episodes.synthetic import Script, write_synthetic
from igrft.episodes.verify import Report, verify
from igrft.types import Kind, Outcome

app = typer.Typer(help='List, show, verify, recover and label recorded episodes.', no_args_is_help=True)
out = Console()
err = Console(stderr=True)

Root = Annotated[
    Path,
    typer.Option(
        '--root',
        '-r',
        envvar='IGRFT_EPISODES_DIR',
        help='Folder with <task>/<utc>_<ulid>/.',
        callback=lambda path: path.expanduser(),
    ),
]
DEFAULT_ROOT = Path('~/igrft_data')
"""What the launch files use, too."""
Robot = Annotated[str, typer.Option(help='Name or path of a robot configuration; default the one in episode.yaml.')]
_NUMBERS = ('seed', 'length', 'parts', 'takeovers', 'lost')
_SHORT = 10
"""Letters of an id in tables: its random end, which every command takes for the whole."""
_COLOURS = {
    Outcome.SUCCESS: 'green',
    Outcome.FAILURE: 'red',
    Outcome.TIMEOUT: 'yellow',
    Outcome.UNLABELLED: 'dim',
}


def _fail(error: Exception) -> typer.Exit:
    err.print(f'[red]error:[/] {escape(str(error))}', soft_wrap=True)
    return typer.Exit(1)


def _robot(name: str, meta: EpisodeMeta) -> RobotConfig:
    return named('robots', name or meta.robot, RobotConfig)


def _targets(root: Path, episodes: list[str]) -> list[Path]:
    return [find(root, name) for name in episodes] or [entry.path for entry in iterate(root)]


@app.command('list')
def list_episodes(
    root: Root = DEFAULT_ROOT,
    task: Annotated[str | None, typer.Option(help='Only of this task.')] = None,
    kind: Annotated[Kind | None, typer.Option(help='Only of this kind.')] = None,
    outcome: Annotated[Outcome | None, typer.Option(help='Only of this outcome.')] = None,
) -> None:
    """List the episodes below a root."""
    try:
        entries = list(iterate(root, task, kind, outcome))
    except EpisodeError as error:
        raise _fail(error) from error
    tasks = sorted({entry.meta.task for entry in entries})
    table = Table(title=tasks[0] if len(tasks) == 1 else None, title_justify='left', box=SIMPLE)
    table.add_column('id', no_wrap=True)
    for column in (*(['task'] if len(tasks) > 1 else []), 'kind', 'outcome', *_NUMBERS):
        table.add_column(column, justify='right' if column in _NUMBERS else 'left')
    for entry in entries:
        table.add_row(*_row(entry, with_task=len(tasks) > 1))
    out.print(table)
    successes = sum(entry.meta.outcome is Outcome.SUCCESS for entry in entries)
    out.print(f'{len(entries)} episodes, {successes} successful')
    unfinished = partials(root)
    if unfinished:
        out.print(f'{len(unfinished)} unfinished; `igrft episodes recover --root {root}` saves what it can')


def _row(entry: Entry, with_task: bool) -> tuple[str, ...]:
    meta = entry.meta
    colour = _COLOURS[meta.outcome]
    return (
        meta.id[-_SHORT:],
        *([meta.task] if with_task else []),
        meta.kind.value,
        f'[{colour}]{meta.outcome.value}[/]',
        str(meta.seed),
        f'{meta.duration:.1f} s',
        f'{meta.completed}/{len(meta.subtasks)}',
        str(len(meta.interventions)),
        str(meta.lost),
    )


@app.command()
def show(
    episode: Annotated[str, typer.Argument(help='Path of an episode, or the end of its id.')],
    root: Root = DEFAULT_ROOT,
) -> None:
    """Show what is known of one episode."""
    try:
        path = find(root, episode)
        meta = read_meta(path)
    except EpisodeError as error:
        raise _fail(error) from error
    facts = Table(show_header=False, box=None)
    for name in ('id', 'task', 'instruction', 'robot', 'kind', 'outcome', 'labelled_by', 'seed', 'split'):
        value = getattr(meta, name)
        facts.add_row(name, escape(str(getattr(value, 'value', value))))
    facts.add_row('length', f'{meta.duration:.2f} s, steps of {meta.dt:g} s')
    facts.add_row('checkpoint', meta.checkpoint or '-')
    facts.add_row('software', f'igrft {meta.version} {meta.commit[:12]}')
    facts.add_row('problem', escape(meta.problem) or '-')
    facts.add_row('path', str(path))
    out.print(facts)
    parts = Table('subtask', 'weight', 'completed after', 'by')
    for subtask in meta.subtasks:
        after = '-' if subtask.stamp is None else f'{(subtask.stamp - meta.start) * 1e-9:.2f} s'
        parts.add_row(subtask.name, f'{subtask.weight:g}', after, subtask.annotator)
    out.print(parts)
    drivers = ', '.join(
        f'{span.source} {(span.start - meta.start) * 1e-9:.1f}-{(span.end - meta.start) * 1e-9:.1f} s'
        for span in meta.sources
    )
    out.print(f'drivers: {drivers or "-"}')
    topics = Table('topic', 'type', 'messages', 'lost')
    for topic in meta.topics:
        topics.add_row(topic.name, topic.type, str(topic.messages), str(topic.lost))
    out.print(topics)


@app.command('verify')
def verify_episodes(
    episodes: Annotated[
        list[str] | None, typer.Argument(help='Paths or ids; default every episode below the root.')
    ] = None,
    root: Root = DEFAULT_ROOT,
    robot: Robot = '',
) -> None:
    """Check every file, CRC, message, rate and counter; exit code 1 when anything is wrong."""
    try:
        targets = _targets(root, episodes or [])
        if not targets:
            raise EpisodeError(f'{root}: no episode to verify')
        reports = [_verify(path, robot) for path in track(targets, 'verifying', console=err)]
    except (EpisodeError, ConfigError) as error:
        raise _fail(error) from error
    table = Table('id', 'steps', 'chunks', 'messages', 'verdict', box=SIMPLE)
    for report in reports:
        count = sum(topic.messages for topic in report.topics.values())
        verdict = '[green]sound[/]' if report.sound else '[red]not usable[/]'
        table.add_row(report.path.name[-_SHORT:], str(report.steps), str(report.chunks), str(count), verdict)
    out.print(table)
    for report in reports:
        for problem in report.problems:
            err.print(f'[red]problem:[/] {escape(problem)}', soft_wrap=True)
        for note in report.notes:
            err.print(f'[yellow]note:[/] {report.path.name}: {escape(note)}', soft_wrap=True)
    if not all(report.sound for report in reports):
        raise typer.Exit(1)


def _verify(path: Path, robot: str) -> Report:
    try:
        config = _robot(robot, read_meta(path))
    except EpisodeError as error:
        return Report(path, problems=[str(error)])
    return verify(path, config)


@app.command('recover')
def recover_episodes(
    directories: Annotated[
        list[Path] | None, typer.Argument(help='Unfinished episodes; default all below the root.')
    ] = None,
    root: Root = DEFAULT_ROOT,
    robot: Robot = '',
) -> None:
    """Turn what a killed recorder left into valid episodes; exit code 1 when one could not be saved."""
    targets = directories or partials(root)
    if not targets:
        out.print(f'{root}: nothing to recover')
    failed = False
    for path in targets:
        try:
            saved = recover(path, _robot(robot, read_meta(path)))
        except (EpisodeError, ConfigError) as error:
            err.print(f'[red]lost:[/] {escape(str(error))}', soft_wrap=True)
            failed = True
            continue
        lost = f', damaged from {saved.damage}' if saved.damage else ''
        out.print(f'{saved.path}: {saved.steps} steps, {saved.messages} messages{lost}', soft_wrap=True)
    if failed:
        raise typer.Exit(1)


@app.command('label')
def label_episode(
    episode: Annotated[str, typer.Argument(help='Path of an episode, or the end of its id.')],
    outcome: Annotated[Outcome, typer.Argument(help='What it was.')],
    root: Root = DEFAULT_ROOT,
    by: Annotated[str, typer.Option(help='Who says so.')] = 'console',
) -> None:
    """Set or correct an episode's outcome."""
    try:
        meta = relabel(find(root, episode), outcome, by)
    except EpisodeError as error:
        raise _fail(error) from error
    out.print(f'{meta.id}: {meta.outcome.value}')


@app.command('view')
def view_episode(
    episode: Annotated[str, typer.Argument(help='Path of an episode, or the end of its id.')],
    root: Root = DEFAULT_ROOT,
    save: Annotated[Path | None, typer.Option(help='Write this .rrd file in place of opening the viewer.')] = None,
) -> None:
    """Open an episode in Rerun: pictures, rewards, actions, who drove."""
    try:
        view.view(load_replay(find(root, episode)), save)
    except (EpisodeError, ConfigError, view.ViewerError) as error:
        raise _fail(error) from error
    if save is not None:
        out.print(f'{save}: {save.stat().st_size // 1000} kB; `rerun {save}` opens it', soft_wrap=True)


@app.command()
def synthesise(
    root: Annotated[Path, typer.Argument(help='Folder to write below.')],
    count: Annotated[int, typer.Option(min=1, help='How many.')] = 4,
    steps: Annotated[int, typer.Option(min=2, help='Policy steps of each.')] = 30,
    kind: Annotated[Kind, typer.Option(help='Who drives.')] = Kind.DEMONSTRATION,
    robot: Annotated[str, typer.Option(help='Name or path of a robot configuration.')] = 'sim',
    task: Annotated[str, typer.Option(help='Name or path of a task configuration.')] = 'block_stacking',
) -> None:
    """Write made-up episodes in the real format, to try training where no cell runs."""
    try:
        cell, work = named('robots', robot, RobotConfig), named('tasks', task, TaskConfig)
        for seed in range(count):
            script = Script(steps=steps, kind=kind, seed=seed)
            out.print(str(write_synthetic(root, cell, work, script)), soft_wrap=True)
    except (EpisodeError, ConfigError) as error:
        raise _fail(error) from error
