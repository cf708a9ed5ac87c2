# SPDX-License-Identifier: Apache-2.0
"""What a gradient step minimises: the critic's loss, and the policy's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from igrft.episodes.sampler import ChunkSampler, Rows, chunk_rows, usable_prefix
from igrft.method.critic import Critic, critic_loss
from igrft.method.weights import effective_sample_size
from igrft.policies.protocol import Batch, Policy
from igrft.training.config import StageConfig, TrainingConfig
from igrft.training.dataset import Dataset
from igrft.training.learner import Learner, StepResult
from igrft.training.values import dataset_returns, predict, unseen_by


class CriticObjective:
    """Both heads of the critic on every recorded step; targets are recomputed from the averaged critic now and then."""

    def __init__(self, critic: Critic, policy: Policy, dataset: Dataset, config: TrainingConfig, seed: int) -> None:
        self.critic = critic
        self.dataset = dataset
        self.config = config
        self.state = self.states(policy, dataset, config.batch)
        self.returns = torch.zeros(len(dataset))
        self.unseen = unseen_by(dataset, len(critic.values))
        self.sampler = ChunkSampler({'all': np.arange(len(dataset))}, {'all': 1.0}, seed)
        self.learner: Learner | None = None

    @staticmethod
    def states(policy: Policy, dataset: Dataset, batch: int) -> Tensor:
        """What the critic reads at every step: [N, critic_dim]."""
        rows = np.arange(len(dataset))
        parts = [policy.critic_inputs(dataset.inputs(rows[i : i + batch])) for i in range(0, len(rows), batch)]
        return torch.cat(parts)

    def extra(self) -> dict[str, Tensor]:
        """What resuming needs besides the learner's state."""
        return {'returns': self.returns}

    def before_step(self, step: int) -> None:
        """Recompute the targets where it is time to."""
        if step % self.config.returns_every:
            return
        if self.learner is not None:
            self.learner.swap_average()
        values = predict(self.critic, self.state, self.unseen)
        if self.learner is not None:
            self.learner.swap_average()
        self.returns.copy_(dataset_returns(self.dataset, values, self.config))

    def loss(self, step: int) -> StepResult:
        """The loss of a fresh batch."""
        rows = torch.from_numpy(self.sampler.draw(self.config.batch))
        state, returns = self.state[rows], self.returns[rows]
        unseen = self.unseen[rows] if self.unseen is not None else None
        signal, expectile = self.dataset.interaction[rows], self.config.expectile
        result = critic_loss(self.critic, state, returns, signal, expectile, unseen)
        scalars = {
            'value_loss': float(result.value.detach()),
            'interaction_loss': float(result.interaction.detach()),
            'interaction_accuracy': float(result.accuracy),
            'value': float(result.mean),
        }
        return StepResult(result.total, scalars, {'returns': returns})


def shares(stage: StageConfig, groups: Mapping[str, Rows]) -> dict[str, float]:
    """What each group has of a batch: of the union D_demo ∪ D_real every step is drawn as often as ``mix`` says.

    Balanced groups would have some hundred corrected steps learned by heart: they make up a third of a batch then.
    """
    return {name: often * (1 if stage.balanced else len(groups.get(name, ()))) for name, often in stage.mix.items()}


class PolicyObjective:
    """Weighted flow matching on chunks that begin at a step with a positive weight."""

    def __init__(
        self,
        policy: Policy,
        dataset: Dataset,
        weights: Tensor,
        stage: StageConfig,
        config: TrainingConfig,
        seed: int,
        reference: Policy | None,
    ) -> None:
        self.policy = policy
        self.dataset = dataset
        self.weights = weights
        self.stage = stage
        self.config = config
        self.reference = reference
        positive = weights.numpy() > 0
        groups = {name: rows[positive[rows]] for name, rows in dataset.groups().items()}
        self.sampler = ChunkSampler(groups, shares(stage, groups), seed)

    def loss(self, step: int) -> StepResult:
        """The loss of a fresh batch."""
        starts = self.sampler.draw(self.config.batch)
        rows, exists = chunk_rows(starts, self.dataset.ends, self.policy.spec.horizon)
        index = torch.from_numpy(rows)
        weights = self.weights[index]
        mask = torch.from_numpy(usable_prefix(exists, (weights > 0).numpy()))
        batch = Batch(self.dataset.inputs(starts), self.dataset.actions[index], mask)
        result = self.policy.loss(batch, weights, None, self.reference, self.stage.anchor)
        scalars = {
            'regression': float(result.regression.detach()),
            'anchor': float(result.anchor.detach()),
            'ess': float(effective_sample_size(weights[:, 0])),
        }
        return StepResult(result.total, scalars)
