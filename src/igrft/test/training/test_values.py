# SPDX-License-Identifier: Apache-2.0
"""Where returns begin and end."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from igrft.training.values import segments
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
