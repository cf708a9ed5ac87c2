# SPDX-License-Identifier: Apache-2.0
"""Which predictions of a trunk are of the task at hand.

A trunk knows the things of several tasks. Of those that are not there it was taught to say nothing: their predictions
stay near their means, wherever the tools are and the scene stands. They must not follow where training moves things and
tools, for they would tell by how much, and there is nothing in them to act on.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from igrft.policies.target_names import TargetName


class OwnTask:
    """Tells a row's own predictions by which task's deviate most from their means.

    Args:
        targets: names of the K predictions, ``<task>/<thing>…``.
    """

    def __init__(self, targets: Sequence[str]) -> None:
        names = [TargetName.of(target) for target in targets]
        tasks = list(dict.fromkeys(name.task for name in names))
        self._task = torch.tensor([tasks.index(name.task) for name in names], dtype=torch.long)
        # what is calculated from other predictions deviates whether they do or not
        told = torch.tensor([name.what not in ('cos', 'sin') for name in names])
        shares = torch.nn.functional.one_hot(self._task, max(1, len(tasks))).float() * told[:, None]
        self._shares = shares / shares.sum(0).clamp_min(1)

    def __call__(self, predictions: Tensor) -> Tensor:
        """Of normalised predictions [B, K]: [B, K] bool."""
        device = predictions.device
        task = (predictions.float().square() @ self._shares.to(device)).argmax(-1)
        return self._task.to(device) == task[:, None]
