# SPDX-License-Identifier: Apache-2.0
"""Decoded episodes as flat tensors, one row a step, and the labels that the stages read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from igrft.episodes.sampler import Rows, episode_ends
from igrft.method.awr import StepWeightConfig
from igrft.policies.images import to_policy_size
from igrft.policies.protocol import Inputs, Policy, PolicySpec
from igrft.training.marks import longest_wait, marked, nothing_to_imitate, progress_of
from igrft.types import DecodedEpisode, Kind, Outcome, Source


class DataError(ValueError):
    """Nothing usable to train on; the text says what was left out and why."""


def defect(episode: DecodedEpisode, spec: PolicySpec, task: str) -> str:
    """Why an episode cannot be trained on, '' if it can."""
    info = episode.info
    if task and info.task != task:
        return f"task is '{info.task}'"
    if info.kind is Kind.EVALUATION:
        return 'kind is evaluation'
    if info.outcome is Outcome.UNLABELLED:
        return 'outcome is unlabelled'
    if info.kind is Kind.DEMONSTRATION and info.outcome is not Outcome.SUCCESS:
        return f'demonstration whose outcome is {info.outcome.value}'
    if len(episode) < 2:
        return f'{len(episode)} steps'
    if episode.actions.shape[1] != spec.action_dim:
        return f'action size is {episode.actions.shape[1]}, the policy has {spec.action_dim}'
    if episode.proprio.shape[1] != spec.proprio_dim:
        return f'proprio size is {episode.proprio.shape[1]}, the policy has {spec.proprio_dim}'
    if abs(episode.dt - spec.step_dt) > 1e-6:
        return f'step is {episode.dt:g} s, the policy has {spec.step_dt:g} s'
    for name in ('proprio', 'actions', 'rewards'):
        if not np.isfinite(getattr(episode, name)).all():
            return f'{name} has values that are not finite'
    missing = [camera for camera in spec.cameras if camera not in episode.images]
    return f"no images of camera '{missing[0]}'" if missing else ''


@dataclass(frozen=True, slots=True)
class Excluded:
    """Episodes left out, by reason.

    Attributes:
        reasons: episode id to reason.
    """

    reasons: dict[str, str]

    def __str__(self) -> str:
        counts = Counter(self.reasons.values())
        first = {reason: next(i for i, r in self.reasons.items() if r == reason) for reason in counts}
        return '; '.join(f'{count} × {reason} (first: {first[reason]})' for reason, count in counts.items())


FeatureSource = Callable[[Policy, DecodedEpisode], Tensor]
"""Features [T, F] of an episode; :class:`igrft.training.features.FeatureStore` keeps them on disk."""


@dataclass
class Dataset:
    """N steps of E episodes.

    Attributes:
        episodes: what was kept, sorted by id.
        excluded: what was not.
        lengths: [E] steps.
        proprio: [N, P]. actions: [N, A]. rewards: [N]. interaction: [N].
        source: [N] of :class:`igrft.types.Source`.
        demonstration: [N] bool. left_out: [N] bool, see :func:`.marks.nothing_to_imitate`.
        features: [N, F], None where the policy learns from images.
    """

    episodes: list[DecodedEpisode]
    excluded: Excluded
    lengths: list[int]
    proprio: Tensor
    actions: Tensor
    rewards: Tensor
    interaction: Tensor
    source: Tensor
    demonstration: Tensor
    left_out: Tensor
    features: Tensor | None
    ends: Rows
    spec: PolicySpec

    @classmethod
    def build(
        cls,
        episodes: Iterable[DecodedEpisode],
        policy: Policy,
        task: str = '',
        marks: StepWeightConfig = StepWeightConfig(),
        features: FeatureSource | None = None,
        unreadable: Mapping[str, str] | None = None,
    ) -> Dataset:
        """Check and concatenate episodes.

        Args:
            episodes: in any order.
            policy: gives the sizes, and the features where it caches them.
            task: the only task to take, '' for all.
            marks: what is nothing to imitate.
            features: how to compute an episode's features.
            unreadable: name to reason of episodes that could not even be read.

        Raises:
            DataError: no episode is usable.
        """
        spec = policy.spec
        kept: list[DecodedEpisode] = []
        reasons = dict(unreadable or {})
        for episode in sorted(episodes, key=lambda e: e.info.id):
            reason = defect(episode, spec, task)
            if reason:
                reasons[episode.info.id] = reason
            else:
                kept.append(episode)
        excluded = Excluded(reasons)
        if not kept:
            raise DataError(f'no episode to train on; left out: {str(excluded) or "none, the dataset is empty"}')

        def join(arrays: Sequence[np.ndarray], dtype: torch.dtype) -> Tensor:
            return torch.from_numpy(np.concatenate(arrays)).to(dtype)

        lengths = [len(episode) for episode in kept]
        sources = [torch.from_numpy(np.asarray(episode.source, np.int64)) for episode in kept]
        demonstration = [np.full(len(e), e.info.kind is Kind.DEMONSTRATION) for e in kept]
        within = longest_wait(kept, marks.detour)
        read = features or encode_episode
        return cls(
            episodes=kept,
            excluded=excluded,
            lengths=lengths,
            proprio=join([e.proprio for e in kept], torch.float32),
            actions=join([e.actions for e in kept], torch.float32),
            rewards=join([e.rewards for e in kept], torch.float32),
            interaction=join([e.interaction for e in kept], torch.float32),
            source=torch.cat(sources),
            demonstration=join(demonstration, torch.bool),
            left_out=torch.cat(
                [
                    nothing_to_imitate(source, marks.before_takeover, progress_of(e), within if marked(e) else len(e))
                    for source, e in zip(sources, kept, strict=True)
                ]
            ),
            features=torch.cat([read(policy, e) for e in kept]) if policy.caches_features else None,
            ends=episode_ends(lengths),
            spec=spec,
        )

    def __len__(self) -> int:
        return len(self.actions)

    def starts(self) -> list[int]:
        """The first row of every episode."""
        return [0, *np.cumsum(self.lengths)[:-1].tolist()]

    def succeeded(self) -> Tensor:
        """Which steps are of episodes that succeeded: [N] bool."""
        outcomes = torch.tensor([episode.info.outcome is Outcome.SUCCESS for episode in self.episodes])
        return outcomes.repeat_interleave(torch.tensor(self.lengths))

    def groups(self) -> dict[str, Rows]:
        """Rows by group (:data:`igrft.training.config.GROUPS`); steps in which nobody drove are in none."""
        human = (self.source == int(Source.HUMAN)) & ~self.demonstration
        policy = (self.source == int(Source.POLICY)) & ~self.demonstration
        driven = self.source != int(Source.HOLD)
        marks = {'demonstration': self.demonstration & driven, 'policy': policy, 'human': human}
        return {name: np.flatnonzero(mark.numpy()) for name, mark in marks.items()}

    def inputs(self, rows: Rows) -> Inputs:
        """The states at ``rows``, as features where there are any, else as images."""
        index = torch.from_numpy(rows)
        owner = np.searchsorted(np.cumsum(self.lengths), rows, side='right')
        instructions = [self.episodes[i].info.instruction for i in owner]
        if self.features is not None:
            return Inputs(self.proprio[index], instructions, features=self.features[index])
        first = np.asarray(self.starts())[owner]
        images = {
            camera: torch.from_numpy(
                np.stack(
                    [
                        to_policy_size(np.asarray(self.episodes[i].images[camera][row]), self.spec.image_size)
                        for i, row in zip(owner, rows - first, strict=True)
                    ]
                )
            )
            for camera in self.spec.cameras
        }
        return Inputs(self.proprio[index], instructions, images=images)


@torch.no_grad()
def encode_episode(policy: Policy, episode: DecodedEpisode, batch: int = 64) -> Tensor:
    """The policy's features of every step: [T, F]."""
    was_training = policy.training
    policy.eval()
    parts = []
    for begin in range(0, len(episode), batch):
        window = slice(begin, begin + batch)
        images = {
            camera: torch.from_numpy(
                np.stack(
                    [to_policy_size(np.asarray(f), policy.spec.image_size) for f in episode.images[camera][window]]
                )
            )
            for camera in policy.spec.cameras
        }
        proprio = torch.from_numpy(np.array(episode.proprio[window], np.float32)).to(policy.device)
        parts.append(policy.encode({name: image.to(policy.device) for name, image in images.items()}, proprio).cpu())
    policy.train(was_training)
    return torch.cat(parts)
