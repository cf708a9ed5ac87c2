# SPDX-License-Identifier: Apache-2.0
"""A policy and its critic at work: observations in, action chunks out, with interaction-guided noise."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from igrft.method.critic import Critic
from igrft.method.temperature import TemperatureConfig, temperature
from igrft.policies.disagreement import disagreement
from igrft.policies.images import to_policy_size
from igrft.policies.protocol import Inputs, Policy, PolicyError, PolicySpec
from igrft.policies.real_time_chunking import Committed
from igrft.types import ARM_ACTION_DIM, ActionChunk, Observation


def observation_inputs(observations: Sequence[Observation], spec: PolicySpec) -> Inputs:
    """Stack observations into a batch at policy resolution.

    Raises:
        PolicyError: a camera is missing, or an image or the proprioception has the wrong shape.
    """
    images = {}
    for camera in spec.cameras:
        frames = []
        for observation in observations:
            if camera not in observation.images:
                raise PolicyError(
                    f"observation has no image of camera '{camera}'; it has: {', '.join(observation.images)}"
                )
            try:
                frames.append(to_policy_size(observation.images[camera], spec.image_size))
            except ValueError as error:
                raise PolicyError(f"image of camera '{camera}': {error}") from error
        images[camera] = torch.from_numpy(np.stack(frames))
    for observation in observations:
        if observation.proprio.shape != (spec.proprio_dim,):
            raise PolicyError(
                f'proprio has shape {list(observation.proprio.shape)}, the policy takes [{spec.proprio_dim}]'
            )
    proprio = torch.from_numpy(np.stack([o.proprio for o in observations]).astype(np.float32))
    return Inputs(proprio, [o.instruction for o in observations], images=images)


def committed(running: ActionChunk | None, stamp: float, latency: float, guidance: float) -> Committed | None:
    """What the arm will be executing while a chunk for an observation is computed.

    Args:
        running: the chunk that it executes.
        stamp: of the observation [s].
        latency: until the new chunk is there [s].
        guidance: β, see :class:`Committed`.

    Returns:
        the running chunk's actions, averaged over the new chunk's steps (openings are not averaged); None where nothing
        runs, where it has run out, or where the answer comes within a step, so that blending at the seam is enough.
    """
    if running is None or latency < running.dt:
        return None
    offset = (stamp - running.stamp) / running.dt
    if offset < 0:
        return None
    first, part = int(offset + 1e-6), offset - int(offset + 1e-6)
    now, after = running.actions[first:], running.actions[first + 1 :]
    if not len(now):
        return None
    rest = now.copy()
    rest[: len(after)] = (1 - part) * now[: len(after)] + part * after
    rest[:, ARM_ACTION_DIM - 1 :: ARM_ACTION_DIM] = now[:, ARM_ACTION_DIM - 1 :: ARM_ACTION_DIM]
    return Committed(torch.from_numpy(rest), min(math.ceil(latency / running.dt - 1e-6), len(rest)), guidance)


class Actor(Protocol):
    """What acts: an :class:`Agent` here, or a :class:`igrft.policies.remote.RemoteAgent`."""

    checkpoint: str

    @property
    def spec(self) -> PolicySpec:
        """What its policy was made for."""

    def act(
        self,
        observations: Sequence[Observation],
        generators: Sequence[torch.Generator] | None = None,
        fixed_temperature: float | None = None,
        committed: Committed | None = None,
    ) -> list[ActionChunk]:
        """One chunk an observation, see :meth:`Agent.act`."""

    def close(self) -> None:
        """Release what it holds; it acts no more."""


@dataclass
class Agent:
    """A policy with its critic, ready to act.

    Attributes:
        policy: in evaluation mode.
        critic: None before offline RL.
        temperature: constants of 𝒯(s).
        checkpoint: id that the chunks carry.
        draws: K of :mod:`.disagreement`, which the chunks tell; 0 or a policy that would see its images again: NaN.
    """

    policy: Policy
    critic: Critic | None = None
    temperature: TemperatureConfig = TemperatureConfig()
    checkpoint: str = ''
    draws: int = 0

    def __post_init__(self) -> None:
        if self.draws < 0 or self.draws == 1:
            raise PolicyError(f'draws must be 0 or at least 2, not {self.draws}')
        self.policy.eval()
        if self.critic is not None:
            self.critic.eval()

    @property
    def spec(self) -> PolicySpec:
        """What its policy was made for."""
        return self.policy.spec

    def close(self) -> None:
        """Nothing is held."""

    @torch.no_grad()
    def act(
        self,
        observations: Sequence[Observation],
        generators: Sequence[torch.Generator] | None = None,
        fixed_temperature: float | None = None,
        committed: Committed | None = None,
    ) -> list[ActionChunk]:
        """One chunk an observation.

        Args:
            observations: any number, they are computed as one batch.
            generators: of the initial noise, one an observation.
            fixed_temperature: in place of 𝒯(s).
            committed: what the arm executes meanwhile, for the chunks to continue.

        Raises:
            PolicyError: an observation does not fit the policy.
        """
        return self.act_on(
            observation_inputs(observations, self.policy.spec),
            [observation.stamp for observation in observations],
            generators,
            fixed_temperature,
            committed,
        )

    @torch.no_grad()
    def act_on(
        self,
        inputs: Inputs,
        stamps: Sequence[float],
        generators: Sequence[torch.Generator] | None = None,
        fixed_temperature: float | None = None,
        committed: Committed | None = None,
    ) -> list[ActionChunk]:
        """As :meth:`act`, from inputs made before (their features, where there are any, are not computed again)."""
        begin = time.perf_counter()
        if self.policy.caches_features or self.critic is not None:
            inputs = self.policy.perceive(inputs)
        unknown = torch.full((len(inputs),), float('nan'))
        value, probability = unknown, unknown
        if self.critic is not None:
            state = self.policy.critic_inputs(inputs)
            value, probability = self.critic.value(state), self.critic.interaction_probability(state)
        if fixed_temperature is None:
            scale = temperature(probability, self.temperature)
        else:
            scale = torch.full((len(inputs),), float(fixed_temperature))
        actions = self.policy.sample(inputs, scale, None if generators is None else list(generators), committed)
        draws = self.draws if self.policy.caches_features else 0
        spread = disagreement(self.policy, inputs, draws) if draws else unknown
        seconds = time.perf_counter() - begin
        return [
            ActionChunk(
                stamp=stamp,
                actions=actions[i],
                dt=self.policy.spec.step_dt,
                checkpoint=self.checkpoint,
                temperature=float(scale[i]),
                interaction_probability=float(probability[i]),
                value=float(value[i]),
                inference_time=seconds,
                disagreement=float(spread[i]),
            )
            for i, stamp in enumerate(stamps)
        ]
