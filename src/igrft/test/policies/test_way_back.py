# SPDX-License-Identifier: Apache-2.0
"""Tools beside the recorded path are back on it in time for what comes next."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from igrft.policies.way_back import BACK, SOON, STRIDE, across, going_down, idle_steps, lead_back, within_reach

DT = 0.1
SEED = st.integers(0, 2**32 - 1)
ALONE = torch.zeros(4, dtype=torch.bool)


@given(seed=SEED, arms=st.integers(1, 2), idle=st.integers(0, 8), down=st.integers(1, 8), far=st.floats(1e-3, 0.1))
def test_a_tool_is_back_before_it_goes_down_and_before_its_gripper_moves(
    seed: int, arms: int, idle: int, down: int, far: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    actions = torch.randn(4, 8, arms, 7, generator=generator, dtype=torch.float64)
    whole = far * torch.randn(4, arms, 3, generator=generator, dtype=torch.float64)
    goes_down = (torch.arange(8) >= down)[None, :, None].expand(4, 8, arms)
    nudge = within_reach(whole, torch.full((4, arms), idle), goes_down)
    if idle < SOON:
        assert (nudge == 0).all()
    torch.testing.assert_close(torch.linalg.cross(nudge, whole), torch.zeros_like(whole), atol=1e-12, rtol=0)
    assert (nudge.norm(dim=-1) <= whole.norm(dim=-1) + 1e-12).all()
    back = lead_back(actions, nudge, goes_down[:, 0], ALONE, DT) - actions
    assert (back[..., 3:] == 0).all() and (back[:, min(idle, down, BACK) :] == 0).all()
    assert (back[..., :3].norm(dim=-1) * DT <= STRIDE + 1e-9).all()
    torch.testing.assert_close(back[..., :3].sum(1) * DT, -nudge)


@given(seed=SEED, arms=st.integers(1, 2), idle=st.integers(SOON, 8), far=st.floats(1e-3, 0.1))
def test_a_tool_on_its_way_down_stops_and_goes_back_first(seed: int, arms: int, idle: int, far: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    actions = torch.randn(4, 8, arms, 7, generator=generator, dtype=torch.float64)
    whole = far * torch.randn(4, arms, 3, generator=generator, dtype=torch.float64)
    whole[0] = 0.0
    stops = torch.ones(4, arms, dtype=torch.bool)
    nudge = within_reach(whole, torch.full((4, arms), idle), stops[:, None].expand(4, 8, arms))
    found = lead_back(actions, nudge, stops, ALONE, DT)
    assert torch.equal(found[0], actions[0])
    for row in range(1, 4):
        for arm in range(arms):
            way, recorded, off = found[row, :, arm], actions[row, :, arm], nudge[row, arm]
            late = next(k for k in range(1, SOON + 1) if torch.equal(way[k:], recorded[: 8 - k]))
            torch.testing.assert_close(way[:late, :3].sum(0) * DT, -off)
            assert (way[:late, 3:6] == 0).all() and (way[:late, 6] == recorded[0, 6]).all()
            assert (late - 1) * STRIDE < off.norm() <= late * STRIDE + 1e-9


@given(seed=SEED, stops=st.lists(st.booleans(), min_size=2, max_size=2))
def test_arms_that_work_together_go_on_together(seed: int, stops: list[bool]) -> None:
    generator = torch.Generator().manual_seed(seed)
    actions = torch.randn(4, 8, 2, 7, generator=generator, dtype=torch.float64)
    nudge = STRIDE * torch.randn(4, 2, 3, generator=generator, dtype=torch.float64)
    halts = torch.tensor([stops] * 4)
    alone, found = (lead_back(actions, nudge, halts, at, DT) for at in (ALONE, ~ALONE))
    late = (nudge.norm(dim=-1) / STRIDE).ceil().clamp(max=BACK).long()
    for row in range(4):
        last = int(late[row].max())
        for arm in range(2):
            if stops[arm]:
                assert torch.equal(found[row, last:, arm], actions[row, : 8 - last, arm])
                torch.testing.assert_close(found[row, :last, arm, :3].sum(0) * DT, -nudge[row, arm])
            else:
                assert torch.equal(found[row, :, arm], alone[row, :, arm])


def test_a_tool_goes_down_where_it_hardly_goes_elsewhere() -> None:
    actions = torch.zeros(1, 4, 1, 7)
    actions[0, :, 0, :3] = torch.tensor([[0.0, 0.0, -0.2], [0.05, 0.05, -0.2], [0.1, 0.1, -0.2], [0.0, 0.0, -0.04]])
    assert going_down(actions, DT).flatten().tolist() == [True, True, False, False]


@given(seed=SEED, speed=st.floats(0.0, 0.5))
def test_nothing_of_a_nudge_lies_along_the_way_of_a_tool_on_its_way(seed: int, speed: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    way = torch.randn(1, 1, 3, generator=generator, dtype=torch.float64)
    way /= way.norm()
    nudge = 0.02 * torch.randn(1, 1, 3, generator=generator, dtype=torch.float64)
    actions = torch.zeros(1, 8, 1, 7, dtype=torch.float64)
    actions[..., :3] = speed * way
    left = across(nudge, actions, DT)
    torch.testing.assert_close(torch.linalg.cross(left, way), torch.linalg.cross(nudge, way))
    along = float((left * way).sum()), float((nudge * way).sum())
    goes = min(1.0, speed * DT * BACK / STRIDE)
    assert abs(along[0] - (1 - goes**2) * along[1]) < 1e-9, 'a tool that stands has no way'


def test_grippers_are_idle_until_one_moves() -> None:
    actions = torch.zeros(6, 8, 2, 7)
    actions[..., 6] = 0.7 + 0.01 * torch.arange(8)[:, None]  # a hand that is not quite steady
    actions[1, 5:, 1, 6] = 0.2
    actions[2, 0, 0, 6] = 0.5
    actions[3:, :, 0, 6] = torch.tensor([1.0, 0.0, 0.0])[:, None]
    openings = torch.full((6, 2), 0.7)
    openings[2, 0], openings[3:, 0] = 0.5, 0.4
    holds = torch.zeros(6, 2, dtype=torch.bool)
    holds[[3, 5], 0] = True
    names = ['steady', 'lets go later', 'opens next', 'opens by now', 'closes by now', 'closed around something']
    first, second = idle_steps(actions, openings, holds).T.tolist()
    assert dict(zip(names, first, strict=True)) == dict(zip(names, [8, 8, 1, 0, 0, 8], strict=True))
    assert second == [8, 5, 8, 8, 8, 8]
