# SPDX-License-Identifier: Apache-2.0
"""The paper's tables from nothing: ``igrft bench paper``, or ``python -m igrft.bench.paper`` from the sources alone."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from pathlib import Path

from igrft.bench.config import ProfileConfig
from igrft.config import ConfigError, named


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog='igrft bench paper', description=__doc__)
    made.add_argument('--profile', default='full', help='name or path of a config/bench file')
    made.add_argument('--quick', action='store_const', dest='profile', const='quick', help='--profile quick')
    made.add_argument('--out', type=Path, default=None, help='work and finished cells (default runs/paper/<profile>)')
    made.add_argument('--report', type=Path, default=None, help='where tables and figures go (default: OUT/report)')
    made.add_argument('--tasks', nargs='+', default=None, help='only these of the profile')
    made.add_argument('--methods', nargs='+', default=None, help="these in place of the profile's")
    made.add_argument('--seeds', nargs='+', type=int, default=None, help='only these repetitions')
    made.add_argument('--jobs', type=int, default=max(1, (os.cpu_count() or 1)), help='worker processes')
    made.add_argument('--stop-after', type=float, default=None, metavar='MINUTES', help='begin no cell after that')
    made.add_argument('--set', nargs='+', default=[], metavar='KEY=VALUE', help='on top of the profile')
    made.add_argument('--only-report', action='store_true', help='write the report from the finished cells')
    return made


def main(argv: list[str] | None = None) -> int:
    """Entry point; the exit code is 1 where a cell failed."""
    given = sys.argv[1:] if argv is None else argv
    arguments = parser().parse_args(given)
    for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS'):
        os.environ.setdefault(name, '1')  # a process a core, not a pool of threads in each
    from igrft.bench import report, runner

    overrides = list(arguments.set)
    for name in ('tasks', 'methods'):
        values = getattr(arguments, name)
        if values:
            overrides.append(f'{name}=[{", ".join(values)}]')
    try:
        profile = named('bench', arguments.profile, ProfileConfig, overrides)
        out = arguments.out or Path('runs/paper') / Path(arguments.profile).stem
        jobs = runner.jobs_of(profile, out)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    if arguments.seeds is not None:
        jobs = [job for job in jobs if job.seed in arguments.seeds]
    where = given.index('--out') if '--out' in given else len(given)
    told = [*given[:where], *given[where + 2 :]]  # a folder of this machine tells a reader nothing
    about = {
        'command': f'`igrft bench paper {shlex.join(told)}`'.replace(' `', '`'),
        'profile': Path(arguments.profile).stem,
        'evaluation seeds from': profile.evaluation_seed,
        'made': time.strftime('%Y-%m-%d', time.gmtime()),
    }

    folder = arguments.report or out / 'report'

    def tell() -> None:
        report.write(jobs, folder, profile, about)

    try:
        refused = report.restore(jobs, folder, profile)
    except ValueError as error:  # ConfigError, PolicyError
        print(error, file=sys.stderr)
        return 2
    for line in refused:
        say(line)
    failed = 0
    if not arguments.only_report:
        limit = None if arguments.stop_after is None else 60 * arguments.stop_after
        failed = runner.run(jobs, profile, arguments.jobs, limit, say, tell)
    tell()
    say(f'report: {folder / "results.md"}')
    return 1 if failed else 0


def say(line: str) -> None:
    """One line, with the time."""
    print(f'{time.strftime("%H:%M:%S")} {line}', flush=True)


if __name__ == '__main__':
    raise SystemExit(main())
