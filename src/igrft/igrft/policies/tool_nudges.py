# SPDX-License-Identifier: Apache-2.0
"""Recorded steps beside the path: a tool a little off, with what it holds, and actions (:mod:`.way_back`) that bring
it back.

A policy that has seen nothing but the path does not know the way back to it, and its own errors take it off. A human's
corrections show that way; so does this, of recorded steps at which no gripper moves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from igrft.policies.protocol import Batch
from igrft.policies.target_names import AXES, NEAR, NEARLY, WAVE, TargetName
from igrft.policies.way_back import across, going_down, idle_steps, lead_back, within_reach
from igrft.types import OPENING, ORIENTATION, POSITION

LESS = 0.5
"""What remains of a nudge where a tool goes straight down."""

APART = 0.15
"""[m] from a tool to the middle of what another one holds, from which on the arms do not wait for each other."""


class ToolNudges:
    """Nudges tools in steps whose features end with predictions of a trunk (``igrft.training.targets``).

    Places in a fixture move as if it stood upright; where something is held and there is one that hinges, no tool is
    nudged. Of a thing that can be held in several ways the nearest one stays the nearest.

    Args:
        targets: names of the K predictions.
        arms: of the robot.
    """

    def __init__(self, targets: Sequence[str], arms: int) -> None:
        self.arms = arms
        where = {target: index for index, target in enumerate(targets)}
        names = [TargetName.of(target) for target in targets]
        things = list(dict.fromkeys(name.thing for name in names if not name.pair))
        sides = list(dict.fromkeys(name.arm for name in names if name.what == 'tool'))
        self.things = len(things)
        columns: dict[str, list[tuple[int, ...]]] = {}
        for index, name in enumerate(names):
            at = AXES.index(name.axis) if name.axis in AXES else 0
            if not name.pair:
                arm = sides.index(name.arm) if name.arm in sides else 0
                columns.setdefault(name.what, []).append((index, arm, things.index(name.thing), at))
                continue
            both = [things.index(end) for end in name.pair]
            inside = [f'{name.thing}.in.{axis}' for axis in AXES]
            place, sine = (f'{name.thing}.{what}.{name.axis}' for what in ('in', 'sin'))
            if name.what in ('base', 'near'):
                columns.setdefault(f'pair {name.what}', []).append((index, *both, at))
            elif (name.what, name.axis) == ('in', 'x'):
                places = [f'{end}.base.{axis}' for end in name.pair for axis in AXES[:2]]
                if where.keys() >= {*inside, *places}:  # a trunk leaves out what never changes
                    columns.setdefault('fixture', []).append((*(where[t] for t in (*inside, *places)), *both))
            elif name.what == 'cos' and where.keys() >= {place, sine}:
                columns.setdefault('wave', []).append((where[place], index, where[sine]))
        self._columns = {what: torch.tensor(each).unbind(1) for what, each in columns.items()}

    def __call__(
        self, batch: Batch, nudge: Tensor, spared: Tensor, dt: float, mean: Tensor, scale: Tensor, own: Tensor
    ) -> Batch:
        """Nudge every tool whose gripper does not move soon, across its way; of arms that work together only where none
        moves. Where two of them hold a thing together none is nudged.

        Args:
            batch: with features, proprioception as in :func:`igrft.types.proprioception`, and actions of ``dt`` [s].
            nudge: [B, arms, 3] m in base_link, of which as much counts as there is time to go back, and half where a
                tool goes straight down.
            spared: [B] bool, rows that are not nudged there. Tools stop to go back; were all of them off, a policy
                would stop in any case.
            mean, scale: [K] that the predictions are normalised with.
            own: [B, K] bool, predictions of the row's own task (:mod:`.own_task`); the others say nothing.
        """
        inputs = batch.inputs
        if inputs.features is None:
            raise ValueError('only steps with features can be nudged')
        count, columns = len(inputs), self._columns
        features = inputs.features.clone()
        said = features[:, -len(mean) :] * scale + mean
        held = said.new_zeros(count, self.arms, self.things)
        if 'held' in columns:
            index, arm, thing, _ = columns['held']
            held[:, arm, thing] = ((said[:, index] > 0.5) & own[:, index]).to(held.dtype)
        proprio = inputs.proprio.view(count, self.arms, -1).clone()
        actions = batch.actions.unflatten(-1, (self.arms, 7))
        holds = held.any(-1)
        free = (held.sum(1) < 2).all(-1)
        if 'angle' in columns:
            free &= ~(holds.any(-1) & own[:, columns['angle'][0]].any(-1))
        together = self._together(said, held)
        idle = idle_steps(actions, proprio[..., OPENING], holds)
        idle = torch.where(together[:, None], idle.amin(-1, keepdim=True), idle) * free[:, None]
        down = going_down(actions, dt)
        down = torch.where(together[:, None, None], down.any(-1, keepdim=True), down)
        stops = down[:, 0]
        nudge = across(nudge, actions, dt) * torch.where(stops, LESS * ~spared[:, None], 1.0)[..., None]
        nudge = within_reach(nudge, idle, down)
        actions = lead_back(actions, nudge, stops, together, dt)
        one, two = proprio[..., ORIENTATION].split(3, -1)
        frames = torch.stack([one, two, torch.linalg.cross(one, two)], -1)
        proprio[..., POSITION] += nudge
        carried = torch.einsum('bat,bax->btx', held, nudge)
        features[:, -len(mean) :] = (self._seen(said, carried, nudge, frames) - mean) / scale
        nudged = replace(inputs, features=features, proprio=proprio.flatten(1))
        return replace(batch, inputs=nudged, actions=actions.flatten(-2))

    def _together(self, said: Tensor, held: Tensor) -> Tensor:
        """At which rows [B] one arm is near what another holds: they wait for each other."""
        ways = said.new_zeros(len(said), self.arms, self.things, len(AXES))
        if 'tool' in self._columns:
            index, arm, thing, at = self._columns['tool']
            ways[:, arm, thing, at] = said[:, index]
        near = (ways.norm(dim=-1) < APART) | (held > 0)
        shared: Tensor = (held > 0).any(1) & (near.sum(1) > 1)
        return shared.any(-1)

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
            found[:, index] = nearer(said[:, index], local[:, arm, thing, at] / NEAR)
        if 'pair base' in columns:
            index, one, other, at = columns['pair base']
            found[:, index] += carried[:, one, at] - carried[:, other, at]
        if 'pair near' in columns:
            index, one, other, at = columns['pair near']
            found[:, index] = nearer(said[:, index], (carried[:, one, at] - carried[:, other, at]) / NEAR)
        if 'fixture' in columns:
            x, y, z, one_x, one_y, other_x, other_y, one, other = columns['fixture']
            way = carried[:, one] - carried[:, other]
            # What base_link says over what the fixture says is how it is turned; the farthest of its pairs decides.
            apart = torch.complex(said[:, one_x] - said[:, other_x], said[:, one_y] - said[:, other_y])
            over = apart * torch.complex(said[:, x], said[:, y]).conj()
            turn = torch.sgn(over.new_zeros(len(said), self.things).index_add(1, other.to(over.device), over)[:, other])
            level = torch.complex(way[..., 0], way[..., 1]) * turn.conj()
            found[:, x] += level.real
            found[:, y] += level.imag
            found[:, z] += way[..., 2]
        if 'wave' in columns:
            place, cos, sin = columns['wave']
            angle = 2 * math.pi / WAVE * found[:, place]
            found[:, cos], found[:, sin] = angle.cos(), angle.sin()
        return found


def nearer(near: Tensor, way: Tensor) -> Tensor:
    """A tanh whose argument grows by ``way``; one that says no more than that its thing is far stays about so."""
    argument = near.clamp(-NEARLY, NEARLY).atanh()
    return near + (argument + way).tanh() - argument.tanh()
