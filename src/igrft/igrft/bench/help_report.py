# SPDX-License-Identifier: Apache-2.0
"""The table and the plot of `igrft bench help`."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from igrft.bench.help import ARMS
from igrft.bench.supervision import STEP
from igrft.rollout.statistics import Proportion, bootstrap_ratio

Parts = Mapping[str, Any]
Row = dict[str, Any]


def rows_of(task: str, parts: Parts) -> list[Row]:
    """One row an arm that is finished, counted over the same seeds.

    False alarms are counted over the episodes that succeed with nobody there: in those no call was needed.
    """
    alone = {e['seed']: e['success'] for e in parts['nobody']['episodes']} if 'nobody' in parts else {}
    rows = []
    for name, part in parts.items():
        if name not in ARMS:
            continue
        episodes: Sequence[Row] = part['episodes']
        n = len(episodes)
        well = [bool(e['calls']) for e in episodes if alone.get(e['seed'])]
        ill = [bool(e['calls']) for e in episodes if alone.get(e['seed']) is False]
        steps = [e['steps'] for e in episodes]
        # The tick that ends an episode is looked at, too, but is no step.
        attended = [min(e['attended'], e['steps']) for e in episodes]
        rows.append(
            {
                'task': task,
                'arm': name,
                'n': n,
                **_proportion('success', [e['success'] for e in episodes]),
                **_ratio('interventions', [e['interventions'] for e in episodes], [1] * n),
                **_ratio('attention', attended, steps),
                **_ratio('driving', [e['driven'] for e in episodes], steps),
                **_ratio('attended_seconds', [STEP * each for each in attended], [1] * n),
                **_ratio('calls', [len(e['calls']) for e in episodes], [1] * n),
                **_proportion('false_alarms', well),
                'false_alarms_n': len(well),
                **_proportion('failures_called', ill),
                'failures_called_n': len(ill),
                'commit': part['commit'],
            }
        )
    return rows


def _proportion(name: str, found: Sequence[bool]) -> Row:
    value = Proportion(sum(found), len(found))
    rate = round(value.rate, 4) if found else None
    return {name: rate, f'{name}_interval': [round(x, 4) for x in value.interval()]}


def _ratio(name: str, above: Sequence[float], below: Sequence[float]) -> Row:
    value, low, high = bootstrap_ratio(above, below)
    return {name: round(value, 4), f'{name}_interval': [round(low, 4), round(high, 4)]}


COLUMNS = (
    'the human',
    'n',
    'success [%]',
    'interventions an episode',
    'attention [% of the time]',
    'driving [% of the time]',
    'calls an episode',
    'false alarms [%]',
    'failures called [%]',
)


def table(rows: Sequence[Row]) -> list[str]:
    """The rows as Markdown, a table a task."""
    lines: list[str] = []
    for task in dict.fromkeys(row['task'] for row in rows):
        lines += [f'### {task}', '', f'| {" | ".join(COLUMNS)} |', '|---' * len(COLUMNS) + '|']
        for row in (row for row in rows if row['task'] == task):
            cells = [ARMS[row['arm']].title, str(row['n']), _percent(row, 'success'), _number(row, 'interventions')]
            cells += [_percent(row, 'attention'), _percent(row, 'driving')]
            if row['arm'] == 'watching':  # who watches is not called
                cells += ['', '', '']
            else:
                cells += [_number(row, 'calls')]
                cells += [_percent(row, name, f'{name}_n') for name in ('false_alarms', 'failures_called')]
            lines.append(f'| {" | ".join(cells)} |')
        lines.append('')
    return lines


def _percent(row: Row, name: str, count: str = '') -> str:
    if row[name] is None:
        return ''
    low, high = row[f'{name}_interval']
    text = f'{100 * row[name]:.0f} [{100 * low:.0f}, {100 * high:.0f}]'
    return f'{text}, n = {row[count]}' if count else text


def _number(row: Row, name: str) -> str:
    low, high = row[f'{name}_interval']
    return f'{row[name]:.2f} [{low:.2f}, {high:.2f}]'


def calibration_table(found: Mapping[str, Parts]) -> list[str]:
    """What is usual of each policy."""
    columns = ('task', 'episodes', 'successes', 'for the scales', 'for the threshold', 'threshold', 'usual peaks')
    lines = [f'| {" | ".join(columns)} |', '|---' * len(columns) + '|']
    for task, parts in found.items():
        if 'calibration' not in parts:
            continue
        made, alone = parts['calibration'], parts['alone']['episodes']
        peaks = ', '.join(f'{name} {scale:.2f}' for name, scale in made['scales'].items())
        cells = [task, len(alone), sum(e['success'] for e in alone), made['scale_episodes'], made['episodes']]
        cells += [f'{made["threshold"]:.3f}', peaks]
        lines.append(f'| {" | ".join(map(str, cells))} |')
    return [*lines, '']


def worth_table(found: Mapping[str, Parts]) -> list[str]:
    """Each score by itself, over the episodes of the arm without anybody."""
    lines = ['| task | score | false alarms [%] | failures called [%] | called after [s], median |', '|---' * 5 + '|']
    for task, parts in found.items():
        for row in parts.get('worth', ()):
            shares = []
            for name in ('false_alarms', 'failures_called'):
                value = Proportion(*row[name])
                low, high = value.interval()
                shares.append(
                    f'{100 * value.rate:.0f} [{100 * low:.0f}, {100 * high:.0f}], n = {value.n}' if value.n else ''
                )
            lines.append(f'| {task} | {row["scores"]} | {" | ".join(shares)} | {row["after"] or ""} |')
    return [*lines, '']


def cost_table(found: Mapping[str, Parts]) -> list[str]:
    """What the draws cost an inference."""
    lines = ['| task | CPU of an inference [ms] | with the draws [ms] | ratio | n |', '|---' * 5 + '|']
    for task, parts in found.items():
        if 'cost' in parts:
            plain, drawn = (parts['cost'][name] for name in ('plain_ms', 'with_draws_ms'))
            ratio, low, high = bootstrap_ratio(drawn, plain)
            middle = [f'{statistics.median(each):.1f}' for each in (plain, drawn)]
            lines.append(f'| {task} | {" | ".join(middle)} | {ratio:.2f} [{low:.2f}, {high:.2f}] | {len(plain)} |')
    return [*lines, '']


def plot(path: Path, rows: Sequence[Row]) -> None:
    """Success against attention, one panel a task."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    tasks = list(dict.fromkeys(row['task'] for row in rows))
    figure = Figure(figsize=(4.6 * len(tasks), 4.0), dpi=120, layout='constrained')
    FigureCanvasAgg(figure)
    for axes, task in zip(figure.subplots(1, len(tasks), squeeze=False)[0], tasks, strict=True):
        for row in (row for row in rows if row['task'] == task):
            x, y = 100 * row['attention'], 100 * row['success']
            (left, right), (low, high) = row['attention_interval'], row['success_interval']
            axes.errorbar(
                [x], [y],
                xerr=[[max(0.0, x - 100 * left)], [max(0.0, 100 * right - x)]],
                yerr=[[max(0.0, y - 100 * low)], [max(0.0, 100 * high - y)]],
                marker='o', capsize=3, color=f'C{list(ARMS).index(row["arm"])}', label=ARMS[row['arm']].title,
            )  # fmt: skip
        axes.set(
            title=task,
            xlabel="the human's attention [% of the time]",
            ylabel='success [%]',
            xlim=(-4, 104),
            ylim=(0, 104),
        )
        axes.grid(alpha=0.3)
        axes.legend(fontsize='small', loc='lower right')
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def write(folder: Path, found: Mapping[str, Parts], about: Mapping[str, Any]) -> None:
    """results.json, results.md, attention.png."""
    from igrft.bench.runner import write_json

    rows = [row for task, parts in found.items() for row in rows_of(task, parts)]
    if not rows:
        return
    write_json(folder / 'results.json', rows)
    text = ['# Results', '', *(f'- {key}: {value}' for key, value in about.items()), '']
    text += ['95 % intervals: Wilson for shares of episodes, bootstrap over episodes for the rest.', '', *table(rows)]
    text += ['![success against attention](attention.png)', '', '## Calibration', '', *calibration_table(found)]
    text += ['## What each score is worth by itself', '', *worth_table(found), '## Cost', '', *cost_table(found)]
    (folder / 'results.md').write_text('\n'.join(text) + '\n', encoding='utf-8')
    plot(folder / 'attention.png', rows)
