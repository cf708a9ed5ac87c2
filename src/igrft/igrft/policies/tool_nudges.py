# SPDX-License-Identifier: Apache-2.0
"""Recorded steps beside the path: a tool a little off, with what it holds, and actions that bring it back.

A policy that has seen nothing but the path does not know the way back to it, and its own errors take it off. A human's
corrections show that way; so does this, of every recorded step at which no gripper is about to move.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from igrft.policies.glimpse import AXES, NEAR, NEARLY, WAVE
from igrft.policies.protocol import Batch

GRIPS = 0.1
"""Change of an opening within a chunk, less than which no gripper moves."""


def idle_grippers(actions: Tensor) -> Tensor:
    """In which chunks [B, H, arms, 7] no gripper moves: [B] bool."""
    openings = actions[..., 6]
    return (openings.amax(1) - openings.amin(1) < GRIPS).all(-1)


class ToolNudges:
    """Nudges tools in steps whose features end with predictions of a trunk (``igrft.training.targets``).

    Args:
        targets: names of the K predictions. A place in a fixture moves as if the fixture stood upright.
        arms: of the robot.
    """

    def __init__(self, targets: Sequence[str], arms: int) -> None:
        self.arms = arms
        where = {target: index for index, target in enumerate(targets)}
        parsed = [(index, *_parts(target)) for target, index in where.items() if '.' in target]
        things = list(dict.fromkeys(name for _, name, *_ in parsed if '-' not in name))
        sides = list(dict.fromkeys(side for _, name, side, what, _ in parsed if what == 'tool'))
        self.things = len(things)
        columns: dict[str, list[tuple[int, ...]]] = {}
        for index, name, side, what, axis in parsed:
            at = AXES.index(axis) if axis in AXES else 0
            if '-' not in name:
                arm = sides.index(side) if side in sides else 0
                columns.setdefault(what, []).append((index, arm, things.index(name), at))
                continue
            first, second = _ends(name)
            both = things.index(first), things.index(second)
            if what in ('base', 'near'):
                columns.setdefault(f'pair {what}', []).append((index, *both, at))
            elif (what, axis) == ('in', 'x'):
                inside = [f'{name}.in.{a}' for a in AXES]
                ends = [f'{end}.base.{a}' for end in (first, second) for a in AXES[:2]]
                if where.keys() >= {*inside, *ends}:  # a trunk leaves out what never changes
                    columns.setdefault('fixture', []).append((*(where[t] for t in (*inside, *ends)), *both))
            elif what == 'cos' and f'{name}.in.{axis}' in where:
                columns.setdefault('wave', []).append((where[f'{name}.in.{axis}'], index, where[f'{name}.sin.{axis}']))
        self._columns = {what: torch.tensor(each).unbind(1) for what, each in columns.items()}

    def __call__(self, batch: Batch, nudge: Tensor, steps: int, dt: float, mean: Tensor, scale: Tensor) -> Batch:
        """Nudge the tools of every row.

        Args:
            batch: with features, proprioception as in :func:`igrft.types.proprioception`, and actions.
            nudge: [B, arms, 3] m in base_link. Where two tools hold a thing together none is nudged.
            steps: of the chunk, ``dt`` seconds each, in which the tools go back.
            mean, scale: [K] that the predictions are normalised with.
        """
        inputs = batch.inputs
        if inputs.features is None:
            raise ValueError('only steps with features can be nudged')
        features = inputs.features.clone()
        said = features[:, -len(mean) :] * scale + mean
        held = said.new_zeros(len(inputs), self.arms, self.things)
        if 'held' in self._columns:
            index, arm, thing, _ = self._columns['held']
            held[:, arm, thing] = (said[:, index] > 0.5).to(held.dtype)
        nudge = nudge * (held.sum(1) < 2).all(-1)[:, None, None]
        proprio = inputs.proprio.view(len(inputs), self.arms, -1).clone()
        first, second = proprio[..., -6:].split(3, -1)
        frames = torch.stack([first, second, torch.linalg.cross(first, second)], -1)
        proprio[..., -9:-6] += nudge
        carried = torch.einsum('bat,bax->btx', held, nudge)
        features[:, -len(mean) :] = (self._seen(said, carried, nudge, frames) - mean) / scale
        actions = batch.actions.unflatten(-1, (self.arms, 7)).clone()
        actions[:, :steps, :, :3] -= nudge[:, None] / (steps * dt)
        nudged = replace(inputs, features=features, proprio=proprio.flatten(1))
        return replace(batch, inputs=nudged, actions=actions.flatten(-2))

    def _seen(self, said: Tensor, carried: Tensor, nudge: Tensor, frames: Tensor) -> Tensor:
        """The predictions [B, K] of what a trunk would see then.

        Args:
            said: [B, K], what it saw.
            carried: [B, things, 3] m, how far each thing moved.
            nudge: [B, arms, 3] m, and each tool.
            frames: [B, arms, 3, 3], the tools' in base_link.
        """
        found, columns = said.clone(), self._columns
        local = (carried[:, None] - nudge[:, :, None]) @ frames
        if 'base' in columns:
            index, _, thing, at = columns['base']
            found[:, index] += carried[:, thing, at]
        if 'tool' in columns:
            index, arm, thing, at = columns['tool']
            found[:, index] += local[:, arm, thing, at]
        if 'near' in columns:
            index, arm, thing, at = columns['near']
            found[:, index] = _nearer(said[:, index], local[:, arm, thing, at])
        if 'pair base' in columns:
            index, one, other, at = columns['pair base']
            found[:, index] += carried[:, one, at] - carried[:, other, at]
        if 'pair near' in columns:
            index, one, other, at = columns['pair near']
            found[:, index] = _nearer(said[:, index], carried[:, one, at] - carried[:, other, at])
        if 'fixture' in columns:
            x, y, z, one_x, one_y, other_x, other_y, one, other = columns['fixture']
            way = carried[:, one] - carried[:, other]
            # what base_link says over what the fixture says is how it is turned
            apart = torch.complex(said[:, one_x] - said[:, other_x], said[:, one_y] - said[:, other_y])
            turn = torch.sgn(apart * torch.complex(said[:, x], said[:, y]).conj())
            level = torch.complex(way[..., 0], way[..., 1]) * turn.conj()
            found[:, x] += level.real
            found[:, y] += level.imag
            found[:, z] += way[..., 2]
        if 'wave' in columns:
            place, cos, sin = columns['wave']
            angle = 2 * math.pi / WAVE * found[:, place]
            found[:, cos], found[:, sin] = angle.cos(), angle.sin()
        return found


def _parts(target: str) -> tuple[str, str, str, str]:
    """Name, arm, what and axis of a target, '' for what it does not have."""
    name, *rest = target.split('.')
    axis = rest.pop() if len(rest) > 1 and rest[-1] in (*AXES, 'cos', 'sin') else ''
    what = rest.pop()
    return name, '.'.join(rest), what, axis


def _ends(pair: str) -> tuple[str, str]:
    """Both things' names, with their task."""
    task, _, both = pair.rpartition('/')
    first, second = both.split('-')
    return f'{task}/{first}', f'{task}/{second}'


def _nearer(near: Tensor, way: Tensor) -> Tensor:
    """A ``near`` after another ``way`` [m]; one that says no more than that its thing is far stays about so."""
    return (near.clamp(-NEARLY, NEARLY).atanh() + way / NEAR).tanh()
