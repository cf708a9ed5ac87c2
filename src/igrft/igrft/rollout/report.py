# SPDX-License-Identifier: Apache-2.0
"""What the loop prints: plain lines that survive a launch log, and one table at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from igrft.rollout.curriculum import Phase
from igrft.rollout.loop import StageResult

BAR = 24


def duration(seconds: float) -> str:
    """Seconds for people: ``8 s``, ``3 min 05 s``, ``1 h 12 min``."""
    whole = round(seconds)
    if whole < 60:
        return f'{whole} s'
    if whole < 3600:
        return f'{whole // 60} min {whole % 60:02d} s'
    return f'{whole // 3600} h {whole % 3600 // 60:02d} min'


class LineReporter:
    """One line when a phase begins and ends, one every ``every`` seconds in between.

    Args:
        write: takes one line.
        every: [s] between progress lines.
        clock: monotonic time [s].
    """

    def __init__(
        self, write: Callable[[str], None], every: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._every = every
        self._clock = clock
        self._begin = 0.0
        self._first: float | None = None
        self._last = 0.0

    def begin(self, phase: Phase, number: int, total: int) -> None:
        amount = f' ({phase.episodes} episodes)' if phase.episodes else ''
        self._write(f'[{number}/{total}] {phase.name}{amount}')
        self._begin = self._last = self._clock()
        self._first = None

    def advance(self, phase: Phase, fraction: float, detail: str) -> None:
        now = self._clock()
        if self._first is None:
            self._first = fraction
        if now - self._last < self._every and fraction < 1.0:
            return
        self._last = now
        gained = fraction - self._first
        eta = (now - self._begin) * (1 - fraction) / gained if gained > 0 else None
        left = f', {duration(eta)} left' if eta is not None and fraction < 1.0 else ''
        filled = round(BAR * min(max(fraction, 0.0), 1.0))
        self._write(f'  {"█" * filled}{"░" * (BAR - filled)} {fraction:4.0%}{left}   {detail}')

    def end(self, phase: Phase, seconds: float, detail: str) -> None:
        self._write(f'  done in {duration(seconds)}: {detail}')


def results_table(results: Sequence[StageResult], seconds: Mapping[str, float]) -> str:
    """The final tables: success after each stage that was evaluated, and where the time went."""
    console = Console(width=96, force_terminal=False)
    with console.capture() as capture:
        if results:
            console.print(_success(results))
        console.print(_times(seconds))
    return capture.get().rstrip()


def _success(results: Sequence[StageResult]) -> Table:
    table = Table(title='Success after each stage (95 % Wilson interval)', title_justify='left')
    for column in ('stage', 'success', 'interval', 'n', 'subtasks done'):
        table.add_column(column, justify='left' if column == 'stage' else 'right')
    for result in results:
        low, high = result.success.interval()
        table.add_row(
            result.label,
            f'{result.success.rate:.1%}',
            f'{low:.1%} to {high:.1%}',
            str(result.success.n),
            f'{result.progress:.0%}',
        )
    return table


def _times(seconds: Mapping[str, float]) -> Table:
    table = Table(title='Time', title_justify='left')
    table.add_column('phase')
    table.add_column('', justify='right')
    for name, spent in seconds.items():
        table.add_row(name, duration(spent))
    table.add_row('together', duration(sum(seconds.values())), style='bold')
    return table
