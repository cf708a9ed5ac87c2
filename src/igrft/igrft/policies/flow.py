# SPDX-License-Identifier: Apache-2.0
"""What flow-matching policies share: the loss, and drawing a chunk from scaled noise (:mod:`igrft.method`)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from igrft.method import awr, flow_matching
from igrft.policies.protocol import Batch, Inputs, Policy
from igrft.policies.real_time_chunking import Committed, guided, soft_mask
from igrft.types import Float32


class FlowPolicy(Policy):
    """A conditional flow over action chunks. Its temperature scales the noise that a rollout's flow starts from.

    Attributes:
        flow_steps: Euler steps of :meth:`sample`.
    """

    flow_steps: int = 10

    @abstractmethod
    def prepare(self, inputs: Inputs) -> Any:
        """What of :meth:`velocity` depends on the state alone, computed once a chunk."""

    @abstractmethod
    def velocity(self, noisy: Tensor, tau: Tensor, context: Any) -> Tensor:
        """v_θ(a_τ, τ, s): [B, H, D] of normalised actions.

        Args:
            noisy: a_τ, [B, H, D].
            tau: [B], 0 is noise, 1 the action.
            context: from :meth:`prepare`.
        """

    @property
    def flow_dim(self) -> int:
        """D, width of the flow. A model made for wider actions keeps its width: the robot's come first, the rest is a
        flow to zero that neither the loss nor the robot sees."""
        return self.spec.action_dim

    def widened(self, actions: Tensor) -> Tensor:
        """Actions [..., A] with zeros to D."""
        return functional.pad(actions, (0, self.flow_dim - actions.shape[-1]))

    def varied(self, batch: Batch) -> Batch:
        """A batch, its features computed, as training sees it: a family may know how to vary what was recorded."""
        return batch

    def loss(
        self,
        batch: Batch,
        weights: Tensor | None = None,
        generator: torch.Generator | None = None,
        reference: Policy | None = None,
        anchor: float = 0.0,
    ) -> awr.AwrLoss:
        batch = batch.to(self.device)
        if self.caches_features and batch.inputs.features is None:
            batch = replace(batch, inputs=replace(batch.inputs, features=self.features(batch.inputs)))
        batch = self.varied(batch)
        inputs = batch.inputs
        sample = flow_matching.draw(self.widened(self.normalisation.actions(batch.actions)), generator)
        velocity = self.velocity(sample.noisy, sample.tau, self.prepare(inputs))
        real = slice(0, self.spec.action_dim)
        held = None
        if isinstance(reference, FlowPolicy) and anchor:
            with torch.no_grad():
                held = reference.velocity(sample.noisy, sample.tau, reference.prepare(inputs))[..., real]
        ones = torch.ones_like(batch.mask, dtype=velocity.dtype) if weights is None else weights.to(self.device)
        return awr.awr_loss(velocity[..., real], sample.target[..., real], ones, batch.mask, held, anchor)

    @torch.no_grad()
    def sample(
        self,
        inputs: Inputs,
        temperature: float | Tensor,
        generator: torch.Generator | list[torch.Generator] | None = None,
        committed: Committed | None = None,
    ) -> Float32:
        context = self.prepare(inputs.to(self.device)) if inputs.context is None else inputs.context
        shape = (len(inputs), self.spec.horizon, self.flow_dim)
        start = flow_matching.initial_noise(shape, temperature, generator).to(self.device)

        def field(a: Tensor, tau: Tensor) -> Tensor:
            return self.velocity(a, tau, context)

        velocity = field if committed is None or not committed.guidance else self._guided(field, committed)
        chunk = flow_matching.integrate(velocity, start, self.flow_steps)
        return self.physical(chunk[..., : self.spec.action_dim], committed)

    def _guided(self, field: flow_matching.Velocity, committed: Committed) -> flow_matching.Velocity:
        horizon, width = self.spec.horizon, self.spec.action_dim
        running = committed.actions[:horizon].to(self.device)
        target = torch.zeros(horizon, self.flow_dim, device=self.device)
        target[: len(running), :width] = self.normalisation.actions(running)
        weights = torch.zeros(horizon, self.flow_dim, device=self.device)
        weights[:, :width] = soft_mask(horizon, committed.frozen, len(running))[:, None]
        return guided(field, target, weights, committed.guidance)
