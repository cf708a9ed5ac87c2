# SPDX-License-Identifier: Apache-2.0
"""Recorded steps elsewhere: a step that is moved along the table and turned about the vertical, arm and all, is as good
a step.

Six demonstrations show six layouts. What they teach holds wherever the layout stands, as the twists turn with it and so
does all that is said in base_link; what is said in the frame of a tool or of a fixture stays as it is. Joint angles do
not follow, so a policy that learns from moved steps had better not see them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from igrft.policies.protocol import Batch
from igrft.policies.target_names import NEARLY, TargetName
from igrft.types import ORIENTATION, POSITION


class SceneMoves:
    """Moves steps whose features end with predictions of a trunk (``igrft.training.targets``).

    Args:
        targets: names of the K predictions, of which ``base``, ``up`` and the ``near`` of pairs are in base_link.
        arms: of the robot.
    """

    def __init__(self, targets: Sequence[str], arms: int) -> None:
        self.arms = arms
        where = {target: index for index, target in enumerate(targets)}
        self._places: list[tuple[int, int]] = []
        self._ways: list[tuple[int, int]] = []
        self._nears: list[tuple[int, int]] = []
        for target, index in where.items():
            name, other = TargetName.of(target), where.get(f'{target[:-1]}y')
            if name.axis != 'x' or other is None:
                continue
            if name.what == 'base':
                (self._ways if name.pair else self._places).append((index, other))
            elif name.what == 'up':
                self._ways.append((index, other))
            elif name.what == 'near' and name.pair:
                self._nears.append((index, other))

    def __call__(self, batch: Batch, way: Tensor, angle: Tensor, mean: Tensor, scale: Tensor) -> Batch:
        """Move every row.

        Args:
            batch: with features, proprioception as in :func:`igrft.types.proprioception`, and actions.
            way: [B, 2] m along x and y of base_link.
            angle: [B] rad about the vertical through the middle of the tools.
            mean, scale: [K] that the predictions are normalised with.
        """
        inputs = batch.inputs
        if inputs.features is None:
            raise ValueError('only steps with features can be moved')
        count = len(inputs)
        rotation = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], -1).view(count, 2, 2)

        def turned(vectors: Tensor) -> Tensor:
            """Of [B, ..., 2]."""
            return (vectors.flatten(1, -2) @ rotation.mT).view_as(vectors)

        proprio = inputs.proprio.view(count, self.arms, -1).clone()
        tools, axes = proprio[..., POSITION][..., :2], proprio[..., ORIENTATION].unflatten(-1, (2, 3))
        pivot = tools.mean(1, keepdim=True)
        target = pivot + way[:, None]
        tools.copy_(turned(tools - pivot) + target)
        axes[..., :2] = turned(axes[..., :2])

        def turned_near(nears: Tensor) -> Tensor:
            ways = nears.clamp(-NEARLY, NEARLY).atanh()
            return nears + turned(ways).tanh() - ways.tanh()

        features = inputs.features.clone()
        found = features[:, -len(mean) :]
        for pairs, move in (
            (self._places, lambda places: turned(places - pivot) + target),
            (self._ways, turned),
            (self._nears, turned_near),
        ):
            columns = torch.tensor(pairs, dtype=torch.long, device=mean.device).view(-1, 2)
            moved = move(found[:, columns] * scale[columns] + mean[columns])
            found[:, columns] = (moved - mean[columns]) / scale[columns]

        actions = batch.actions.unflatten(-1, (self.arms, 7)).clone()
        for twist in (actions[..., 0:2], actions[..., 3:5]):
            twist.copy_(turned(twist))
        moved_inputs = replace(inputs, features=features, proprio=proprio.flatten(1))
        return replace(batch, inputs=moved_inputs, actions=actions.flatten(-2))
