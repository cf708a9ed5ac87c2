# SPDX-License-Identifier: Apache-2.0
"""Runs the cells of the table over processes; what is finished is never run again."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from igrft.bench.config import Job, MethodConfig, ProfileConfig, robot_tasks
from igrft.config import named

Say = Callable[[str], None]


def jobs_of(profile: ProfileConfig, out: Path) -> list[Job]:
    """Every cell, the most informative first: the first seed of every task and method, then the second. A policy for
    several tasks has none where the robot has one alone.
    """
    tasks = profile.tasks
    if not tasks:
        from igrft_sim.tasks import TASKS

        tasks = tuple(TASKS)
    joint = {method for method in profile.methods if named('methods', method, MethodConfig).joint}
    return [
        Job(task, method, seed, out)
        for seed in range(profile.seeds)
        for task in tasks
        for method in profile.methods
        if method not in joint or len(robot_tasks(task)) > 1
    ]


def commit() -> str:
    """The commit that runs, with a + where tracked files differ from it; 'unknown' outside a repository."""
    here = Path(__file__).parent
    git = ['git', '-C', str(here)]
    try:
        rev = subprocess.run([*git, 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True, check=True)
        dirty = subprocess.run([*git, 'status', '--porcelain', '-uno'], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'
    return rev.stdout.strip() + ('+' if dirty.stdout.strip() else '')


def work(job: Job, profile: ProfileConfig) -> tuple[str, float]:
    """Run one cell and write its file.

    Returns:
        what went wrong ('' if nothing), and the seconds it took.
    """
    from igrft.bench.experiment import Experiment

    begin, version = time.monotonic(), commit()
    log = job.out / 'logs' / f'{job.name}.log'
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open('a', encoding='utf-8', buffering=1) as file:
        try:
            content = Experiment(
                job, profile, lambda line: print(f'{time.strftime("%H:%M:%S")} {line}', file=file)
            ).run()
        except Exception as error:  # noqa: BLE001 (one cell's failure must not end the others; it is reported)
            print(traceback.format_exc(), file=file)
            return f'{type(error).__name__}: {error} (see {log})', time.monotonic() - begin
    for row in content['rows']:
        row['commit'] = version
    write_json(job.result, content)
    return '', time.monotonic() - begin


def write_json(path: Path, content: Any) -> None:
    """Write atomically: the file is there and complete, or it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'.{path.name}.{os.getpid()}.partial')
    with partial.open('w', encoding='utf-8') as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def run(
    jobs: list[Job],
    profile: ProfileConfig,
    processes: int,
    stop_after: float | None,
    say: Say,
    done: Callable[[], None],
) -> int:
    """Run what is not finished.

    Args:
        jobs: in order.
        profile: of the run.
        processes: worker processes; 1 works in this one.
        stop_after: [s] after which no further cell is begun.
        say: takes a line for the user.
        done: called after every finished cell.

    Returns:
        how many cells failed.
    """
    begin = time.monotonic()
    todo = [job for job in jobs if not job.result.is_file()]
    say(f'{len(jobs)} cells, {len(jobs) - len(todo)} of them finished before')
    failed = finished = 0
    for job, (problem, seconds) in _results(todo, profile, processes, stop_after):
        finished += 1
        failed += bool(problem)
        gone = time.monotonic() - begin
        left = gone / finished * (len(todo) - finished)
        status = problem or summary(job)
        times = f'{seconds:.0f} s; {gone / 60:.1f} min gone, {left / 60:.0f} left'
        say(f'[{finished}/{len(todo)}] {job.name}: {status}, {times}')
        if not problem:
            done()
    if finished < len(todo):
        say(f'stopped by --stop-after with {len(todo) - finished} cells left; the same command goes on from here')
    return failed


def summary(job: Job) -> str:
    """A finished cell in a few words."""
    rows = json.loads(job.result.read_text(encoding='utf-8'))['rows']
    return ', '.join(f'{row["split"]} {row["successes"]}/{row["n"]}' for row in rows)


def _results(
    todo: list[Job], profile: ProfileConfig, processes: int, stop_after: float | None
) -> Iterator[tuple[Job, tuple[str, float]]]:
    begin = time.monotonic()

    def over() -> bool:
        return stop_after is not None and time.monotonic() - begin > stop_after

    if processes == 1:
        for job in todo:
            if over():
                return
            yield job, work(job, profile)
        return
    queue = list(reversed(todo))
    running: dict[Future[tuple[str, float]], Job] = {}
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        while queue or running:
            while queue and len(running) < processes and not over():
                job = queue.pop()
                running[pool.submit(work, job, profile)] = job
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                try:
                    yield job, future.result()
                except BrokenProcessPool:
                    queue.clear()  # the pool is gone with its worker; the next call of the command goes on
                    yield job, ('its process was killed, for want of memory perhaps; try fewer --jobs', 0.0)
