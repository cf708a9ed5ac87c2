# SPDX-License-Identifier: Apache-2.0
"""The plan on paper agrees with the models that it speaks of."""

from __future__ import annotations

import pytest

from igrft.policies.plan import plan
from igrft.policies.protocol import PolicyError
from igrft.policies.registry import create

SPEC = {'action_dim': 7, 'proprio_dim': 17, 'cameras': ('front', 'wrist'), 'step_dt': 0.1}


def test_full_size_needs_no_weights_and_what_is_trained_decides_the_memory() -> None:
    expert = plan('pi0', (), SPEC, 32, '24GB')
    assert 2.9e9 < expert.trunk < 3.0e9 and 0.3e9 < expert.expert < 0.33e9
    assert expert.trained == expert.expert and expert.tokens == (2 * 256 + 48, 51)
    assert expert.total < 24e9
    everything = plan('pi0', ('model.tuning.train=all',), SPEC, 32, '80GB')
    assert everything.trained == everything.trunk + everything.expert and everything.total > 60e9
    assert everything.step > 0 and 'trained 3' in everything.text()


def test_a_plan_counts_what_is_built() -> None:
    found = plan('pi0_tiny', (), SPEC, 16, '80GB')
    policy = create('pi0_tiny', **SPEC)
    assert found.trunk + found.expert == sum(p.numel() for p in policy.parameters())
    assert found.weights == 4 * (found.trunk + found.expert)
    small = plan('compact_flow', (), SPEC, 16, '80GB')
    assert 0 < small.trained < small.trunk + small.expert and 'fits' in small.text()


def test_unknown_cards_are_named() -> None:
    with pytest.raises(PolicyError, match=r"unknown card '25GB'; did you mean '24GB'"):
        plan('pi0_tiny', (), SPEC, 16, '25GB')
