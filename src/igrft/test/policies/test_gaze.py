# SPDX-License-Identifier: Apache-2.0
"""The gaze: the table of things, and that what is not looked at is not seen."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from igrft.policies.gaze import IDENTITY, Gaze, columns

TARGETS = (
    'stack/red.base.x',
    'stack/red.yaw.cos',
    'stack/blue.base.x',
    'stack/blue.yaw.cos',
    'stack/red-blue.base.x',
    'pack/red.base.x',
)


def staring(gaze: Gaze, *at: int) -> Gaze:
    """The gaze, with every head fixed on a thing."""
    with torch.no_grad():
        last = gaze.choose[-1]
        last.weight.zero_()
        last.bias.fill_(-1e4)
        for head, thing in enumerate(at):
            last.bias[..., head * gaze.things + thing] = 0
    return gaze


def test_predictions_are_laid_out_one_row_a_thing_with_the_same_columns() -> None:
    things, said, places = columns(TARGETS)
    assert things == ['stack/red', 'stack/blue', 'stack/red-blue', 'pack/red']
    assert said == ['base.x', 'yaw.cos']
    assert places == [0, 1, 2, 3, 4, 6]


names = st.lists(
    st.tuples(st.sampled_from(['a', 'b']), st.sampled_from(['red', 'blue', 'lid']), st.sampled_from(['x', 'y.z', ''])),
    min_size=1,
    unique=True,
).map(lambda parts: [f'{task}/{thing}.{what}' if what else f'{task}/{thing}' for task, thing, what in parts])


@given(names)
def test_no_two_predictions_share_a_place(targets: list[str]) -> None:
    things, said, places = columns(targets)
    assert len(set(places)) == len(targets)
    for target, place in zip(targets, places, strict=True):
        thing, what = things[place // len(said)], said[place % len(said)]
        assert target == (f'{thing}.{what}' if what else thing)


@given(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2**31))
def test_what_is_not_looked_at_is_not_seen(first: int, second: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    gaze = staring(Gaze(2, TARGETS, 3, heads=2, width=4), first, second)
    predictions, other = torch.randn(2, 2, 1, len(TARGETS), generator=generator)
    looked_at = torch.tensor([place // gaze.said in (first, second) for place in gaze.places.tolist()])
    changed = torch.where(looked_at, predictions, other)
    state = torch.randn(2, 1, 3, generator=generator)
    assert torch.equal(gaze(predictions, state), gaze(changed, state))


def test_two_things_look_alike_but_for_who_they_are() -> None:
    gaze = Gaze(1, TARGETS, 3, heads=1, width=4)
    predictions = torch.tensor([[[0.5, -0.2, 0.5, -0.2, 0.0, 0.0]]])
    red, blue = (staring(gaze, thing)(predictions, torch.zeros(1, 1, 3))[0].clone() for thing in (0, 1))
    assert torch.equal(red[:, : gaze.said], blue[:, : gaze.said])
    assert not torch.equal(red[:, -IDENTITY:], blue[:, -IDENTITY:])
    assert red.shape == (1, gaze.dim)


def test_attention_sums_to_one_and_learns() -> None:
    torch.manual_seed(0)
    gaze = Gaze(3, TARGETS, 3, heads=2, width=4)
    attention = gaze.attention(torch.randn(3, 5, 3))
    assert attention.shape == (3, 5, 2, 4)
    torch.testing.assert_close(attention.sum(-1), torch.ones(3, 5, 2))
    gaze(torch.randn(3, 5, len(TARGETS)), torch.randn(3, 5, 3)).square().sum().backward()
    for name, parameter in gaze.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize('heads', [0, 3])
def test_the_policy_works_with_and_without(make_policy, heads: int) -> None:  # type: ignore[no-untyped-def]
    policy = make_policy('compact_flow', f'model.heads={heads}')
    assert (policy.experts.gaze is not None) == bool(heads)
