# SPDX-License-Identifier: Apache-2.0
"""Conditional flow matching over action chunks.

Convention: τ = 0 is noise, τ = 1 is the action. With ε ~ N(0, I) the path is a_τ = (1 − τ) ε + τ a, its velocity a − ε,
and a network v_θ(a_τ, τ, s) is trained by E ‖v_θ(a_τ, τ, s) − (a − ε)‖².
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Velocity = Callable[[Tensor, Tensor], Tensor]
"""(a_τ [B, H, A], τ [B]) to a velocity [B, H, A]."""


@dataclass(frozen=True, slots=True)
class FlowSample:
    """One draw of (ε, τ) for a batch of chunks.

    Attributes:
        noisy: a_τ, [B, H, A].
        tau: [B] in [0, 1].
        target: a − ε, [B, H, A].
    """

    noisy: Tensor
    tau: Tensor
    target: Tensor


def interpolate(noise: Tensor, actions: Tensor, tau: Tensor) -> Tensor:
    """The path a_τ = (1 − τ) ε + τ a.

    Args:
        noise: ε, [B, H, A].
        actions: a, [B, H, A].
        tau: [B].
    """
    t = tau[:, None, None]
    return (1 - t) * noise + t * actions


def draw(actions: Tensor, generator: torch.Generator | None = None) -> FlowSample:
    """Draw ε ~ N(0, I) and τ ~ U(0, 1) for normalised chunks ``actions`` [B, H, A].

    On the CPU, whatever the actions are on: a run is then the same everywhere, and its generator can be saved.
    """
    noise = torch.randn(actions.shape, generator=generator).to(actions.device)
    tau = torch.rand(len(actions), generator=generator).to(actions.device)
    return FlowSample(interpolate(noise, actions, tau), tau, actions - noise)


def squared_error(velocity: Tensor, target: Tensor) -> Tensor:
    """‖v_θ − (a − ε)‖² a step of the chunk, mean over the action's components: [B, H]."""
    return (velocity - target).square().mean(-1)


def initial_noise(
    shape: tuple[int, int, int],
    temperature: float | Tensor,
    generator: torch.Generator | list[torch.Generator] | None = None,
) -> Tensor:
    """a_0 = 𝒯(s) · ε, where a rollout's flow starts (§4).

    Args:
        shape: (B, H, A).
        temperature: 𝒯, a scalar or [B].
        generator: one for the batch, or one an element (then element i does not depend on the others).
    """
    if isinstance(generator, list):
        noise = torch.stack([torch.randn(shape[1:], generator=g) for g in generator])
    else:
        noise = torch.randn(shape, generator=generator)
    scale = torch.as_tensor(temperature, dtype=noise.dtype).reshape(-1, 1, 1)
    return scale * noise


def integrate(velocity: Velocity, start: Tensor, steps: int) -> Tensor:
    """Euler's method for da/dτ = v(a, τ) from τ = 0 to 1.

    Args:
        velocity: the field.
        start: a_0, [B, H, A].
        steps: number of equal steps, at least 1. Exact for a field that is constant along each path.

    Returns:
        a_1, [B, H, A].
    """
    if steps < 1:
        raise ValueError(f'the flow needs at least one Euler step, not {steps}')
    a = start
    for k in range(steps):
        tau = torch.full((len(a),), k / steps, dtype=a.dtype, device=a.device)
        a = a + velocity(a, tau) / steps
    return a
