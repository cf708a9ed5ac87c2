# SPDX-License-Identifier: Apache-2.0
"""`./run test [pytest arguments]`: style, types, floors, then every test; quick failures come first.

With arguments, pytest alone runs with them. Without, everything runs even after a failure; a few failures are run once
more and count as flaky where they pass then; the last line sums it up.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
CHECKS = {'ruff: style': ['ruff', 'check', '.'], 'mypy: types': ['mypy'], 'import-linter: floors': ['lint-imports']}
SUITES = {
    'package tests': [
        '-n',
        str(min(4, os.cpu_count() or 1)),
        '--dist',
        'loadfile',
        'src/igrft/test',
        'src/igrft_sim/test',
    ],
    'whole-system tests: real processes, real DDS': ['test'],
}

FAILURES = 1
"""pytest's exit status where tests ran and some failed."""
FEW = 3
"""Failures up to which they are run once more: discovery between processes on a busy machine is not ours to fix.
What passes then is reported as flaky, with the first run's output above."""

OUTCOMES = {'failed': 'failures', 'errors': 'errors', 'skipped': 'skipped'}
"""Our word → the attribute in pytest's report."""


def section(title: str) -> None:
    print(f'\n== {title}', flush=True)


def count(report: Path, status: int) -> Counter[str]:
    """What a pytest run came to; a run that ended badly without saying which test counts as one error."""
    found: Counter[str] = Counter()
    if report.exists():
        for suite in ElementTree.parse(report).iter('testsuite'):
            bad = {name: int(suite.get(key, 0)) for name, key in OUTCOMES.items()}
            found.update(bad, passed=int(suite.get('tests', 0)) - sum(bad.values()))
    if status != 0 and not found['failed'] and not found['errors']:
        found['errors'] += 1
    return found


def main(arguments: list[str]) -> int:
    """Run pytest with `arguments`, or without any, everything."""
    os.chdir(ROOT)
    if arguments:
        os.execvp('pytest', ['pytest', *arguments])
    if shutil.which('fastdds'):
        # Processes that a test killed leave shared memory behind, which may disturb those that come later.
        subprocess.run(['fastdds', 'shm', 'clean'], stdout=subprocess.DEVNULL)
    started, total, wrong = time.monotonic(), Counter[str](), []
    for title, command in CHECKS.items():
        section(title)
        if subprocess.run(command).returncode != 0:
            wrong.append(title)
    for title, where in SUITES.items():
        section(title)
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, 'report.xml')
            status = subprocess.run(['pytest', '-q', f'--junitxml={report}', *where]).returncode
            found = count(report, status)
            if status == FAILURES and found['failed'] + found['errors'] <= FEW:
                section(f'{title}: once more, what failed')
                status = subprocess.run(['pytest', '-q', '--last-failed', *where]).returncode
                if status == 0:
                    found['flaky'] = found.pop('failed', 0) + found.pop('errors', 0)
            total += found
        if status != 0:
            wrong.append(title)
    failed_checks = sum(title in CHECKS for title in wrong)
    if failed_checks:
        total['failed'] += failed_checks
    print()
    for title in wrong:
        print(f'FAILED {title}')
    counts = [f'{total[name]} {name}' for name in ('failed', 'errors', 'flaky', 'passed', 'skipped') if total[name]]
    print(f' {", ".join(counts) or "no tests ran"} in {time.monotonic() - started:.2f}s '.center(80, '='))
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
