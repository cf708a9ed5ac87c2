# SPDX-License-Identifier: Apache-2.0
"""How far a policy's draws for one and the same observation lie apart.

    d(s) = sqrt( mean over steps and components of Var_k a_k ),  a_k ~ π(·|s), k = 1 … K,

with actions in deviations of the demonstrated ones. Where the policy knows what to do, noise flows to one chunk; where
it does not, it flows to many. The K draws are one batch, and always begin from the same noise: d is a function of the
observation alone, and the chunk that drives the robot is drawn as if nobody had asked.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from igrft.policies.protocol import Inputs, Policy, PolicyError

TEMPERATURE = 1.0
"""Of the draws: that of training, whatever 𝒯(s) is, which falls in every contact."""


def repeated(inputs: Inputs, times: int) -> Inputs:
    """Every row ``times`` times, one after another."""
    images: Mapping[str, Tensor] | None = None
    if inputs.images is not None and inputs.features is None:
        images = {name: image.repeat_interleave(times, 0) for name, image in inputs.images.items()}
    return Inputs(
        inputs.proprio.repeat_interleave(times, 0),
        [instruction for instruction in inputs.instructions for _ in range(times)],
        None if inputs.features is None else inputs.features.repeat_interleave(times, 0),
        images,
    )


@torch.no_grad()
def disagreement(policy: Policy, inputs: Inputs, draws: int) -> Tensor:
    """d(s) of every row: [B].

    Args:
        policy: any; one whose features are cached sees the images once, another one ``draws`` times.
        inputs: the states, with their features where the policy caches them.
        draws: K, at least 2.

    Raises:
        PolicyError: fewer than two draws.
    """
    if draws < 2:
        raise PolicyError(f'disagreement needs at least 2 draws, not {draws}')
    rows = len(inputs)
    generators = [torch.Generator().manual_seed(k) for _ in range(rows) for k in range(draws)]
    chunks = torch.from_numpy(policy.sample(repeated(inputs, draws), TEMPERATURE, generators))
    deviations = policy.normalisation.actions(chunks.to(policy.normalisation.action_mean.device)).cpu()
    result: Tensor = deviations.view(rows, draws, -1).var(1).mean(-1).sqrt()
    return result
