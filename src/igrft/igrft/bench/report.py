# SPDX-License-Identifier: Apache-2.0
"""From finished cells to results.json, results.md and the figures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from igrft.bench.config import Job, MethodConfig, ProfileConfig, constants, unchanged
from igrft.bench.figures import Point, curves
from igrft.bench.runner import write_json
from igrft.bench.tables import (
    Cells,
    Row,
    chosen_table,
    efficiency_table,
    in_order,
    points_of,
    subtask_table,
    table,
    time_table,
    titles,
)
from igrft.config import ConfigError, named, parse

DETAILS = 'details.json'
"""The file of a report that has its cells whole."""
INTERNAL = ('outcomes', 'subtasks')
"""Kept in details.json: one character an episode, and how many episodes completed each subtask."""


def restore(jobs: Sequence[Job], folder: Path, profile: ProfileConfig) -> list[str]:
    """Take the cells of an earlier report as finished, where they were made with the same configuration. One of an
    earlier run that was made with another is put aside as ``<name>.other``.

    Returns:
        a line about each cell that was made with another one, and so runs again.
    """
    known, refused = reported(folder), []
    for job in jobs:
        ran = job.result.is_file()
        cell = json.loads(job.result.read_text(encoding='utf-8')) if ran else known.get(job.name)
        if cell is None:
            continue
        if not current(job, cell, profile):
            refused.append(
                f'{job.name} in {job.result if ran else folder / DETAILS} was made with another configuration'
            )
            if ran:
                job.result.rename(job.result.with_suffix('.other'))
        elif not ran:
            write_json(job.result, cell)
    return refused


def reported(folder: Path) -> dict[str, dict[str, Any]]:
    """The cells of a report, by name; none where there is no report yet."""
    path = folder / DETAILS
    known: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding='utf-8')) if path.is_file() else {}
    return known


def current(job: Job, cell: dict[str, Any], profile: ProfileConfig) -> bool:
    """Whether a cell was made with today's configuration."""
    method = named('methods', job.method, MethodConfig)
    used = constants(profile, method, job.task)
    return same_settings(cell, profile, method) and unchanged(cell.get('constants', {}), used)


def earlier(jobs: Sequence[Job], folder: Path, profile: ProfileConfig) -> list[tuple[Job, dict[str, Any]]]:
    """Cells of the report that this run is not about and that were made with the same configuration: they stay."""
    selected = {job.name for job in jobs}
    found = []
    for name, cell in reported(folder).items():
        row = cell['rows'][0]
        job = Job(row['task'], row['method'], row['seed'], jobs[0].out)
        try:
            if name not in selected and current(job, cell, profile):
                found.append((job, cell))
        except ConfigError:  # a task or method that is no more
            continue
    return found


def same_settings(cell: dict[str, Any], profile: ProfileConfig, method: MethodConfig) -> bool:
    """Whether a cell was made with these: settings that it does not know were at their defaults, and which other cells
    there are does not matter.
    """
    try:
        made = parse(cell['profile'], ProfileConfig, 'profile'), parse(cell['method'], MethodConfig, 'method')
    except ConfigError:
        return False
    same_cells = replace(made[0], tasks=profile.tasks, methods=profile.methods, seeds=profile.seeds)
    return (same_cells, made[1]) == (profile, method)


def write(jobs: Sequence[Job], folder: Path, profile: ProfileConfig, about: dict[str, Any]) -> None:
    """Write everything that the finished cells allow, those that the report has of other methods, tasks and seeds
    included.

    Args:
        jobs: of the run.
        folder: where the report goes.
        profile: of the run.
        about: command, profile and the like, for the head of the table.
    """
    finished = [(job, json.loads(job.result.read_text(encoding='utf-8'))) for job in jobs if job.result.is_file()]
    if not finished:
        return
    others = earlier(jobs, folder, profile)
    cells = sorted([*finished, *others], key=lambda cell: in_order(cell[0]))
    rows: list[Row] = [row for _, cell in cells for row in cell['rows']]
    write_json(folder / 'results.json', [{k: v for k, v in row.items() if k not in INTERNAL} for row in rows])
    write_json(folder / DETAILS, {job.name: cell for job, cell in cells})
    films = sorted(name for _, cell in cells for name in cell['films'])
    for name in films:
        source = finished[0][0].out / 'films' / name
        target = folder / 'films' / name
        if source.is_file():  # a restored cell's film lies in the report already
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    efficiency(cells, folder / 'data_efficiency.png')
    hours = sum(cell['seconds']['all'] for _, cell in cells) / 3600
    head = about | {
        'finished cells': f'{len(finished)} of {len(jobs)}'
        + (f', and {len(others)} of other commands' if others else ''),
        'process hours': f'{hours:.2f}',
        'commits': ', '.join(sorted({row['commit'] for row in rows})),
    }
    text = ['# Results', '', *(f'- {key}: {value}' for key, value in head.items()), '']
    for split in dict.fromkeys(row['split'] for row in rows):
        text += table([row for row in rows if row['split'] == split], split)
    text += ['## Subtasks', '', 'Share of the in-distribution episodes that completed each, in %.', '']
    for task in dict.fromkeys(row['task'] for row in rows):
        text += subtask_table([row for row in rows if row['split'] == 'in'], task)
    text += efficiency_table(cells)
    if any(cell['curve'] for _, cell in cells):
        text += ['![data efficiency](data_efficiency.png)', '']
    text += chosen_table(cells)
    text += time_table(cells)
    text += [f'![{name}](films/{name})\n' for name in films]
    (folder / 'results.md').write_text('\n'.join(text) + '\n', encoding='utf-8')


def efficiency(cells: Cells, path: Path) -> None:
    """Success against interventions; methods without any are levels. One that is not of all tasks says of which."""
    lines: dict[str, list[Point]] = {}
    levels: dict[str, float] = {}
    names = titles((job.method, job.task) for job, _ in cells)
    for method, points in points_of(cells).items():
        title = names[method]
        if points[-1][1] > 0:
            lines[title] = [(at, success) for stage, at, success in points if stage != 'sft' or len(points) == 1]
        else:
            levels[title] = points[-1][2].rate
    if lines or levels:
        curves(path, lines, 'interventions', levels)
