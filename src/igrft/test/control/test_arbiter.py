# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igrft.control.arbiter import Arbiter, ArbiterConfig
from igrft.control.chunks import ChunkConfig
from igrft.types import ActionChunk, Kind, Mode, Source, TeleopInput

EVENTS = ['tick', 'chunk', 'engage', 'release', 'gone', 'pause', 'e_stop', 'reset', 'stop', 'start']


def arbiter(lockstep: bool = False, **options) -> Arbiter:
    chunks = ChunkConfig(action_dim=7, replan_steps=4, prefetch=not lockstep)
    made = Arbiter(ArbiterConfig(chunks=chunks, lockstep=lockstep, **options))
    made.measured(np.float32([0.3]))
    return made


def chunk(stamp: float, value: float = 0.1) -> ActionChunk:
    actions = np.full((8, 7), value, np.float32)
    actions[:, -1] = 0.6
    return ActionChunk(stamp, actions, 0.1, 'c1')


def human(stamp: float, engaged: bool = True, value: float = -0.2, connected: bool = True) -> TeleopInput:
    return TeleopInput(stamp, np.float32([value, 0, 0, 0, 0, 0, 0.9]), engaged, connected)


def test_outside_an_episode_nothing_is_sent() -> None:
    core = arbiter()
    core.teleop(human(0.0), 0.0)
    decision = core.step(0.0)
    assert (decision.command, decision.request, decision.mode) == (None, False, Mode.HOLD)


def test_policy_drives_and_stands_when_it_falls_silent() -> None:
    core = arbiter()
    core.start(Kind.ROLLOUT, 0.0)
    first = core.step(0.0)
    assert first.request
    assert first.command.source is Source.HOLD
    assert first.command.action[6] == pytest.approx(0.3), 'the gripper as it was measured'
    core.chunk(chunk(0.0), 0.05)
    assert core.step(0.06).command.source is Source.POLICY
    late = core.step(0.9)
    assert late.command.source is Source.HOLD
    assert not late.command.action[:6].any()
    assert late.command.action[6] == pytest.approx(0.6), 'the gripper keeps what it was told last'


def test_takeover_is_at_once_and_release_asks_afresh() -> None:
    core = arbiter()
    core.start(Kind.CORRECTION, 0.0)
    core.step(0.0)
    core.chunk(chunk(0.0), 0.05)
    core.step(0.06)
    core.teleop(human(0.07), 0.07)
    assert core.changed
    decision = core.step(0.07)
    assert (decision.mode, decision.changed, decision.command.source) == (Mode.CORRECTING, True, Source.HUMAN)
    assert 'does not drive' in core.chunk(chunk(0.05), 0.08)
    core.teleop(human(0.2, engaged=False), 0.2)
    decision = core.step(0.2)
    assert decision.request
    assert decision.command.source is Source.HOLD
    assert decision.command.action[6] == pytest.approx(0.9)
    assert 'before the policy got control' in core.chunk(chunk(0.1), 0.22)
    assert core.chunk(chunk(0.2), 0.25) == ''


def test_silence_of_the_operator_is_zero_then_paused() -> None:
    core = arbiter(teleop_timeout=0.06, teleop_lost=0.5)
    core.start(Kind.CORRECTION, 0.0)
    core.teleop(human(0.0), 0.0)
    assert core.step(0.05, 0.05).command.source is Source.HUMAN
    silent = core.step(0.07, 0.07)
    assert (silent.command.source, silent.mode) == (Source.HOLD, Mode.CORRECTING)
    assert core.step(0.51, 0.51).mode is Mode.PAUSED


@pytest.mark.parametrize('action', [np.full(7, np.nan), np.full(7, np.inf), np.zeros(6), np.zeros((1, 7))])
def test_bad_operator_input_is_refused(action) -> None:
    core = arbiter()
    core.start(Kind.CORRECTION, 0.0)
    assert core.teleop(TeleopInput(0.0, action.astype(np.float32), True), 0.0)
    assert (core.rejected, core.takeover.mode) == (1, Mode.AUTONOMOUS)


def test_one_standstill_on_the_way_into_hold() -> None:
    core = arbiter()
    core.start(Kind.ROLLOUT, 0.0)
    core.step(0.0)
    core.stop(0.1)
    last = core.step(0.1)
    assert last.command.source is Source.HOLD
    assert core.step(0.12).command is None


def test_lockstep_waits_for_the_chunk_of_its_tick() -> None:
    core = arbiter(lockstep=True)
    core.start(Kind.ROLLOUT, 0.0)
    core.teleop(human(0.1, engaged=False), 0.1)
    waiting = core.step(0.1)
    assert (waiting.command, waiting.request) == (None, True)
    assert core.step(0.1).request is False, 'asked once a tick'
    assert 'does not answer tick' in core.chunk(chunk(0.0), 0.1)
    assert core.chunk(chunk(0.1), 0.1) == ''
    assert core.step(0.1).command.chunk_step == 0


def test_lockstep_takes_an_input_only_in_its_own_tick() -> None:
    core = arbiter(lockstep=True)
    core.start(Kind.CORRECTION, 0.0)
    core.chunk(chunk(0.1), 0.1)
    core.teleop(human(0.2, engaged=True), 0.1)
    assert core.step(0.1).command.source is Source.POLICY
    assert core.step(0.2).command.source is Source.HUMAN


@given(
    st.lists(
        st.tuples(
            st.sampled_from(EVENTS),
            st.sampled_from([0.0, 0.02, 0.1, 0.7]),
        ),
        max_size=60,
    )
)
def test_whatever_happens_the_command_is_sound(events) -> None:
    core, now, heard, recording, stopped = arbiter(), 0.0, 0.0, False, False
    for what, wait in events:
        now += wait
        if what == 'chunk':
            core.chunk(chunk(now - 0.05), now)
        elif what in ('engage', 'release', 'gone'):
            core.teleop(human(now, what == 'engage', connected=what != 'gone'), now)
        elif what == 'pause':
            core.pause(now)
        elif what in ('e_stop', 'reset'):
            stopped = what == 'e_stop'
            core.emergency(stopped, now)
        elif what == 'stop':
            recording = False
            core.stop(now)
        elif what == 'start' and not recording:
            recording = True
            core.start(Kind.CORRECTION, now)
        decision = core.step(now, now - heard)
        command = decision.command
        moves = command is not None and command.action[:6].any()
        if moves:
            assert recording
            assert not stopped
            assert command.source is (Source.HUMAN if decision.mode is Mode.CORRECTING else Source.POLICY)
            assert decision.mode in (Mode.CORRECTING, Mode.AUTONOMOUS)
        if decision.request:
            assert decision.mode is Mode.AUTONOMOUS
