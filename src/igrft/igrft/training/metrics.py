# SPDX-License-Identifier: Apache-2.0
"""Learning curves in TensorBoard's format, under ``<root>/tensorboard/<checkpoint id>``.

| tag | what |
|---|---|
| policy/loss, policy/regression, policy/anchor | the policy's loss and its two parts |
| policy/ess | effective sample size of the batch's weights, in (0, 1] |
| policy/weights, policy/advantages (histograms) | over the whole dataset, as the policy's part begins |
| critic/loss, critic/value_loss, critic/interaction_loss | the critic's loss and its two parts |
| critic/interaction_accuracy | share of a batch's steps on which p_int > 0.5 agrees with I_t |
| critic/value, critic/returns (histogram) | mean V of the batch; its targets |
| critic_again/… | the same, where the policy trains its trunk and the critic learns anew what that sees |
| */gradient_norm, */learning_rate | of every part |
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from igrft.training.learner import StepResult


class Curves:
    """Writes scalars and histograms; a resumed stage goes on in the same folder."""

    def __init__(self, folder: Path, first_step: int = 0) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder = folder
        self._writer = SummaryWriter(str(folder), purge_step=first_step or None, flush_secs=10)

    def write(self, part: str, step: int, result: StepResult) -> None:
        """One point of every curve; ``part`` is policy, critic or critic_again."""
        for name, value in result.scalars.items():
            if np.isfinite(value):
                self._writer.add_scalar(f'{part}/{name}', value, step)
        for name, values in result.histograms.items():
            if len(values):
                self._writer.add_histogram(f'{part}/{name}', values, step)

    def close(self) -> None:
        """Flush to disk."""
        self._writer.close()
