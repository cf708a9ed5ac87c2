# SPDX-License-Identifier: Apache-2.0
"""What a check found, and what to do about it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import Enum

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table


class Level(str, Enum):
    """How bad it is: ``error`` keeps the loop from working, ``warn`` may, ``skipped`` could not be checked here."""

    OK = 'ok'
    WARN = 'warn'
    ERROR = 'error'
    SKIPPED = 'skipped'


_COLOURS = {Level.OK: 'green', Level.WARN: 'yellow', Level.ERROR: 'red', Level.SKIPPED: 'dim'}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        check: rate, stamps, qos, disk, …
        subject: topic, device, folder or port.
        level: how bad it is.
        text: what was found, with figures.
        remedy: what to do; '' where nothing is to be done.
    """

    check: str
    subject: str
    level: Level
    text: str
    remedy: str = ''


def ok(check: str, subject: str, text: str) -> Finding:
    """All is well."""
    return Finding(check, subject, Level.OK, text)


def warn(check: str, subject: str, text: str, remedy: str) -> Finding:
    """It may go wrong."""
    return Finding(check, subject, Level.WARN, text, remedy)


def error(check: str, subject: str, text: str, remedy: str) -> Finding:
    """It does not work so."""
    return Finding(check, subject, Level.ERROR, text, remedy)


def skipped(check: str, subject: str, text: str) -> Finding:
    """It could not be checked here; the text says why."""
    return Finding(check, subject, Level.SKIPPED, text)


def exit_code(findings: Iterable[Finding]) -> int:
    """1 where something is an error, 0 otherwise."""
    return int(any(finding.level is Level.ERROR for finding in findings))


def as_json(findings: Sequence[Finding]) -> str:
    """The report for machines."""
    rows = [{**asdict(finding), 'level': finding.level.value} for finding in findings]
    return json.dumps({'exit_code': exit_code(findings), 'counts': _counts(findings), 'findings': rows}, indent=1)


def as_table(findings: Sequence[Finding]) -> Table:
    """The report for people."""
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column('')
    table.add_column('check', no_wrap=True)
    table.add_column('of', overflow='fold')
    table.add_column('found, and what to do', overflow='fold', ratio=1)
    for finding in findings:
        level = f'[{_COLOURS[finding.level]}]{finding.level.value}[/]'
        text = escape(finding.text) + (f'\n→ {escape(finding.remedy)}' if finding.remedy else '')
        table.add_row(level, finding.check, escape(finding.subject), text)
    return table


def summary(findings: Sequence[Finding]) -> str:
    """One line of counts."""
    return ', '.join(f'{count} {level}' for level, count in _counts(findings).items() if count) or 'nothing was checked'


def _counts(findings: Sequence[Finding]) -> dict[str, int]:
    counted = Counter(finding.level for finding in findings)
    return {level.value: counted[level] for level in (Level.ERROR, Level.WARN, Level.OK, Level.SKIPPED)}
