# SPDX-License-Identifier: Apache-2.0
"""What every policy can do: draw action chunks, be fitted to weighted ones, and give features a critic can read.

A policy is a ``torch.nn.Module`` whose whole state, normalisation statistics included, is its ``state_dict``. Data
comes and goes on the CPU; the policy moves it to where its weights are. Flow-matching policies share :mod:`.flow`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from igrft.method.awr import AwrLoss
from igrft.policies.normalisation import Normalisation
from igrft.policies.real_time_chunking import Committed, continued
from igrft.types import ARM_ACTION_DIM, Float32


class PolicyError(ValueError):
    """A policy that cannot be built, loaded or fed; the text names the file or the field."""


def device_named(name: str) -> torch.device:
    """What to compute on.

    Raises:
        PolicyError: no such device on this machine.
    """
    try:
        found = torch.device(name)
    except RuntimeError as error:
        raise PolicyError(f"device: '{name}' is none; use cpu or cuda") from error
    if found.type == 'cuda' and not torch.cuda.is_available():
        raise PolicyError(f"device: '{name}': PyTorch sees no CUDA here; use cpu, or install PyTorch with CUDA")
    return found


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
        context: what :meth:`Policy.perceive` computed of them for acting, of the family's own kind.
    """

    proprio: Tensor
    instructions: Sequence[str]
    features: Tensor | None = None
    images: Mapping[str, Tensor] | None = None
    context: Any = None

    def __len__(self) -> int:
        return len(self.proprio)

    def to(self, device: torch.device) -> Inputs:
        """The same on a device."""
        features = None if self.features is None else self.features.to(device)
        images = None if self.images is None else {name: image.to(device) for name, image in self.images.items()}
        return replace(self, proprio=self.proprio.to(device), features=features, images=images)


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

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        return Batch(self.inputs.to(device), self.actions.to(device), self.mask.to(device))


class Policy(nn.Module, ABC):
    """A policy over action chunks.

    Attributes:
        name: of the family, the key in the registry.
        spec: what it was made for.
        normalisation: statistics of proprioception and actions.
        feature_dim: F.
        caches_features: whether :meth:`encode` is frozen, so that features may be computed once a frame and kept.
    """

    name: ClassVar[str]
    spec: PolicySpec
    normalisation: Normalisation
    feature_dim: int
    caches_features: bool

    @abstractmethod
    def config_dict(self) -> dict[str, Any]:
        """The policy's own settings as plain data; the registry builds the same policy from it."""

    @abstractmethod
    def loss(
        self,
        batch: Batch,
        weights: Tensor | None = None,
        generator: torch.Generator | None = None,
        reference: Policy | None = None,
        anchor: float = 0.0,
    ) -> AwrLoss:
        """The (weighted, anchored) loss of :mod:`igrft.method.awr`, with the family's own error of a step.

        Args:
            batch: the examples.
            weights: [B, H], ones if left out.
            generator: draws whatever the loss draws.
            reference: the policy that the anchor holds to; it must take the same inputs.
            anchor: κ.
        """

    @abstractmethod
    def sample(
        self,
        inputs: Inputs,
        temperature: float | Tensor,
        generator: torch.Generator | list[torch.Generator] | None = None,
        committed: Committed | None = None,
    ) -> Float32:
        """Draw chunks in physical units: [B, H, A], openings within [0, 1].

        Args:
            inputs: the states.
            temperature: 𝒯(s), scalar or [B]: how far the draw is spread; 0 gives the family's one most usual chunk.
            generator: of the noise; a list has one a row.
            committed: what the arm executes meanwhile, for the chunks to continue.
        """

    def encode(self, images: Mapping[str, Tensor], proprio: Tensor) -> Tensor:
        """Features of images (camera to [B, H, W, 3] uint8) and proprioception [B, P]: [B, F].

        Raises:
            PolicyError: the family's features depend on more than these.
        """
        raise PolicyError(f'{self.name} has no features of a frame alone')

    @classmethod
    def outline(cls, spec: PolicySpec, config: Any) -> Policy:
        """The policy for counting its parameters only; a large one takes no memory and needs no weights."""
        build: Any = cls
        policy: Policy = build(spec, config)
        return policy

    def trunk_modules(self) -> Iterable[nn.Module]:
        """The parts that see; empty where they are not told apart."""
        trunk = getattr(self, 'trunk', None)
        return () if trunk is None else (trunk,)

    @property
    def trains_trunk(self) -> bool:
        """Whether a gradient goes into the parts that see."""
        return any(p.requires_grad for part in self.trunk_modules() for p in part.parameters())

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.normalisation.action_mean.device

    def perceive(self, inputs: Inputs) -> Inputs:
        """The inputs with everything computed that acting and the critic share."""
        return replace(inputs, features=self.features(inputs))

    def features(self, inputs: Inputs) -> Tensor:
        """The inputs' features, computed where they are not given: [B, F]."""
        if inputs.features is not None:
            return inputs.features
        inputs = inputs.to(self.device)
        return self.encode(self.images(inputs), inputs.proprio)

    def images(self, inputs: Inputs) -> Mapping[str, Tensor]:
        """The images of every camera.

        Raises:
            PolicyError: there are none, or one is missing.
        """
        if inputs.images is None:
            raise PolicyError(f'{self.name} needs features or images, the batch has none')
        for camera in self.spec.cameras:
            if camera not in inputs.images:
                raise PolicyError(f"image of camera '{camera}' is missing; given: {', '.join(inputs.images) or 'none'}")
        return inputs.images

    def critic_inputs(self, inputs: Inputs) -> Tensor:
        """What a critic reads, without gradient, on the CPU: features and normalised proprioception, [B, F + P]."""
        with torch.no_grad():
            proprio = self.normalisation.proprio(inputs.proprio.to(self.device))
            return torch.cat([self.features(inputs).float().to(self.device), proprio], -1).cpu()

    @property
    def critic_dim(self) -> int:
        """Width of :meth:`critic_inputs`."""
        return self.feature_dim + self.spec.proprio_dim

    def physical(self, actions: Tensor, committed: Committed | None, blend: bool = False) -> Float32:
        """Normalised chunks [B, H, A] in physical units, openings within [0, 1], continuing what is committed."""
        result = continued(self.normalisation.physical_actions(actions.float()), committed, blend)
        result[..., ARM_ACTION_DIM - 1 :: ARM_ACTION_DIM].clamp_(0.0, 1.0)
        array: Float32 = result.cpu().numpy()
        return array
