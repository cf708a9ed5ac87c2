# SPDX-License-Identifier: Apache-2.0
"""What every policy can do: a conditional flow over action chunks, with features a critic can read.

A policy is a ``torch.nn.Module`` whose whole state, normalisation statistics included, is its ``state_dict``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from igrft.method import awr, flow_matching
from igrft.policies.normalisation import Normalisation
from igrft.types import ARM_ACTION_DIM, Float32


class PolicyError(ValueError):
    """A policy that cannot be built, loaded or fed; the text names the file or the field."""


@dataclass(frozen=True, kw_only=True)
class PolicySpec:
    """What a policy was made for. A checkpoint fits a robot only where all of it agrees."""

    action_dim: int
    """floats of a step, n_arms × 7"""
    proprio_dim: int
    """floats of :func:`igrft.types.proprioception`, all arms"""
    cameras: tuple[str, ...] = ('front', 'wrist')
    """camera names in the order in which the policy sees them"""
    image_size: int = 128
    """[px] side of the square image that the policy takes"""
    horizon: int = 8
    """steps of a chunk"""
    step_dt: float = 0.1
    """[s] a step"""

    def __post_init__(self) -> None:
        if self.action_dim < 1 or self.action_dim % ARM_ACTION_DIM:
            raise ValueError(f'action_dim must be a multiple of {ARM_ACTION_DIM}, not {self.action_dim}')
        if min(self.proprio_dim, self.image_size, self.horizon) < 1:
            raise ValueError('proprio_dim, image_size and horizon must be at least 1')
        if not self.cameras or self.step_dt <= 0:
            raise ValueError('a policy needs a camera and a positive step_dt [s]')


@dataclass(frozen=True, slots=True)
class Inputs:
    """A batch of states, in physical units.

    Attributes:
        proprio: [B, P].
        instructions: one a row, the task in words.
        features: [B, F] from :meth:`Policy.encode`, where they were computed before.
        images: camera name to [B, H, W, 3] uint8, where they were not.
    """

    proprio: Tensor
    instructions: Sequence[str]
    features: Tensor | None = None
    images: Mapping[str, Tensor] | None = None

    def __len__(self) -> int:
        return len(self.proprio)


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of training examples.

    Attributes:
        inputs: the states at which the chunks begin.
        actions: [B, H, A] in physical units.
        mask: [B, H] bool, the steps that exist.
    """

    inputs: Inputs
    actions: Tensor
    mask: Tensor


class Policy(nn.Module, ABC):
    """A flow-matching policy.

    Attributes:
        name: of the family, the key in the registry.
        spec: what it was made for.
        normalisation: statistics of proprioception and actions.
        feature_dim: F.
        caches_features: whether :meth:`encode` is frozen, so that features may be computed once a frame and kept.
        flow_steps: Euler steps of :meth:`sample`.
    """

    name: ClassVar[str]
    spec: PolicySpec
    normalisation: Normalisation
    feature_dim: int
    caches_features: bool
    flow_steps: int = 10

    @abstractmethod
    def encode(self, images: Mapping[str, Tensor], proprio: Tensor) -> Tensor:
        """Features of images (camera to [B, H, W, 3] uint8) and proprioception [B, P]: [B, F]."""

    @abstractmethod
    def prepare(self, inputs: Inputs) -> Any:
        """What of :meth:`velocity` depends on the state alone, computed once a chunk."""

    @abstractmethod
    def velocity(self, noisy: Tensor, tau: Tensor, context: Any) -> Tensor:
        """v_θ(a_τ, τ, s): [B, H, A] of normalised actions.

        Args:
            noisy: a_τ, [B, H, A].
            tau: [B], 0 is noise, 1 the action.
            context: from :meth:`prepare`.
        """

    @abstractmethod
    def config_dict(self) -> dict[str, Any]:
        """The policy's own settings as plain data; the registry builds the same policy from it."""

    def features(self, inputs: Inputs) -> Tensor:
        """The inputs' features, computed where they are not given: [B, F]."""
        if inputs.features is not None:
            return inputs.features
        if inputs.images is None:
            raise PolicyError('a batch needs features or images')
        for camera in self.spec.cameras:
            if camera not in inputs.images:
                raise PolicyError(f"image of camera '{camera}' is missing; given: {', '.join(inputs.images) or 'none'}")
        return self.encode(inputs.images, inputs.proprio)

    def critic_inputs(self, inputs: Inputs) -> Tensor:
        """What a critic reads, without gradient: features and normalised proprioception, [B, F + P]."""
        with torch.no_grad():
            return torch.cat([self.features(inputs), self.normalisation.proprio(inputs.proprio)], -1)

    @property
    def critic_dim(self) -> int:
        """Width of :meth:`critic_inputs`."""
        return self.feature_dim + self.spec.proprio_dim

    def loss(
        self,
        batch: Batch,
        weights: Tensor | None = None,
        generator: torch.Generator | None = None,
        reference: Policy | None = None,
        anchor: float = 0.0,
    ) -> awr.AwrLoss:
        """The (weighted, anchored) flow-matching loss of :mod:`igrft.method.awr`.

        Args:
            batch: the examples.
            weights: [B, H], ones if left out.
            generator: draws ε and τ.
            reference: the policy that the anchor holds to; it must take the same inputs.
            anchor: κ.
        """
        sample = flow_matching.draw(self.normalisation.actions(batch.actions), generator)
        inputs = batch.inputs
        if self.caches_features and inputs.features is None:
            inputs = replace(inputs, features=self.features(inputs))
        velocity = self.velocity(sample.noisy, sample.tau, self.prepare(inputs))
        held = None
        if reference is not None and anchor:
            with torch.no_grad():
                held = reference.velocity(sample.noisy, sample.tau, reference.prepare(inputs))
        ones = torch.ones_like(batch.mask, dtype=velocity.dtype) if weights is None else weights
        return awr.awr_loss(velocity, sample.target, ones, batch.mask, held, anchor)

    @torch.no_grad()
    def sample(
        self,
        inputs: Inputs,
        temperature: float | Tensor,
        generator: torch.Generator | list[torch.Generator] | None = None,
    ) -> Float32:
        """Draw chunks in physical units: [B, H, A], openings within [0, 1].

        Args:
            inputs: the states.
            temperature: 𝒯(s), scalar or [B].
            generator: of the initial noise; a list has one a row.
        """
        context = self.prepare(inputs)
        shape = (len(inputs), self.spec.horizon, self.spec.action_dim)
        start = flow_matching.initial_noise(shape, temperature, generator)
        chunk = flow_matching.integrate(lambda a, tau: self.velocity(a, tau, context), start, self.flow_steps)
        actions = self.normalisation.physical_actions(chunk)
        openings = actions[..., ARM_ACTION_DIM - 1 :: ARM_ACTION_DIM]
        openings.clamp_(0.0, 1.0)
        result: Float32 = actions.numpy()
        return result
