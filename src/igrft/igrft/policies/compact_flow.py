# SPDX-License-Identifier: Apache-2.0
"""``compact_flow``: a small flow policy on a pretrained, frozen vision trunk.

The trunk turns a frame into some hundred numbers, once. What the three stages train are action experts
(:mod:`.action_experts`), several side by side. Each learns from its own share of every batch; what acts is the mean of
their velocities: what one of them took for a rule by chance, the others did not. Milliseconds a step on a CPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from igrft.config import as_dict
from igrft.policies.action_experts import ActionExperts
from igrft.policies.flow import FlowPolicy
from igrft.policies.normalisation import Normalisation
from igrft.policies.own_task import OwnTask
from igrft.policies.pretrained import PretrainedTrunk, named_trunk, refuse_older
from igrft.policies.protocol import Batch, Inputs, PolicyError, PolicySpec
from igrft.policies.scene_moves import SceneMoves
from igrft.policies.side_by_side import dealt, gathered
from igrft.policies.text import TextEncoder
from igrft.policies.tool_nudges import ToolNudges
from igrft.policies.trunk import Trunk, TrunkConfig
from igrft.types import BESIDES_JOINTS


@dataclass(frozen=True, kw_only=True)
class CompactFlowConfig:
    """The policy's size (``config/policies/compact_flow.yaml``)."""

    trunk_weights: str = 'shipped'
    """'shipped': the package's own that fits the robot; or the name of one of them, the path of another, or '' for
    random weights (then train it)"""
    train_trunk: bool = False
    """True trains the trunk with the action expert; features are then not cached"""
    trunk: TrunkConfig = TrunkConfig()
    """size of the trunk where trunk_weights is ''"""
    members: int = 4
    """action experts whose velocities are averaged; a batch is shared out among them"""
    heads: int = 4
    """things that an action expert looks at together; 0 shows it all predictions at once"""
    gaze: int = 128
    """width of the network that decides where to look"""
    others: bool = False
    """whether the action experts also see what the trunk says of things of other tasks, which are not there"""
    latent: bool = False
    """whether the action experts also see the trunk's latent state"""
    width: int = 128
    blocks: int = 3
    text: int = 16
    """floats of the encoded instruction"""
    feature_noise: float = 0.03
    """standard deviation of the noise on features in training"""
    shift: float = 0.05
    """[m] standard deviation by which training moves a recorded step along the table, arm and all"""
    turn: float = 0.3
    """[rad] and turns it about the vertical"""
    nudge: float = 0.02
    """[m] in each direction by which it nudges tools off the recorded path, if there is time to lead them back"""
    joints: bool = False
    """whether the action experts see joint angles, which do not follow when a step is moved"""
    dropout: float = 0.0
    flow_steps: int = 10

    def __post_init__(self) -> None:
        if min(self.members, self.width, self.blocks, self.text, self.gaze, self.flow_steps) < 1:
            raise ValueError('members, width, blocks, text, gaze and flow_steps must be at least 1')
        if min(self.feature_noise, self.heads, self.shift, self.turn, self.nudge) < 0:
            raise ValueError('feature_noise, heads, shift, turn and nudge must not be negative')
        if not self.trunk_weights and not self.train_trunk:
            raise ValueError(
                "trunk_weights is '' and train_trunk false: a random trunk would stay random; set one of them"
            )


class CompactFlow(FlowPolicy):
    """See the module."""

    name = 'compact_flow'

    def __init__(self, spec: PolicySpec, config: CompactFlowConfig, trunk: PretrainedTrunk | None = None) -> None:
        """Build the policy with random weights around its trunk.

        Args:
            spec: what it is made for.
            config: its size.
            trunk: a loaded trunk; left out, the one that the configuration names.

        Raises:
            PolicyError: the trunk was made for other cameras, image or proprioception size.
        """
        super().__init__()
        self.spec = spec
        self.config = config
        loaded = trunk
        if loaded is None and config.trunk_weights:
            loaded = named_trunk(config.trunk_weights, spec.cameras, spec.image_size, spec.proprio_dim)
        if loaded is None:
            self.targets: tuple[str, ...] = ()
            self.frames: Mapping[str, str] = {}
            self.trunk = Trunk(spec.cameras, spec.image_size, spec.proprio_dim, 0, config.trunk)
            self.trunk_config = config.trunk
        else:
            loaded.check(spec.cameras, spec.image_size, spec.proprio_dim)
            self.targets, self.frames = loaded.targets, loaded.frames
            self.trunk_config = loaded.config
            self.trunk = loaded.build()
        self.caches_features = not config.train_trunk
        self.trunk.requires_grad_(config.train_trunk)
        self.flow_steps = config.flow_steps
        self.feature_dim = self.trunk.feature_dim
        self.normalisation = Normalisation(spec.proprio_dim, spec.action_dim)
        self.text = TextEncoder(config.text)
        arms = spec.action_dim // 7
        self.moves = SceneMoves(self.targets, arms)
        self.nudges = ToolNudges(self.targets, arms)
        self.own_task = OwnTask(self.targets)
        own = torch.arange(spec.proprio_dim).view(arms, -1)
        if not config.joints:
            own = own[:, -BESIDES_JOINTS:]
        self.own: Tensor
        self.register_buffer('own', own.flatten(), persistent=False)
        self.experts = ActionExperts(
            config.members,
            self.targets,
            self.feature_dim - self.trunk.targets,
            len(self.own) + config.text,
            spec.horizon * spec.action_dim,
            heads=config.heads,
            gaze=config.gaze,
            with_latent=config.latent or not self.targets,
            width=config.width,
            blocks=config.blocks,
            dropout=config.dropout,
        )

    def config_dict(self) -> dict[str, Any]:
        own = {'targets': list(self.targets), 'frames': dict(self.frames)}
        return {**as_dict(self.config), 'trunk': as_dict(self.trunk_config), **own}

    @classmethod
    def rebuild(cls, spec: PolicySpec, settings: Mapping[str, Any]) -> CompactFlow:
        """The policy of a checkpoint, from :meth:`config_dict`, before its weights are loaded."""
        from igrft.config import parse

        own = dict(settings)
        refuse_older(own)
        if 'members' not in own:
            raise PolicyError(
                'model: members is missing: this checkpoint is older than action experts side by side; '
                'train it anew from its episodes'
            )
        # as it was before these could be chosen
        own = {'joints': True, 'others': True, 'shift': 0.0, 'turn': 0.0, 'nudge': 0.0} | own
        targets, frames = tuple(own.pop('targets', ())), own.pop('frames', {})
        config = parse(own, CompactFlowConfig, cls.name)
        sizes = (spec.cameras, spec.image_size, spec.proprio_dim)
        return cls(spec, config, PretrainedTrunk('', *sizes, targets, config.trunk, frames))

    def encode(self, images: Mapping[str, Tensor], proprio: Tensor) -> Tensor:
        for name in self.spec.cameras:
            if tuple(images[name].shape[1:]) != (self.spec.image_size, self.spec.image_size, 3):
                raise PolicyError(
                    f"image of camera '{name}' is {list(images[name].shape[1:])}, "
                    f'the policy takes [{self.spec.image_size}, {self.spec.image_size}, 3]'
                )
        with torch.set_grad_enabled(self.config.train_trunk and torch.is_grad_enabled()):
            features: Tensor = self.trunk(images, proprio)
        return features

    def varied(self, batch: Batch) -> Batch:
        config, glimpses = self.config, self.trunk.glimpses
        varies = config.nudge or config.shift or config.turn
        if not self.training or not varies or not self.caches_features or glimpses is None:
            return batch
        count, device, arms, said = len(batch.inputs), self.device, self.moves.arms, (glimpses.mean, glimpses.scale)
        recorded = self.features(batch.inputs)[:, -len(self.targets) :]
        own = self.own_task(recorded)
        if config.nudge:
            nudge = config.nudge * torch.randn(count, arms, 3, device=device)
            spared = torch.rand(count, device=device) < 0.5
            batch = self.nudges(batch, nudge, spared, self.spec.step_dt, *said, own)
        if config.shift or config.turn:
            way, angle = torch.randn(count, 2, device=device), torch.randn(count, device=device)
            batch = self.moves(batch, config.shift * way, config.turn * angle, *said)
        features = self.features(batch.inputs).clone()
        features[:, -len(self.targets) :] = torch.where(own, features[:, -len(self.targets) :], recorded)
        return replace(batch, inputs=replace(batch.inputs, features=features))

    def prepare(self, inputs: Inputs) -> Tensor:
        features = self.features(inputs)
        if self.targets and not self.config.others:
            latent, said = features.split([self.feature_dim - len(self.targets), len(self.targets)], -1)
            features = torch.cat([latent, said * self.own_task(said)], -1)
        if self.training and self.config.feature_noise:
            features = features + self.config.feature_noise * torch.randn_like(features)
        own = torch.cat([self.normalisation.proprio(inputs.proprio)[:, self.own], self.text(inputs.instructions)], -1)
        context: Tensor = self.experts.context(self._each(features), self._each(own))
        return context

    def velocity(self, noisy: Tensor, tau: Tensor, context: Any) -> Tensor:
        velocities = self.experts(self._each(noisy), self._each(tau), context)
        return gathered(velocities, len(noisy)) if self.training else velocities.mean(0)

    def _each(self, rows: Tensor) -> Tensor:
        """What each expert gets of rows [B, ...]: in training its share, else all of them."""
        members = self.config.members
        return dealt(rows, members) if self.training else rows.expand(members, *rows.shape)
