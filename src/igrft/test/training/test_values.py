# SPDX-License-Identifier: Apache-2.0
"""Where returns begin and end."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from igrft.method.critic import Critic, CriticConfig
from igrft.training.values import predict, segments, unseen_by
from igrft.types import Outcome, Source

CODES = {'p': Source.POLICY, 'h': Source.HUMAN, '-': Source.HOLD}


def stretches(drivers: str, outcome: Outcome = Outcome.SUCCESS) -> list[tuple[int, int, bool, bool]]:
    episode = SimpleNamespace(info=SimpleNamespace(outcome=outcome))
    dataset = SimpleNamespace(
        episodes=[episode],
        starts=lambda: [0],
        lengths=[len(drivers)],
        source=torch.tensor([int(CODES[each]) for each in drivers]),
    )
    return [(rows.start, rows.stop, end, takeover) for rows, end, takeover in segments(dataset)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ('drivers', 'expected'),
    [
        ('pppp', [(0, 4, True, False)]),
        ('pphh', [(0, 2, True, True), (2, 4, True, False)]),
        ('pphhpph', [(0, 2, True, True), (2, 6, True, True), (6, 7, True, False)]),
        ('pp--hh', [(0, 4, True, True), (4, 6, True, False)]),
        ('hh--hh', [(0, 6, True, False)]),
        ('--hh', [(0, 4, True, False)]),
    ],
)
def test_a_takeover_ends_the_policys_part_also_where_the_arm_waited_for_it(drivers, expected) -> None:
    assert stretches(drivers) == expected


def test_a_timeout_is_not_terminal() -> None:
    assert stretches('pphh', Outcome.TIMEOUT) == [(0, 2, True, True), (2, 4, False, False)]


def judged(names: str, members: int = 3) -> torch.Tensor | None:
    episodes = [SimpleNamespace(info=SimpleNamespace(id=name)) for name in names]
    return unseen_by(SimpleNamespace(episodes=episodes, lengths=[2] * len(names)), members)  # type: ignore[arg-type]


def test_who_judges_an_episode_depends_on_its_name_alone() -> None:
    few, more = judged('abcdefgh'), judged('abcdefghijkl')
    assert few is not None and more is not None and torch.equal(few, more[:16])
    assert bool((few.view(-1, 2)[:, 0] == few.view(-1, 2)[:, 1]).all())
    assert set(few.tolist()) == {0, 1, 2}
    assert judged('abcdefgh', 1) is None and judged('a') is None, 'nobody would be left who learns'


def test_an_episode_is_judged_by_the_member_that_never_saw_it() -> None:
    critic, states = Critic(4, CriticConfig(hidden=8)), torch.randn(6, 4)
    unseen = torch.tensor([0, 0, 1, 1, 2, 2])
    every = critic.value_ensemble(states).detach().double().numpy()
    np.testing.assert_allclose(predict(critic, states, unseen), every[unseen.numpy(), np.arange(6)], rtol=1e-6)
    np.testing.assert_allclose(predict(critic, states), every.mean(0), rtol=1e-5)
