# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from igrft.control.takeover import TABLE, Event, Takeover
from igrft.types import Kind, Mode

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just('start'), st.sampled_from(list(Kind))),
        st.tuples(st.just('operator'), st.tuples(st.booleans(), st.booleans())),
        st.tuples(st.just('emergency'), st.booleans()),
        st.tuples(st.sampled_from(['stop', 'lost', 'toggle_pause', 'ask_for_help', 'dismiss_help']), st.none()),
        st.tuples(st.just('dismiss_help'), st.tuples(st.just(True))),
    ),
    max_size=40,
)


def apply(takeover: Takeover, action: tuple) -> bool:
    name, argument = action
    if isinstance(argument, tuple):
        return getattr(takeover, name)(*argument)
    return getattr(takeover, name)(*([] if argument is None else [argument]))


def test_every_mode_can_be_stopped_and_none_is_left_by_accident() -> None:
    for mode in Mode:
        assert TABLE[mode, Event.STOP] is Mode.HOLD
        assert TABLE[mode, Event.E_STOP] is Mode.HOLD
    out_of_hold = {event for (mode, event), target in TABLE.items() if mode is Mode.HOLD and target is not mode}
    assert out_of_hold == {Event.START, Event.START_PAUSED, Event.E_STOP_RESET}
    into_policy = {event for (_, event), target in TABLE.items() if target is Mode.AUTONOMOUS}
    by_itself = {Event.ALONE}  # after its own call for help only, and only where that is configured
    assert into_policy == {Event.START, Event.RESUME, Event.RELEASE} | by_itself, 'else somebody must say so'


@given(st.sampled_from(list(Mode)), st.lists(st.sampled_from(list(Event)), max_size=30))
def test_the_table_alone_never_leads_out_of_itself(mode: Mode, events) -> None:
    for event in events:
        target = TABLE.get((mode, event), mode)
        assert target in Mode
        if event in (Event.STOP, Event.E_STOP):
            assert target is Mode.HOLD
        elif mode is Mode.HOLD and event not in (Event.START, Event.START_PAUSED, Event.E_STOP_RESET):
            assert target is Mode.HOLD, 'no device and no policy leads out of HOLD'
        if event in (Event.LOST, Event.E_STOP_RESET, Event.RELEASE_PAUSED):
            assert target is not Mode.AUTONOMOUS or mode is Mode.AUTONOMOUS
        mode = target


@given(ACTIONS)
def test_no_sequence_leaves_the_table(actions) -> None:
    takeover = Takeover()
    stopped, recording, spans = False, False, 0
    for action in actions:
        before = takeover.mode
        changed = apply(takeover, action)
        assert changed == (takeover.mode is not before)
        name, argument = action
        stopped = argument if name == 'emergency' else stopped
        recording = {'start': True, 'stop': False}.get(name, recording)
        if name == 'start':
            spans = 0
            counts = argument is not Kind.DEMONSTRATION
        spans += changed and takeover.mode is Mode.CORRECTING and counts
        assert not takeover.waits_for_help or takeover.mode is Mode.PAUSED
        if name == 'dismiss_help' and changed:
            assert takeover.mode is Mode.AUTONOMOUS and takeover.policy_enabled
        assert takeover.count == spans
        if stopped or not recording:
            assert takeover.mode is Mode.HOLD
        if name == 'operator' and takeover.mode is Mode.CORRECTING:
            assert argument == (True, True)


def test_takeover_and_release() -> None:
    takeover = Takeover()
    takeover.start(Kind.CORRECTION)
    assert takeover.mode is Mode.AUTONOMOUS
    for _ in range(5):  # five samples, one span
        takeover.operator(engaged=True, connected=True)
    assert (takeover.mode, takeover.count, takeover.reason) == (Mode.CORRECTING, 1, Event.ENGAGE.value)
    takeover.operator(engaged=False, connected=True)
    assert takeover.mode is Mode.AUTONOMOUS


def test_a_lost_device_does_not_start_the_policy() -> None:
    takeover = Takeover()
    takeover.start(Kind.CORRECTION)
    takeover.operator(engaged=True, connected=True)
    takeover.operator(engaged=False, connected=False)
    assert takeover.mode is Mode.PAUSED
    takeover.operator(engaged=False, connected=True)
    assert takeover.mode is Mode.PAUSED
    takeover.toggle_pause()
    assert takeover.mode is Mode.AUTONOMOUS


def test_a_demonstration_never_asks_the_policy_and_counts_nothing() -> None:
    takeover = Takeover()
    takeover.start(Kind.DEMONSTRATION)
    assert takeover.mode is Mode.PAUSED
    takeover.operator(engaged=True, connected=True)
    takeover.operator(engaged=False, connected=True)
    assert (takeover.mode, takeover.count) == (Mode.PAUSED, 0)


def test_pause_while_the_operator_drives_holds_after_the_release() -> None:
    takeover = Takeover()
    takeover.start(Kind.ROLLOUT)
    takeover.operator(engaged=True, connected=True)
    takeover.toggle_pause()
    assert takeover.mode is Mode.CORRECTING
    takeover.operator(engaged=False, connected=True)
    assert takeover.mode is Mode.PAUSED


def test_emergency_stop_ends_paused_and_outlives_an_episode() -> None:
    takeover = Takeover()
    takeover.start(Kind.ROLLOUT)
    takeover.emergency(True)
    takeover.stop()
    takeover.start(Kind.ROLLOUT)
    assert takeover.mode is Mode.HOLD
    takeover.emergency(False)
    assert takeover.mode is Mode.PAUSED


def test_of_all_pauses_only_that_of_a_call_for_help_may_end_by_itself() -> None:
    takeover = Takeover()
    takeover.start(Kind.ROLLOUT)
    takeover.toggle_pause()
    assert not takeover.dismiss_help(alone=True) and not takeover.dismiss_help()
    assert not takeover.ask_for_help(), 'a paused policy does not ask'
    takeover.toggle_pause()
    assert takeover.ask_for_help() and takeover.waits_for_help
    assert (takeover.mode, takeover.count) == (Mode.PAUSED, 0)
    assert takeover.dismiss_help(alone=True)
    assert (takeover.mode, takeover.reason) == (Mode.AUTONOMOUS, Event.ALONE.value)

    takeover.ask_for_help()
    takeover.operator(engaged=True, connected=True)
    assert (takeover.mode, takeover.count, takeover.waits_for_help) == (Mode.CORRECTING, 1, False)
    takeover.operator(engaged=False, connected=True)
    assert takeover.mode is Mode.AUTONOMOUS, 'as after every correction'

    takeover.ask_for_help()
    takeover.emergency(True)
    takeover.emergency(False)
    assert not takeover.dismiss_help(alone=True), 'after an emergency stop somebody must say so'
