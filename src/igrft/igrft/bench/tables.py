# SPDX-License-Identifier: Apache-2.0
"""The tables of the paper benchmark, as Markdown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from igrft.bench.config import Job, MethodConfig
from igrft.config import TaskConfig, named
from igrft.rollout.statistics import Proportion, paired_difference

Row = dict[str, Any]
Cells = Sequence[tuple[Job, dict[str, Any]]]
PAPER = {'sft': 18.8, 'awr': 40.0, 'ig_rft': 85.0, 'no_interaction': 70.0, 'no_trajectory': 75.0, 'no_subtask': 57.5}
"""Average success over four tasks in the paper [%]."""
PARTS = {
    'demonstration': 'demonstrations',
    'sft': 'SFT',
    'rollout': 'rollouts',
    'offline_rl': 'offline RL',
    'correction': 'corrected rollouts',
    'hil': 'updates',
    'sweep': 'sweep',
    'evaluation': 'evaluation',
}
"""What a cell's time is spent on."""
ORDER = (
    'sft', 'awr', 'filtered_bc', 'awr_hil', 'hg_dagger', 'ig_rft', 'no_interaction', 'no_trajectory', 'no_subtask',
    'no_detour', 'ig_rft_continued', 'hil_control', 'sft_steps', 'offline_ig_rft', 'no_anchor',
    'sft_joint', 'ig_rft_joint',
)  # fmt: skip
"""How methods follow each other in a table: baselines, the full system, ablations, controls."""
REFERENCE = 'ig_rft'
"""The method that the others are compared with."""


def in_order(job: Job) -> tuple[int, str, str, int]:
    """What cells are sorted by."""
    place = ORDER.index(job.method) if job.method in ORDER else len(ORDER)
    return place, job.method, job.task, job.seed


def pooled(rows: Iterable[Row]) -> tuple[Proportion, float]:
    """Success and mean progress over seeds and tasks."""
    found = list(rows)
    n = sum(row['n'] for row in found)
    progress = sum(row['progress'] * row['n'] for row in found) / n if n else float('nan')
    return Proportion(sum(row['successes'] for row in found), n), progress


def titles(done: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Of methods, from which has run on which task; one that has not been on all of them says on which."""
    tasks: dict[str, set[str]] = defaultdict(set)
    for method, task in done:
        tasks[method].add(task)
    every = len(set().union(*tasks.values()))
    plain = {method: named('methods', method, MethodConfig).title for method in tasks}
    return {m: plain[m] + (f' ({", ".join(sorted(own))})' if len(own) < every else '') for m, own in tasks.items()}


def percent(success: Proportion) -> str:
    """``83.0 [75.1, 89.0]``, in percent with the 95 % Wilson interval."""
    low, high = success.interval()
    return f'{100 * success.rate:.1f} [{100 * low:.1f}, {100 * high:.1f}]'


def less(rows: Sequence[Row], reference: Sequence[Row]) -> str:
    """Success of the reference minus that of a method in points, with its 95 % interval, over the same episodes."""
    mine = {(row['task'], row['seed']): row['outcomes'] for row in rows}
    other = {(row['task'], row['seed']): row['outcomes'] for row in reference}
    pairs: dict[str, list[list[int]]] = defaultdict(list)
    for key in sorted(mine.keys() & other.keys()):
        pairs[key[0]].append([int(b) - int(a) for a, b in zip(mine[key], other[key], strict=True)])
    if rows == reference or not pairs:
        return ''
    mean, margin = paired_difference(list(pairs.values()))
    return f'{100 * mean:.1f} ± {100 * margin:.1f}'


def subtask_table(rows: Sequence[Row], task: str) -> list[str]:
    """Share of the episodes that came so far, in percent."""
    names = [subtask.name for subtask in named('tasks', task, TaskConfig).subtasks]
    lines = [f'### {task}', '', '| method | n | ' + ' | '.join(names) + ' | success |', '|---' * (len(names) + 3) + '|']
    for method in dict.fromkeys(row['method'] for row in rows):
        own = [row for row in rows if row['method'] == method and row['task'] == task]
        n = sum(row['n'] for row in own)
        if not n:
            continue
        reached = np.sum([row['subtasks'] for row in own], axis=0)
        shares = [f'{100 * count / n:.0f}' for count in (*reached, sum(row['successes'] for row in own))]
        lines.append(f'| {named("methods", method, MethodConfig).title} | {n} | ' + ' | '.join(shares) + ' |')
    return [*lines, '']


def table(rows: Sequence[Row], split: str) -> list[str]:
    """Method by task, and their average."""
    tasks = sorted({row['task'] for row in rows})
    names = {'in': 'In distribution', 'held_out': 'Held out'}
    head = ['method', *tasks, 'all tasks', 'less than IG-RFT by', 'progress', 'n']
    head += ['demonstrations', 'rollouts', 'interventions', 'paper']
    lines = [f'## {names.get(split, split)}', '']
    lines += [
        'Success in %, with its 95 % Wilson interval of the episodes: another training of the same method differs on',
        'top of that. Differences are paired, episode by episode; with one repetition their interval is of the',
        'episodes, too, with several of every task it counts how their trainings differ.',
        '',
    ]
    reference = [row for row in rows if row['method'] == REFERENCE]
    lines += ['| ' + ' | '.join(head) + ' |', '|---' * len(head) + '|']
    for method, title in titles((row['method'], row['task']) for row in rows).items():
        own = [row for row in rows if row['method'] == method]
        cells = [title]
        for task in tasks:
            part = [row for row in own if row['task'] == task]
            cells.append(percent(pooled(part)[0]) if part else '')
        success, progress = pooled(own)
        uses = [f'{sum(row[key] for row in own) / len(own):.0f}' for key in ('demos', 'rollouts', 'interventions')]
        cells += [
            percent(success),
            less(own, reference),
            f'{progress:.2f}',
            str(success.n),
            *uses,
            f'{PAPER[method]}' if method in PAPER else '',
        ]
        lines.append('| ' + ' | '.join(cells) + ' |')
    return [*lines, '']


def points_of(cells: Cells) -> dict[str, list[tuple[str, float, Proportion]]]:
    """Method to (stage, mean interventions, success), pooled over tasks and seeds."""
    found: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for job, cell in cells:
        for point in cell['curve']:
            found[job.method][f'{point["stage"]} {point["round"]}' if point['round'] else point['stage']].append(point)
    return {
        method: [
            (
                stage,
                sum(point['interventions'] for point in points) / len(points),
                Proportion(sum(p['successes'] for p in points), sum(p['n'] for p in points)),
            )
            for stage, points in stages.items()
        ]
        for method, stages in found.items()
    }


def efficiency_table(cells: Cells) -> list[str]:
    """Success after every stage and round."""
    methods = {method: points for method, points in points_of(cells).items() if len(points) > 1}
    if not methods:
        return []
    stages = list(dict.fromkeys(stage for points in methods.values() for stage, _, _ in points))
    lines = ['## After each stage', '', 'Success in % on in-distribution episodes (interventions a run so far).', '']
    lines += ['| method | ' + ' | '.join(stages) + ' |', '|---' * (len(stages) + 1) + '|']
    names = titles((job.method, job.task) for job, _ in cells)
    for method, points in methods.items():
        by = {stage: f'{percent(success)} ({at:.0f})' for stage, at, success in points}
        lines.append(f'| {names[method]} | ' + ' | '.join(by.get(stage, '') for stage in stages) + ' |')
    return [*lines, '']


def chosen_table(cells: Cells) -> list[str]:
    """What the sweep chose."""
    chosen = [(job, cell['chosen']) for job, cell in cells if cell.get('chosen')]
    if not chosen:
        return []
    lines = ['## What the sweep chose', '', 'Gradient steps of the last training; what the flow starts from.', '']
    lines += ['| method | task | seed | steps | temperature |', '|---|---|---|---|---|']
    for job, choice in chosen:
        served = choice['temperature']
        noise = '𝒯(s)' if served is None else f'{served:g}'
        title = named('methods', job.method, MethodConfig).title
        lines.append(f'| {title} | {job.task} | {job.seed} | {choice["steps"]} | {noise} |')
    return [*lines, '']


def time_table(cells: Cells) -> list[str]:
    """Where a cell's time went. Evaluation includes validation and the curve."""
    spent: dict[str, list[dict[str, float]]] = defaultdict(list)
    for job, cell in cells:
        spent[job.method].append(cell['seconds'])
    parts = [part for part in PARTS if any(seconds.get(part) for each in spent.values() for seconds in each)]
    lines = ['## Minutes of a cell', '', 'On one core, averaged; what another cell had made before costs nothing.', '']
    lines += ['| method | ' + ' | '.join(PARTS[part] for part in parts) + ' | all |', '|---' * (len(parts) + 2) + '|']
    names = titles((job.method, job.task) for job, _ in cells)
    for method, each in spent.items():
        means = [np.mean([seconds.get(part, 0.0) for seconds in each]) / 60 for part in (*parts, 'all')]
        shown = [f'{mean:.1f}' if mean >= 0.05 else '' for mean in means]
        lines.append(f'| {names[method]} | ' + ' | '.join(shown) + ' |')
    return [*lines, '']
