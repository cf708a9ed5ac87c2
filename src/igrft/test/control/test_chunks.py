# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igrft.control.chunks import ChunkConfig, ChunkExecutor
from igrft.types import ActionChunk

DT = 0.1


def chunk(stamp: float, horizon: int = 8, base: float = 0.0, dim: int = 7) -> ActionChunk:
    """Step i has the value base + i in every place."""
    values = np.arange(horizon, dtype=np.float32)[:, None] + base
    return ActionChunk(stamp, np.repeat(values, dim, axis=1).astype(np.float32), DT, checkpoint=f'c{base:g}')


def executor(**options) -> ChunkExecutor:
    return ChunkExecutor(ChunkConfig(action_dim=7, step_dt=DT, **options))


@given(st.integers(0, 20), st.floats(0, 0.099), st.integers(1, 12))
def test_the_step_is_the_one_that_time_has_reached(steps: int, within: float, horizon: int) -> None:
    run = executor(replan_steps=3)
    now = 5.0 + steps * DT + within
    run.offer(chunk(5.0, horizon), 5.0)
    step = run.step(now)
    if steps >= horizon:
        assert step is None, 'a chunk that has run out is not repeated'
    else:
        assert step is not None
        assert (step.index, step.action[0]) == (steps, steps)


def test_steps_that_inference_has_consumed_are_skipped() -> None:
    run = executor(replan_steps=3)
    assert run.offer(chunk(1.0), 1.25) == ''
    assert run.step(1.25).index == 2
    assert not run.due(1.54)
    assert run.due(1.55), 'three steps executed, counted from when it took over'


def test_lock_step_boundaries_are_exact_for_thousands_of_ticks() -> None:
    run = executor(replan_steps=4)
    for tick in range(3000):
        now = round(0.1 * tick, 9)
        assert run.request(now) == run.due(now) == (tick % 4 == 0)
        if tick % 4 == 0:
            assert run.offer(chunk(now, horizon=5), now) == ''
        assert run.step(now).index == tick % 4


@pytest.mark.parametrize(
    ('bad', 'word'),
    [
        (ActionChunk(1.0, np.full((8, 7), np.nan, np.float32), DT), 'finite'),
        (ActionChunk(1.0, np.full((8, 7), np.inf, np.float32), DT), 'finite'),
        (chunk(1.0, dim=6), '[horizon, 7]'),
        (ActionChunk(1.0, np.zeros((0, 7), np.float32), DT), '[horizon, 7]'),
        (ActionChunk(1.0, np.zeros((8, 7), np.float32), 0.0), 'lasts'),
        (ActionChunk(1.0, np.zeros((8, 7), np.float32), 100.0), 'lasts 100 s, of this robot 0.1 s'),
        (ActionChunk(1.0, np.zeros((8, 7), np.float32), float('nan')), 'lasts'),
        (chunk(9.0), 'future'),
        (chunk(0.1), 'run out'),
        (ActionChunk(float('nan'), np.zeros((8, 7), np.float32), DT), 'future'),
    ],
)
def test_what_cannot_be_executed_is_refused(bad: ActionChunk, word: str) -> None:
    run = executor(replan_steps=2)
    assert word in run.offer(bad, 1.0)
    assert run.refused == 1
    assert run.step(1.0) is None


def test_a_drop_demands_a_fresh_observation() -> None:
    run = executor(replan_steps=4)
    run.offer(chunk(1.0), 1.0)
    run.drop(1.2)
    assert run.step(1.2) is None
    assert 'before the policy got control' in run.offer(chunk(1.1), 1.3)
    assert run.request(1.3)
    assert run.offer(chunk(1.3), 1.4) == ''


@given(late=st.floats(0.0, 6.0), replan_steps=st.integers(1, 50), max_overrun=st.floats(0.0, 6.0))
def test_a_long_chunk_does_not_go_on_for_ever_without_a_fresh_one(
    late: float, replan_steps: int, max_overrun: float
) -> None:
    run = executor(replan_steps=replan_steps, max_overrun=max_overrun, blend_time=0.1)
    run.offer(chunk(1.0, horizon=50), 1.0)
    allowed = min(replan_steps * DT + max_overrun, 50 * DT)
    if abs(late - allowed) > 1e-3:
        assert (run.step(1.0 + late) is None) == run.empty(1.0 + late) == (late > allowed)
    stands = run.step(1.0 + late) is None
    if run.offer(chunk(1.0 + late, horizon=50, base=90.0), 1.0 + late) == '' and stands:
        assert run.step(1.0 + late).action[0] == 90.0, 'an arm that stood is not sent where it went before'


def test_an_overrun_chunk_is_not_what_the_next_one_continues() -> None:
    run = executor(max_overrun=0.5)
    run.offer(chunk(1.0, horizon=50), 1.0)
    assert run.running == 1.0
    assert run.step(2.0) is None and run.running is None


def test_an_older_chunk_does_not_replace_a_newer_one() -> None:
    run = executor()
    run.offer(chunk(1.3), 1.4)
    assert 'older' in run.offer(chunk(1.1), 1.4)


def test_prefetch_asks_as_early_as_answers_are_late() -> None:
    run = executor(replan_steps=4, prefetch=True, request_timeout=5.0)
    assert run.request(0.0)
    run.offer(chunk(0.0), 0.15)  # so the next is due at 0.55
    assert run.latency == pytest.approx(0.15)
    assert not run.request(0.39)
    assert run.request(0.40), 'early enough for the answer to be there when it is due'
    assert not run.request(0.41), 'asked once'
    assert run.step(0.6) is not None, 'the running chunk goes on meanwhile'


def test_an_unanswered_request_is_repeated() -> None:
    run = executor(request_timeout=0.5)
    assert [run.request(t) for t in (0.0, 0.2, 0.49, 0.51, 0.6)] == [True, False, False, True, False]


@given(st.floats(0.0, 0.3))
def test_the_seam_is_a_line_between_the_chunks_and_ends(after: float) -> None:
    run = executor(replan_steps=8, blend_time=0.2)
    run.offer(chunk(0.0, horizon=20), 0.0)
    run.offer(chunk(0.1, horizon=20, base=100.0), 0.15)
    now = 0.15 + after
    old, new = np.floor((now + 1e-6) / DT), 100 + np.floor((now - 0.1 + 1e-6) / DT)
    weight = min(after / 0.2, 1.0)
    action = run.step(now).action
    assert action[0] == pytest.approx(weight * new + (1 - weight) * old, abs=1e-3)
    assert action[6] == pytest.approx(new), 'the gripper switches at once'


def test_without_blending_a_fresh_chunk_is_exact() -> None:
    run = executor(blend_time=0.0)
    run.offer(chunk(0.0), 0.0)
    run.offer(chunk(0.2, base=50.0), 0.2)
    assert run.step(0.2).action[0] == 50.0
