# SPDX-License-Identifier: Apache-2.0
"""The constants of training (``config/training``). The three stages are three settings of one learner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from igrft.method.awr import StepWeightConfig
from igrft.method.critic import CriticConfig

STAGES = ('sft', 'offline_rl', 'hil')
"""Names of the stages, in order."""
GROUPS = ('demonstration', 'policy', 'human')
"""Steps of demonstrations; the policy's steps of other episodes; a human's steps in them."""


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """One stage: first the critic, then the policy."""

    steps: int
    """gradient steps of the policy"""
    learning_rate: float = 1e-3
    """of the policy, after warm-up; it falls to a tenth along a cosine"""
    critic_steps: int = 0
    """gradient steps of the critic; 0 trains no critic, and every step that is not left out counts 1"""
    critic_learning_rate: float = 1e-3
    mix: Mapping[str, float] = field(default_factory=lambda: {'demonstration': 1.0})
    """how often a step of a demonstration, of the policy and of a human is drawn, in proportion to one another"""
    balanced: bool = False
    """True: mix is what the groups have of a batch, however few their steps (1 : 1 as RLPD)"""
    weights: StepWeightConfig = StepWeightConfig()
    anchor: float = 0.0
    """κ of the proximal anchor to the SFT policy"""
    anew: bool = False
    """True: the policy begins where SFT began, not with the parent's weights; the critic goes on"""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.critic_steps < 0:
            raise ValueError('steps must be at least 1 and critic_steps not negative')
        if min(self.learning_rate, self.critic_learning_rate) <= 0:
            raise ValueError('learning rates must be positive')
        unknown = set(self.mix) - set(GROUPS)
        if unknown or not any(share > 0 for share in self.mix.values()):
            raise ValueError(f'mix needs a positive share of some of {", ".join(GROUPS)}; found {dict(self.mix)}')
        if any(share < 0 for share in self.mix.values()):
            raise ValueError('a share of mix is negative')
        if self.anchor < 0:
            raise ValueError('anchor must not be negative')
        if self.anew and self.anchor:
            raise ValueError('a policy that begins anew is not held to the SFT policy; set anchor to 0')


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Everything that training may be told."""

    sft: StageConfig
    offline_rl: StageConfig
    hil: StageConfig
    seed: int = 0
    threads: int = 2
    """CPU threads of the trainer"""
    device: str = 'cpu'
    """what the policy is trained on: cpu, cuda, cuda:1 …; data and critic stay on the CPU"""
    batch: int = 256
    """chunks a gradient step"""
    warmup: int = 50
    """[steps] over which the learning rate rises"""
    weight_decay: float = 1e-4
    gradient_clip: float = 1.0
    """largest norm of the gradient"""
    ema: float = 0.995
    """decay of the averaged weights that are saved and served"""
    gamma: float = 0.98
    """discount a step"""
    lam: float = 0.95
    """λ of the critic's targets"""
    advantage_horizon: int = 8
    """[steps] of the return in Â; 0 takes the λ-return"""
    expectile: float = 0.5
    takeover_penalty: float = 0.2
    """taken from the reward of the policy's last step before a takeover, which ends the policy's part"""
    returns_every: int = 100
    """[steps] of the critic between two computations of its targets"""
    critic: CriticConfig = CriticConfig()
    reward: str = 'hybrid'
    """name or path of a config/reward file"""
    checkpoint_every: int = 200
    """[steps] between two savings of the training state"""
    log_every: int = 20
    """[steps] between two points of the curves"""

    def __post_init__(self) -> None:
        for name in ('threads', 'batch', 'checkpoint_every', 'log_every', 'returns_every'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name} must be at least 1')
        for name in ('gamma', 'lam', 'ema'):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f'{name} must lie in [0, 1]')
        if not 0 < self.expectile < 1:
            raise ValueError('expectile must lie between 0 and 1')

    def stage(self, name: str) -> StageConfig:
        """The settings of a stage.

        Raises:
            ValueError: no such stage.
        """
        if name not in STAGES:
            from igrft.config import nearest

            raise ValueError(f"unknown stage '{name}'; {nearest(name, STAGES)}")
        stage: StageConfig = getattr(self, name)
        return stage
