# SPDX-License-Identifier: Apache-2.0
"""What `igrft bench takeover` makes of its measurements: one row a figure, the table, the bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from igrft.config import LimitsConfig
from igrft.types import Float32

RAMP = 'largest command step at a change of driver, share of the rate limit'
BOUNDS: Mapping[str, str] = {
    'device event → command out': 'p50 ≤ 20 ms, p99 ≤ 50 ms',
    'release → fresh policy command, beyond inference': 'p50 ≤ 100 ms (a policy period)',
    'cable pulled → zero twist': 'p99 ≤ 100 ms',
    'reports fall silent → zero twist': 'p99 ≤ 100 ms',
    'teleop_node frozen → zero twist': 'p99 ≤ 100 ms',
    'STOP in the console → zero twist': 'p99 ≤ 150 ms',
    RAMP: 'always ≤ 1',
}
"""What each figure should keep; a figure that is not here is there to explain another."""


@dataclass(frozen=True, slots=True)
class Step:
    """A command: its stamp [s] and twists [n_arms, 6]."""

    stamp: float
    twists: Float32


def largest_step(steps: Sequence[Step], limits: LimitsConfig, period: float) -> float:
    """The largest change between two commands as a share of what the safety node lets through in that time.

    Args:
        steps: in order of time.
        limits: the safety node's.
        period: [s] of the control tick; a gap longer than two of them earns no larger step.
    """
    worst = 0.0
    for before, after in zip(steps, steps[1:], strict=False):
        elapsed = min(max(after.stamp - before.stamp, 1e-3), 2 * period)
        change = after.twists - before.twists
        linear = np.linalg.norm(change[:, :3], axis=1).max() / (limits.linear_acceleration * elapsed)
        angular = np.linalg.norm(change[:, 3:], axis=1).max() / (limits.angular_acceleration * elapsed)
        worst = max(worst, float(linear), float(angular))
    return worst


def row(figure: str, seconds: Sequence[float], baseline: Sequence[float], commit: str) -> dict[str, Any]:
    """A latency with its 95 % bootstrap intervals, and the bare transport's beside it; in ms."""
    return {
        'figure': figure,
        'n': len(seconds),
        'p50_ms': _ms(seconds, 50),
        'p99_ms': _ms(seconds, 99),
        'p50_interval_ms': _interval(seconds, 50),
        'p99_interval_ms': _interval(seconds, 99),
        'baseline_p50_ms': _ms(baseline, 50),
        'baseline_p99_ms': _ms(baseline, 99),
        'commit': commit,
    }


def ramp_row(shares: Sequence[float], stops: int, lost: int, commit: str) -> dict[str, Any]:
    """The steps at the seams; no unit, no transport.

    Args:
        shares: the largest step of each seam.
        stops: times that a late input stopped the arm in one.
        lost: takeovers that ended by a lost input and not by a release; they are in no other figure.
        commit: that was measured.
    """
    return {
        'figure': RAMP,
        'n': len(shares),
        'p50': round(float(np.percentile(shares, 50)), 3),
        'p99': round(float(np.percentile(shares, 99)), 3),
        'max': round(float(np.max(shares)), 3),
        'stops': stops,
        'lost': lost,
        'commit': commit,
    }


def kept(row: Mapping[str, Any]) -> bool | None:
    """Whether a row keeps its bound, None where it has none."""
    figure = row['figure']
    if figure == RAMP:
        return bool(row['max'] <= 1.0)
    limits = {
        'device event → command out': (20.0, 50.0),
        'release → fresh policy command, beyond inference': (100.0, np.inf),
        'STOP in the console → zero twist': (np.inf, 150.0),
    }
    if figure not in BOUNDS:
        return None
    median, tail = limits.get(figure, (np.inf, 100.0))
    return bool(row['p50_ms'] <= median and row['p99_ms'] <= tail)


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """The rows for people."""
    lines = [
        '| figure | n | median [95 %] | p99 [95 %] | bare transport, p50 / p99 | p50 over it | bound | kept | commit |',
        '|---|---|---|---|---|---|---|---|---|',
    ]
    for r in rows:
        verdict = {True: 'yes', False: '**no**', None: ''}[kept(r)]
        if r['figure'] == RAMP:
            late = f'stopped by late input: {r["stops"]}, lost: {r["lost"]}'
            values = (f"{r['p50']:.2f}", f"{r['p99']:.2f} (max {r['max']:.3f})", late, '')
        else:
            ratio = r['p50_ms'] / r['baseline_p50_ms'] if r['baseline_p50_ms'] else float('nan')
            values = (
                '{p50_ms:.1f} [{p50_interval_ms[0]:.1f}, {p50_interval_ms[1]:.1f}] ms'.format(**r),
                '{p99_ms:.1f} [{p99_interval_ms[0]:.1f}, {p99_interval_ms[1]:.1f}] ms'.format(**r),
                f"{r['baseline_p50_ms']:.1f} / {r['baseline_p99_ms']:.1f} ms",
                f'{ratio:.1f}',
            )
        cells = (r['figure'], str(r['n']), *values, BOUNDS.get(r['figure'], ''), verdict, r['commit'])
        lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines) + '\n'


def _interval(seconds: Sequence[float], percentile: float) -> list[float]:
    values = np.asarray(seconds)
    draws = np.random.default_rng(0).integers(0, len(values), (1000, len(values)))
    resampled = np.percentile(values[draws], percentile, axis=1)
    return [_ms(resampled.tolist(), 2.5), _ms(resampled.tolist(), 97.5)]


def _ms(seconds: Sequence[float], percentile: float) -> float:
    return round(1e3 * float(np.percentile(seconds, percentile)), 2)
