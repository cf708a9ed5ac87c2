# SPDX-License-Identifier: Apache-2.0
"""Returns and advantages of a whole dataset under a critic."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from igrft.method.advantage import advantages, lambda_returns
from igrft.method.critic import Critic
from igrft.training.config import TrainingConfig
from igrft.training.dataset import Dataset
from igrft.training.learner import DivergenceError
from igrft.types import Outcome, Source

BEYOND = 10.0
"""Times what an episode can earn, from which on a value means that the critic diverged."""


def segments(dataset: Dataset) -> Iterator[tuple[slice, bool, bool]]:
    """Stretches along which returns are computed: rows, whether the last step is terminal, whether a takeover ended it.

    An episode is one stretch, except that a takeover ends the policy's part: what the human then earns is not the
    policy's doing, also where the arm waited for him. A success or a failure is terminal, a timeout is not.
    """
    for episode, first, length in zip(dataset.episodes, dataset.starts(), dataset.lengths, strict=True):
        source = dataset.source[first : first + length]
        human = source == int(Source.HUMAN)
        takeovers = ((human[1:] & (_driver(source)[:-1] == int(Source.POLICY))).nonzero().flatten() + 1).tolist()
        bounds = [0, *takeovers, length]
        terminal = episode.info.outcome in (Outcome.SUCCESS, Outcome.FAILURE)
        for begin, end in zip(bounds[:-1], bounds[1:], strict=True):
            last = end == length
            yield slice(first + begin, first + end), terminal if last else True, not last


def _driver(source: Tensor) -> Tensor:
    """Who drove last, at every step: [T]."""
    steps = torch.arange(len(source), device=source.device)
    last = torch.where(source != int(Source.HOLD), steps, torch.zeros_like(steps)).cummax(0).values
    return source[last]


def unseen_by(dataset: Dataset, members: int) -> Tensor | None:
    """The critic's member that never sees a row's episode: [N], the same in every round. None where that leaves one
    without any: it is one alone, or all episodes are its share.

    A critic that saw how an episode ended tells it by heart, and then nothing in it is better or worse than expected.
    """
    share = torch.tensor([zlib.crc32(episode.info.id.encode()) % members for episode in dataset.episodes])
    if bool((share == share[0]).all()):
        return None
    return share.repeat_interleave(torch.tensor(dataset.lengths))


@torch.no_grad()
def predict(critic: Critic, states: Tensor, unseen: Tensor | None = None) -> np.ndarray:
    """V(s) of every row as float64: [N], by whom :func:`unseen_by` names."""
    critic.eval()
    return critic.value(states, unseen).double().numpy()


def dataset_returns(dataset: Dataset, values: np.ndarray, config: TrainingConfig) -> Tensor:
    """λ-returns of every step, the critic's targets: [N]."""
    result = np.zeros(len(dataset))
    for rows, terminal, takeover in segments(dataset):
        rewards = _rewards(dataset, rows, takeover, config)
        result[rows] = lambda_returns(rewards, values[rows], config.gamma, config.lam, terminal)
    return torch.from_numpy(result).float()


def dataset_advantages(dataset: Dataset, values: np.ndarray, config: TrainingConfig) -> Tensor:
    """Â of every step: [N]."""
    result = np.zeros(len(dataset))
    for rows, terminal, takeover in segments(dataset):
        rewards = _rewards(dataset, rows, takeover, config)
        result[rows] = advantages(rewards, values[rows], config.gamma, config.lam, config.advantage_horizon, terminal)
    return torch.from_numpy(result).float()


def check_values(values: np.ndarray, dataset: Dataset, config: TrainingConfig) -> None:
    """Refuse a critic that has run away before it weighs a policy's steps.

    Raises:
        DivergenceError: V is not finite, or |V| is more than :data:`BEYOND` times what an episode can earn.
    """
    if not np.isfinite(values).all():
        raise DivergenceError('the critic: its values are not finite; lower critic_learning_rate')
    earned = max(float(rewards.abs().sum()) for rewards in dataset.rewards.split(dataset.lengths))
    most, found = max(earned + config.takeover_penalty, 1.0), float(np.abs(values).max())
    if found > BEYOND * most:
        raise DivergenceError(
            f'the critic: it values a state {found:.3g} where an episode earns {most:.3g} at most; lower '
            'critic_learning_rate, or let it learn longer'
        )


def _rewards(dataset: Dataset, rows: slice, takeover: bool, config: TrainingConfig) -> np.ndarray:
    rewards = dataset.rewards[rows].double().numpy().copy()
    if takeover:
        rewards[-1] -= config.takeover_penalty
    return rewards
