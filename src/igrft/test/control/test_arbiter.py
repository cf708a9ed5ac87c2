# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igrft.bench.takeover import Step, largest_step
from igrft.config import RobotConfig, named
from igrft.control.arbiter import Arbiter, ArbiterConfig, HelpReaction
from igrft.control.chunks import ChunkConfig
from igrft.control.inputs import twists_of
from igrft.types import ActionChunk, Kind, Mode, Source, TeleopInput

LIMITS = named('robots', 'sim', RobotConfig).limits
EVENTS = ['tick', 'chunk', 'engage', 'release', 'gone', 'other', 'pause', 'e_stop', 'reset', 'stop', 'start']
EVENTS += ['help', 'well', 'dismiss']


def arbiter(lockstep: bool = False, **options) -> Arbiter:
    chunks = ChunkConfig(action_dim=7, step_dt=0.1, replan_steps=4, prefetch=not lockstep)
    made = Arbiter(ArbiterConfig(chunks=chunks, lockstep=lockstep, **options))
    made.measured(np.float32([0.3]))
    return made


def chunk(stamp: float, value: float = 0.1) -> ActionChunk:
    actions = np.full((8, 7), value, np.float32)
    actions[:, -1] = 0.6
    return ActionChunk(stamp, actions, 0.1, 'c1')


def human(
    stamp: float, engaged: bool = True, value: float = -0.2, connected: bool = True, device: str = 'spacemouse'
) -> TeleopInput:
    return TeleopInput(stamp, np.float32([value, 0, 0, 0, 0, 0, 0.9]), engaged, connected, device)


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
    assert core.awaited, 'it may go out at once'
    assert core.step(0.06).command.source is Source.POLICY
    core.chunk(chunk(0.06), 0.07)
    assert not core.awaited, 'it follows another and keeps the tick'
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


def test_the_device_at_rest_does_not_let_go_for_the_one_that_drives() -> None:
    core = arbiter()
    core.start(Kind.CORRECTION, 0.0)
    core.teleop(human(0.0, False, 0.0), 0.0)
    core.teleop(human(0.1, device='console'), 0.1)
    assert core.takeover.mode is Mode.CORRECTING
    core.teleop(human(0.12, False, 0.0), 0.12)
    core.teleop(human(0.13, False, 0.0, connected=False), 0.13)
    decision = core.step(0.14)
    assert (decision.mode, decision.command.source) == (Mode.CORRECTING, Source.HUMAN)
    assert decision.command.action[0] == pytest.approx(-0.2)
    assert [core.hears(device) for device in ('console', 'spacemouse')] == [True, False]
    core.teleop(human(0.2, False, 0.0, connected=False, device='console'), 0.2)
    assert core.takeover.mode is Mode.PAUSED, "the page's connection is lost: the policy does not start by itself"
    assert core.hears('spacemouse')


def test_in_lockstep_the_console_does_not_answer_for_the_operator() -> None:
    core = arbiter(lockstep=True)
    assert (core.hears('operator'), core.hears('console')) == (True, False)


def drive(core: Arbiter, begin: float, ticks: int, value: float = 0.4) -> list[Step]:
    """The policy drives, a fresh chunk every tick."""
    sent = []
    for tick in range(ticks):
        now = begin + 0.02 * tick
        core.chunk(chunk(now, value), now)
        sent.append(Step(now, twists_of(core.step(now).command.action)))
    return sent


def test_a_change_of_driver_is_no_jump_in_either_direction() -> None:
    core = arbiter(limits=LIMITS)
    core.start(Kind.CORRECTION, 0.0)
    sent = drive(core, 0.0, 30)
    assert sent[-1].twists[0, 0] == pytest.approx(0.4)
    for tick in range(30):
        now = 0.6 + 0.02 * tick
        core.teleop(human(now), now)
        decision = core.step(now)
        assert decision.command.source is Source.HUMAN
        sent.append(Step(now, twists_of(decision.command.action)))
    assert sent[-1].twists[0, 0] == pytest.approx(-0.2)
    core.teleop(human(1.2, engaged=False, value=0.0), 1.2)
    waiting = [core.step(1.2 + 0.02 * tick).command for tick in range(5)]
    assert waiting[0].source is Source.HUMAN, 'his motion, running out'
    assert 0.0 < -waiting[-1].action[0] < 0.2, 'neither dead nor as fast as before when the policy speaks'
    sent += [Step(command.stamp, twists_of(command.action)) for command in waiting]
    sent += drive(core, 1.3, 30)
    assert sent[-1].twists[0, 0] == pytest.approx(0.4)
    assert largest_step(sent, LIMITS, 0.02) <= 1.0


def test_what_is_lost_or_paused_stops_at_once() -> None:
    for lose in (
        lambda core: core.teleop(human(1.0, connected=False), 1.0),
        lambda core: core.pause(1.0) or core.teleop(human(1.0, engaged=False), 1.0),
    ):
        core = arbiter(limits=LIMITS)
        core.start(Kind.CORRECTION, 0.0)
        for tick in range(30):
            core.teleop(human(0.02 * tick), 0.02 * tick)
            core.step(0.02 * tick)
        lose(core)
        decision = core.step(1.0)
        assert (decision.mode, decision.command.source) == (Mode.PAUSED, Source.HOLD)
        assert not decision.command.action[:6].any()


def driving(reaction: HelpReaction, **options) -> Arbiter:
    """The policy drives since 0.0 and calls for help at 0.1."""
    core = arbiter(help_reaction=reaction, **options)
    core.start(Kind.CORRECTION, 0.0)
    core.step(0.0)
    core.chunk(chunk(0.0), 0.05)
    assert core.step(0.06).command.action[0] == pytest.approx(0.1)
    core.help(True, 0.0, 0.1)
    return core


def test_a_call_for_help_alone_changes_nothing() -> None:
    decision = driving(HelpReaction.NONE).step(0.1)
    assert (decision.mode, decision.changed) == (Mode.AUTONOMOUS, False)
    assert decision.command.action[0] == pytest.approx(0.1)


def test_the_arm_slows_while_help_is_asked_for() -> None:
    core = driving(HelpReaction.SLOW, help_speed=0.25)
    slow = core.step(0.1)
    assert slow.command.action[:6] == pytest.approx([0.025] * 6)
    assert slow.command.action[6] == pytest.approx(0.6), 'grippers do as they are told'
    core.help(False, 0.0, 0.12)
    assert core.step(0.12).command.action[0] == pytest.approx(0.1)


def test_the_arm_waits_until_it_is_taken_over() -> None:
    core = driving(HelpReaction.WAIT)
    waiting = core.step(0.1)
    assert (waiting.mode, waiting.changed, waiting.request) == (Mode.PAUSED, True, False)
    assert waiting.command.source is Source.HOLD and not waiting.command.action[:6].any()
    core.help(True, 0.0, 0.2)
    assert core.step(100.0).mode is Mode.PAUSED, 'for as long as it takes'
    core.teleop(human(100.1), 100.1)
    assert core.step(100.1).command.source is Source.HUMAN
    core.teleop(human(100.2, engaged=False), 100.2)
    assert core.step(100.2).mode is Mode.AUTONOMOUS


def test_the_arm_waits_until_somebody_says_that_it_may_go_on_or_nobody_came() -> None:
    core = driving(HelpReaction.WAIT)
    core.step(0.1)
    core.dismiss_help(0.3)
    decision = core.step(0.3)
    assert (decision.mode, decision.request) == (Mode.AUTONOMOUS, True)
    core.dismiss_help(0.4)
    core.pause(0.5)
    assert core.step(0.5).mode is Mode.PAUSED, 'an old dismissal ends no pause'

    core = driving(HelpReaction.WAIT, help_patience=2.0)
    core.step(0.1)
    assert core.step(2.0).mode is Mode.PAUSED
    assert core.step(2.1).mode is Mode.AUTONOMOUS
    core.pause(2.2)
    assert core.step(90.0).mode is Mode.PAUSED, 'the operator waits as long as he likes'


def test_a_call_of_the_last_episode_does_not_slow_the_next() -> None:
    core = driving(HelpReaction.SLOW)
    core.stop(0.2)
    core.start(Kind.CORRECTION, 1.0)
    core.step(1.0)
    core.chunk(chunk(1.0), 1.0)
    assert core.step(1.02).command.action[0] == pytest.approx(0.1)


@pytest.mark.parametrize('reaction', [HelpReaction.SLOW, HelpReaction.WAIT])
def test_lockstep_waits_for_the_judgement_of_its_chunk(reaction) -> None:
    core = arbiter(lockstep=True, help_reaction=reaction)
    core.start(Kind.ROLLOUT, 0.0)
    core.teleop(human(0.1, engaged=False), 0.1)
    core.step(0.1)
    core.chunk(chunk(0.1), 0.1)
    waiting = core.step(0.1)
    assert (waiting.command, waiting.request) == (None, False)
    core.help(False, 0.0, 0.1)
    assert core.step(0.1).command is None, 'of an older chunk'
    core.help(True, 0.1, 0.1)
    decision = core.step(0.1)
    assert decision.command.source is (Source.HOLD if reaction is HelpReaction.WAIT else Source.POLICY)
    if reaction is HelpReaction.WAIT:
        core.dismiss_help(0.2)
        assert core.step(0.2).mode is Mode.PAUSED
        assert core.step(0.3).mode is Mode.AUTONOMOUS, 'from the next tick on, whenever the word arrives in this one'


@given(
    st.lists(
        st.tuples(
            st.sampled_from(EVENTS),
            st.sampled_from([0.0, 0.02, 0.1, 0.7]),
        ),
        max_size=60,
    ),
    st.sampled_from([None, LIMITS]),
    st.sampled_from(HelpReaction),
)
def test_whatever_happens_the_command_is_sound(events, limits, reaction) -> None:
    core = arbiter(limits=limits, help_reaction=reaction)
    now, heard, recording, stopped = 0.0, 0.0, False, False
    for what, wait in events:
        now += wait
        if what == 'chunk':
            core.chunk(chunk(now - 0.05), now)
        elif what in ('engage', 'release', 'gone', 'other'):
            device = 'console' if what == 'other' else 'spacemouse'
            core.teleop(human(now, what in ('engage', 'other'), connected=what != 'gone', device=device), now)
        elif what == 'pause':
            core.pause(now)
        elif what in ('help', 'well'):
            core.help(what == 'help', now, now)
        elif what == 'dismiss':
            core.dismiss_help(now)
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
            runs_out = limits is not None and core.takeover.released and command.source is Source.HUMAN
            assert runs_out or command.source is (Source.HUMAN if decision.mode is Mode.CORRECTING else Source.POLICY)
            assert decision.mode in (Mode.CORRECTING, Mode.AUTONOMOUS), 'nothing moves in HOLD or PAUSED'
        if decision.request:
            assert decision.mode is Mode.AUTONOMOUS
