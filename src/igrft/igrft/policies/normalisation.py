# SPDX-License-Identifier: Apache-2.0
"""Normalisation statistics that travel inside the policy's weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

PROPRIO_FLOOR = 0.1
"""Smallest scale of a proprioception component [its unit]. Demonstrations hold a gripper upright to some thousandths;
a correction that stands up what has toppled tilts it by a right angle, and must neither be clamped nor drown the rest.
"""
LINEAR_FLOOR, ANGULAR_FLOOR, OPENING_FLOOR = 0.1, 0.3, 0.1
"""[m/s], [rad/s], [1] smallest scale of an action component, for the same reason."""
PROPRIO_LIMIT = 10.0
"""Normalised proprioception is clamped to ± this, so that an unseen pose cannot blow the network up."""


class Normalisation(nn.Module):
    """Means and scales of proprioception [P] and actions [A], stored as buffers."""

    def __init__(self, proprio_dim: int, action_dim: int) -> None:
        super().__init__()
        self.proprio_mean: Tensor
        self.proprio_scale: Tensor
        self.action_mean: Tensor
        self.action_scale: Tensor
        self.register_buffer('proprio_mean', torch.zeros(proprio_dim))
        self.register_buffer('proprio_scale', torch.ones(proprio_dim))
        self.register_buffer('action_mean', torch.zeros(action_dim))
        self.register_buffer('action_scale', torch.ones(action_dim))

    def fit(self, proprio: Tensor, actions: Tensor) -> None:
        """Take the statistics of recorded steps, proprio [N, P] and actions [N, A].

        Raises:
            ValueError: fewer than two steps, or a value that is not finite.
        """
        for name, data in (('proprio', proprio), ('actions', actions)):
            if len(data) < 2 or not bool(data.isfinite().all()):
                raise ValueError(f'{name}: normalisation needs at least two steps and finite values')
        self.proprio_mean.copy_(proprio.mean(0))
        self.proprio_scale.copy_(proprio.std(0).clamp_min(PROPRIO_FLOOR))
        self.action_mean.copy_(actions.mean(0))
        arm = actions.new_tensor((*3 * (LINEAR_FLOOR,), *3 * (ANGULAR_FLOOR,), OPENING_FLOOR))
        self.action_scale.copy_(actions.std(0).maximum(arm.repeat(actions.shape[-1] // len(arm))))

    def proprio(self, proprio: Tensor) -> Tensor:
        """Proprioception in standard deviations, [..., P]."""
        return ((proprio - self.proprio_mean) / self.proprio_scale).clamp(-PROPRIO_LIMIT, PROPRIO_LIMIT)

    def actions(self, actions: Tensor) -> Tensor:
        """Actions in standard deviations, [..., A]."""
        return (actions - self.action_mean) / self.action_scale

    def physical_actions(self, actions: Tensor) -> Tensor:
        """The inverse of :meth:`actions`."""
        return actions * self.action_scale + self.action_mean
