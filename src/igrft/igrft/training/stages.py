# SPDX-License-Identifier: Apache-2.0
"""One stage from episodes to a checkpoint: the critic, then the policy weighted by it, and where that changed what the
critic sees, the critic again. Killed anywhere, it goes on identically.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from igrft.config import as_dict
from igrft.episodes.sampler import ChunkSampler
from igrft.method.awr import StepWeightConfig, step_weights
from igrft.method.critic import Critic
from igrft.method.weights import WeightConfig
from igrft.policies import registry
from igrft.policies.protocol import Policy, device_named
from igrft.training import checkpoint as checkpoints
from igrft.training.checkpoint import Checkpoint, CheckpointError
from igrft.training.config import StageConfig, TrainingConfig
from igrft.training.dataset import Dataset, FeatureSource
from igrft.training.features import FeatureStore
from igrft.training.learner import Learner, OptimiserSettings, StepResult
from igrft.training.metrics import Curves
from igrft.training.objectives import CriticObjective, PolicyObjective
from igrft.training.request import StageRequest, checkpoint_id
from igrft.training.state import TrainingState
from igrft.training.values import check_values, dataset_advantages, predict, unseen_by
from igrft.types import DecodedEpisode


class Stopped(RuntimeError):
    """Training was asked to stop; its state is saved and the same request goes on from it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a stage stands.

    Attributes:
        part: critic, policy or critic_again. step: gradient steps done, of ``total`` in all. eta: [s] to the end.
    """

    stage: str
    round: int
    part: str
    step: int
    total: int
    loss: float
    ess: float
    eta: float


def weighing(stage: StageConfig) -> StepWeightConfig:
    """How a stage weighs steps: without a critic none is known to be better than the rest."""
    return stage.weights if stage.critic_steps else replace(stage.weights, advantage=WeightConfig())


class StageRun:
    """Runs one stage; see :meth:`run`."""

    def __init__(
        self,
        request: StageRequest,
        config: TrainingConfig,
        progress: Callable[[Progress], None] = lambda progress: None,
        stop: Callable[[], bool] = lambda: False,
        features: FeatureSource | None = None,
    ) -> None:
        """Prepare the stage.

        Args:
            request: what to train.
            config: the constants.
            progress: told where it stands.
            stop: asked whether to stop.
            features: of an episode; left out, they are computed from its images and kept below the request's root.
        """
        self.request = request
        self.config = config
        self._features = features or FeatureStore(request.root / 'cache' / 'features')
        self.stage: StageConfig = config.stage(request.stage)
        self._progress = progress
        self._stop = stop
        self._begin = time.monotonic()
        self._done_before = self._total = 0

    def run(self, episodes: Iterable[DecodedEpisode], unreadable: Mapping[str, str] | None = None) -> Checkpoint:
        """Train and save.

        Args:
            episodes: everything recorded so far; what the stage cannot use is left out by name.
            unreadable: name to reason of what could not even be read, to be told with it.

        Returns:
            The saved checkpoint. Where the very same training was finished before, that one.

        Raises:
            Stopped: ``stop`` said so; the state is saved.
            DataError, SamplerError: nothing to train on.
            CheckpointError: the parent is missing or does not fit, or another process does the very same training.
            DivergenceError: the loss or the critic's values are no longer finite, or the values are beyond any return;
                the parent stays as it was.
        """
        episodes = list(episodes)
        name = checkpoint_id(self.request, self.config, episodes)
        finished = self.request.root / 'checkpoints' / name
        if finished.is_dir():
            return checkpoints.load(finished, self.request.spec)
        with checkpoints.alone(self.request.root, name):
            if finished.is_dir():  # by now
                return checkpoints.load(finished, self.request.spec)
            return self._train(name, episodes, unreadable or {})

    def _train(self, name: str, episodes: Sequence[DecodedEpisode], unreadable: Mapping[str, str]) -> Checkpoint:
        torch.set_num_threads(self.config.threads)
        parent = self._parent()
        policy = self._first_policy(parent).to(device_named(self.config.device))
        dataset = Dataset.build(episodes, policy, self.request.task, self.stage.weights, self._features, unreadable)
        if parent is None:
            self._fit(policy, dataset)
        state = TrainingState(self.request.root / 'checkpoints' / f'.{name}.state', policy.device)
        self._total = self.stage.critic_steps * (2 if policy.trains_trunk else 1) + self.stage.steps
        curves = Curves(self.request.root / 'tensorboard' / name, state.step())
        try:
            critic = self._first_critic(policy, parent) if self.stage.critic_steps else None
            if critic is not None:
                self._train_critic('critic', critic, policy, dataset, state, curves)
            self._train_policy(policy, critic, parent, dataset, state, curves)
            if critic is not None and policy.trains_trunk:
                self._train_critic('critic_again', critic, policy, dataset, state, curves)
        finally:
            curves.close()
        result = Checkpoint(
            id=name,
            policy=policy.eval().cpu(),
            critic=critic or (parent.critic if parent else None),
            stage=self.request.stage,
            round=self.request.round,
            step=self._total,
            lineage=(*parent.lineage, parent.id) if parent else (),
            about={
                'task': self.request.task,
                'seed': self.config.seed,
                'settings': as_dict(self.config),
                'episodes': [e.info.id for e in dataset.episodes],
                'excluded': dataset.excluded.reasons,
            },
        )
        checkpoints.save(result, self.request.root)
        state.remove()
        return result

    def _first_policy(self, parent: Checkpoint | None) -> Policy:
        """What the stage begins with: the parent's, or a new one in its scale."""
        request = self.request
        if parent is not None and not self.stage.anew:
            return parent.policy
        if parent is None and request.stage != 'sft':
            raise CheckpointError(
                f'{request.stage} starts from a checkpoint; train sft first, or name initial_checkpoint'
            )
        torch.manual_seed(self.config.seed)
        policy = registry.create(request.policy, overrides=request.policy_overrides, **request.spec)
        if parent is not None:
            differing = registry.differences(policy, parent.policy)
            if differing:
                raise CheckpointError(
                    f"{request.stage}.anew begins with policy '{request.policy}', but {parent.id} is another "
                    f'({"; ".join(differing)}); name the policy that it was trained as, or a file that says the same'
                )
            policy.normalisation.load_state_dict(parent.policy.normalisation.state_dict())
        return policy

    def _parent(self) -> Checkpoint | None:
        return checkpoints.load(self.request.parent, self.request.spec) if self.request.parent else None

    def _anchor(self, policy: Policy, parent: Checkpoint | None) -> Policy | None:
        """The SFT policy that the anchor holds to: the first of the lineage, or the parent itself."""
        if parent is None or parent.path is None or not self.stage.anchor:
            return None
        first = parent.path.parent / parent.lineage[0] if parent.lineage else parent.path
        reference = checkpoints.load(first).policy.requires_grad_(False)
        checkpoints.share_frozen(policy, reference)
        return reference.to(policy.device)

    @staticmethod
    def _fit(policy: Policy, dataset: Dataset) -> None:
        shown = dataset.demonstration
        rows = shown if bool(shown.any()) else torch.ones_like(shown)
        policy.normalisation.fit(dataset.proprio[rows], dataset.actions[rows])

    def _settings(self, steps: int, rate: float) -> OptimiserSettings:
        c = self.config
        return OptimiserSettings(steps, rate, c.warmup, c.weight_decay, c.gradient_clip, c.ema)

    def _seed(self, part: str) -> int:
        text = f'{self.config.seed} {self.request.stage} {self.request.round} {part}'
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], 'big')

    def _first_critic(self, policy: Policy, parent: Checkpoint | None) -> Critic:
        """What the critic begins with: the parent's, or a new one."""
        torch.manual_seed(self._seed('critic'))
        critic = parent.critic if parent else None
        if critic is None or critic.config != self.config.critic:
            critic = Critic(policy.critic_dim, self.config.critic)
        return critic

    def _train_critic(
        self, part: str, critic: Critic, policy: Policy, dataset: Dataset, state: TrainingState, curves: Curves
    ) -> None:
        torch.manual_seed(self._seed(part))
        objective = CriticObjective(critic, policy, dataset, self.config, self._seed(part))
        settings = self._settings(self.stage.critic_steps, self.stage.critic_learning_rate)
        learner = Learner(critic, objective.loss, settings, objective.before_step)
        objective.learner = learner
        before = 0 if part == 'critic' else self.stage.critic_steps + self.stage.steps
        self._loop(part, learner, objective.sampler, state, curves, before, objective.extra)

    def _train_policy(
        self,
        policy: Policy,
        critic: Critic | None,
        parent: Checkpoint | None,
        dataset: Dataset,
        state: TrainingState,
        curves: Curves,
    ) -> None:
        torch.manual_seed(self._seed('policy'))
        advantage = torch.zeros(len(dataset))
        if critic is not None:
            states = CriticObjective.states(policy, dataset, self.config.batch)
            values = predict(critic, states, unseen_by(dataset, len(critic.values)))
            check_values(values, dataset, self.config)
            advantage = dataset_advantages(dataset, values, self.config)
        marks = (dataset.source, dataset.demonstration, dataset.left_out)
        weights = step_weights(advantage, *marks, weighing(self.stage), dataset.succeeded())
        shown = StepResult(torch.zeros(()), histograms={'weights': weights, 'advantages': advantage})
        curves.write('policy', 0, shown)
        objective = PolicyObjective(
            policy, dataset, weights, self.stage, self.config, self._seed('policy'), self._anchor(policy, parent)
        )
        learner = Learner(policy, objective.loss, self._settings(self.stage.steps, self.stage.learning_rate))
        self._loop('policy', learner, objective.sampler, state, curves, self.stage.critic_steps, lambda: {})

    def _loop(
        self,
        part: str,
        learner: Learner,
        sampler: ChunkSampler,
        state: TrainingState,
        curves: Curves,
        offset: int,
        extra: Callable[[], dict[str, Tensor]],
    ) -> None:
        state.resume(part, learner, sampler, extra())
        self._begin, self._done_before = time.monotonic(), offset + learner.step
        while not learner.done:
            result = learner.advance()
            if learner.step % self.config.log_every == 0 or learner.done:
                curves.write(part, offset + learner.step, result)
                self._report(part, offset + learner.step, result)
            stopping = self._stop()
            if stopping or (learner.step % self.config.checkpoint_every == 0 and not learner.done):
                state.save(part, offset + learner.step, learner, sampler, extra())
            if stopping:
                raise Stopped(
                    f'{self.request.stage}: stopped at step {offset + learner.step}; the same request goes on from here'
                )
        state.finish(part, offset + learner.step, learner)
        learner.swap_average()

    def _report(self, part: str, step: int, result: StepResult) -> None:
        total = self._total
        pace = (time.monotonic() - self._begin) / max(1, step - self._done_before)
        self._progress(
            Progress(
                stage=self.request.stage,
                round=self.request.round,
                part=part,
                step=step,
                total=total,
                loss=result.scalars['loss'],
                ess=result.scalars.get('ess', 1.0),
                eta=pace * (total - step),
            )
        )
