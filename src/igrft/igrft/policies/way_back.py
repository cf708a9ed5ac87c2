# SPDX-License-Identifier: Apache-2.0
"""Actions that bring a tool that is beside the recorded path back to it, in time for what comes next: the tube in which
tools may be narrows towards every grip and release. Lengths and counts are those of steps of 0.1 s.
"""

from __future__ import annotations

import torch
from torch import Tensor

GRIPS = 0.1
"""Difference of openings, less than which no gripper moves."""

STRIDE = 0.01
"""[m] that a tool goes back in a step."""

BACK = 4
"""Steps of a chunk in which it is back at the latest."""

SOON = 2
"""A gripper that moves within so many steps is where it must be."""


def idle_steps(actions: Tensor, openings: Tensor, holds: Tensor) -> Tensor:
    """How long each gripper stays as it is, in steps of the chunk: [B, arms], 0 where it is moving.

    Args:
        actions: [B, H, arms, 7].
        openings: [B, arms], as measured. Fingers that hold something never get where they are sent.
        holds: [B, arms] bool.
    """
    wanted = actions[..., 6]
    missing = wanted[:, 0] - openings
    there = (missing < GRIPS) & (holds | (missing > -GRIPS))
    steady = wanted.cummax(1).values - wanted.cummin(1).values < GRIPS
    return steady.sum(1) * there


def across(nudge: Tensor, actions: Tensor, dt: float) -> Tensor:
    """What of a nudge [B, arms, 3] m lies across the way that its tool goes in the next :data:`BACK` steps. Ahead on
    the path, or behind, is another step of it; led back from there, tools would slow down too late.

    Args:
        actions: [B, H, arms, 7], of ``dt`` seconds.
    """
    way = actions[:, :BACK, :, :3].sum(1) * dt
    way = way / way.norm(dim=-1, keepdim=True).clamp(min=STRIDE)
    along: Tensor = (nudge * way).sum(-1, keepdim=True) * way
    return nudge - along


def going_down(actions: Tensor, dt: float) -> Tensor:
    """In which steps a tool goes straight down, onto something or with something into its place: [B, H, arms] bool."""
    level = actions[..., :2].norm(dim=-1)
    down = -actions[..., 2]
    found: Tensor = (down > 2 * level) & (down * dt > STRIDE / 2)
    return found


def within_reach(nudge: Tensor, idle: Tensor, down: Tensor) -> Tensor:
    """Nudges [B, arms, 3] m no farther than what there is time to go back: the nearer a grip, a release or the way
    straight down to it, the less. On that way tools stop to go back.

    Args:
        nudge: [B, arms, 3] m.
        idle: [B, arms] steps until the gripper moves.
        down: [B, H, arms] bool, see :func:`going_down`.
    """
    before = (down.cummax(1).values == 0).sum(1)
    most = STRIDE * torch.where(down[:, 0], SOON, torch.minimum(idle, before).clamp(max=BACK)) * (idle >= SOON)
    share: Tensor = (most / nudge.norm(dim=-1).clamp(min=1e-9)).clamp(max=1.0)
    return nudge * share[..., None]


def lead_back(actions: Tensor, nudge: Tensor, stops: Tensor, together: Tensor, dt: float) -> Tensor:
    """The recorded actions and the way back, a :data:`STRIDE` a step: beside them, or before.

    Args:
        actions: [B, H, arms, 7], of ``dt`` seconds.
        nudge: [B, arms, 3] m in base_link, from the path to the tools.
        stops: [B, arms] bool, whose tools go on only when they are back.
        together: [B] bool, where arms work together: those that stop go on when the last of them is back.
    """
    steps = (nudge.norm(dim=-1) / STRIDE).round(decimals=6).ceil().clamp(max=BACK)[:, None, :, None]
    now = torch.arange(actions.shape[1], device=steps.device)[:, None, None]
    last = torch.where(together[:, None, None, None], steps.amax(2, keepdim=True), steps)
    late = (last * stops[:, None, :, None]).long()
    found = actions.gather(1, (now - late).clamp(min=0).expand_as(actions)).clone()
    found[..., :6] *= now >= late
    found[..., :3] -= nudge[:, None] / (steps.clamp(min=1) * dt) * (now < steps)
    return found
