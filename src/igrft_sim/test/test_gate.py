# SPDX-License-Identifier: Apache-2.0
"""An episode begins with the tick of its reset, whatever arrives before it."""

from igrft_sim.nodes.gate import EpisodeGate

SECOND = 10**9


def test_the_last_episodes_ticks_stay_out():
    gate = EpisodeGate()
    gate.begin(seed=1)
    assert gate.admits(2 * SECOND, 1)
    assert gate.admits(2 * SECOND + SECOND // 10, 1)
    gate.begin(seed=1)
    assert not gate.admits(2 * SECOND + SECOND // 10, 1), 'the tick at which the last episode ended'
    assert not gate.admits(2 * SECOND + SECOND // 5, 1), 'and what followed it'
    assert gate.admits(3 * SECOND + SECOND // 5, 1)


def test_a_layout_of_another_seed_is_not_the_episodes():
    gate = EpisodeGate()
    gate.begin(seed=4)
    assert not gate.admits(SECOND, 0)
    assert gate.admits(2 * SECOND, 4)


def test_a_cell_that_was_not_reset_is_believed_after_a_while():
    gate = EpisodeGate()
    gate.begin(seed=4)
    answers = []
    for _ in range(4):
        gate.arrived(SECOND)
        answers.append(gate.admits(SECOND, 0))
    assert answers == [False, False, True, True]
