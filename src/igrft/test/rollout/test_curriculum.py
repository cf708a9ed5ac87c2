# SPDX-License-Identifier: Apache-2.0
"""The curriculum's order, its statistics, and that a stopped run resumes where it stood."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igrft.config import named
from igrft.rollout.curriculum import CurriculumConfig, Phase, Progress, ProgressError, Stage, phases, settings
from igrft.rollout.loop import EpisodeResult, Loop, LoopError, Stopped
from igrft.rollout.report import LineReporter, duration, results_table
from igrft.rollout.statistics import Proportion
from igrft.types import Kind

SMALL = CurriculumConfig(demonstrations=3, rollouts=2, rounds=2, rollouts_per_round=2, evaluation_episodes=2)


class FakeBackend:
    """Remembers what it was asked; every even seed succeeds."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []

    def run_episode(self, kind: Kind, seed: int) -> EpisodeResult:
        self.calls.append((kind.value, str(seed)))
        return EpisodeResult(f'{kind.value}-{seed}', 'success' if seed % 2 == 0 else 'timeout', 0.5, 10, 0)

    def train(self, stage: Stage, round_number: int, initial: str, on_progress: Callable[[float, str], None]) -> str:
        self.calls.append(('train', stage.value, str(round_number), initial))
        on_progress(0.5, 'loss 1')
        return f'checkpoints/{stage.value}-{round_number}'

    def load(self, checkpoint: str) -> None:
        self.calls.append(('load', checkpoint))


def run(tmp_path: Path, backend: FakeBackend, stop_after: int = 10**9, only: Stage | None = None) -> Loop:
    progress = Progress.open(tmp_path / 'loop.json', settings('stack', 'p', 'sim', SMALL))
    loop = Loop(
        phases(SMALL), progress, backend, LineReporter(lambda line: None), lambda: len(backend.calls) >= stop_after
    )
    loop.run(only)
    return loop


def test_order_and_seeds() -> None:
    order = list(phases(SMALL))
    assert [p.stage for p in order if p.trains] == [Stage.SFT, Stage.OFFLINE_RL, Stage.HIL, Stage.HIL]
    recorded = [
        seed
        for p in order
        if p.kind not in (None, Kind.EVALUATION)
        for seed in range(p.first_seed, p.first_seed + p.episodes)
    ]
    assert recorded == list(range(3 + 2 + 2 * 2))
    assert len({(p.first_seed, p.episodes) for p in order if p.kind is Kind.EVALUATION}) == 1
    assert len({p.name for p in order}) == len(order)


def test_every_shipped_curriculum_loads() -> None:
    for name in ('quick', 'paper', 'smoke'):
        assert list(phases(named('curriculum', name, CurriculumConfig)))


@pytest.mark.parametrize('stop_after', range(1, 22))
def test_resumes_where_it_stood(tmp_path: Path, stop_after: int) -> None:
    whole = FakeBackend()
    (tmp_path / 'whole').mkdir()
    run(tmp_path / 'whole', whole)
    first = FakeBackend()
    with pytest.raises(Stopped):
        run(tmp_path, first, stop_after)
    second = FakeBackend()
    loop = run(tmp_path, second)
    work = [c for c in first.calls + second.calls if c[0] != 'load']
    assert work == [c for c in whole.calls if c[0] != 'load']
    assert [r.success.n for r in loop.results()] == [2, 2, 2]


def test_policy_serves_the_newest_checkpoint(tmp_path: Path) -> None:
    backend = FakeBackend()
    run(tmp_path, backend)
    loads = [c[1] for c in backend.calls if c[0] == 'load']
    assert loads == ['checkpoints/sft-0', 'checkpoints/offline_rl-0', 'checkpoints/hil-1', 'checkpoints/hil-2']


def test_single_stage_needs_its_predecessors(tmp_path: Path) -> None:
    with pytest.raises(LoopError, match='stage:=sft first'):
        run(tmp_path, FakeBackend(), only=Stage.OFFLINE_RL)
    run(tmp_path, FakeBackend(), only=Stage.SFT)
    later = FakeBackend()
    run(tmp_path, later, only=Stage.OFFLINE_RL)
    trained = [c[1:] for c in later.calls if c[0] == 'train']
    assert trained == [('offline_rl', '0', 'checkpoints/sft-0')]


def test_other_settings_and_broken_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / 'loop.json'
    Progress.open(path, settings('stack', 'p', 'sim', SMALL)).save()
    with pytest.raises(ProgressError, match="policy = 'p', now asked for is 'q'"):
        Progress.open(path, settings('stack', 'q', 'sim', SMALL))
    path.write_text('{"settings": {}}')
    with pytest.raises(ProgressError, match=r'loop\.json'):
        Progress.open(path, {})
    path.write_text(json.dumps({'format': 99, 'settings': {}, 'episodes': {}, 'checkpoints': {}, 'seconds': {}}))
    with pytest.raises(ProgressError, match='format 99'):
        Progress.open(path, {})


@given(st.integers(0, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_holds_the_rate(trial: tuple[int, int]) -> None:
    proportion = Proportion(*trial)
    low, high = proportion.interval()
    assert 0.0 <= low <= high <= 1.0
    if proportion.n:
        assert low - 1e-12 <= proportion.rate <= high + 1e-12


def test_wilson_interval_known_value() -> None:
    low, high = Proportion(17, 20).interval()
    assert (round(low, 3), round(high, 3)) == (0.640, 0.948)


def test_report_lines() -> None:
    lines: list[str] = []
    now = [0.0]
    reporter = LineReporter(lines.append, every=10.0, clock=lambda: now[0])
    phase = Phase('rollouts', Stage.OFFLINE_RL, Kind.ROLLOUT, 10)
    reporter.begin(phase, 4, 9)
    for done in range(1, 11):
        now[0] += 6.0
        reporter.advance(phase, done / 10, 'x')
    reporter.end(phase, 60.0, 'fine')
    assert lines[0] == '[4/9] rollouts (10 episodes)'
    assert any('left' in line for line in lines[1:-2]) and '100%' in lines[-2] and '1 min 00 s' in lines[-1]
    assert 3 < len(lines) < 10


def test_durations() -> None:
    assert [duration(s) for s in (8, 185, 4325)] == ['8 s', '3 min 05 s', '1 h 12 min']


def test_final_table_names_stages(tmp_path: Path) -> None:
    loop = run(tmp_path, FakeBackend())
    text = results_table(loop.results(), {'SFT': 3.0})
    assert 'offline RL' in text and '50.0%' in text and 'together' in text
