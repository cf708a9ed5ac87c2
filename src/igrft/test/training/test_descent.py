# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from torch import nn

from igrft.training.descent import Descent


def test_it_goes_down_and_the_average_lags_behind() -> None:
    torch.manual_seed(0)
    module, goal = nn.Linear(3, 1), torch.tensor([[1.0, -2.0, 0.5]])
    x = torch.randn(64, 3)
    descent = Descent(module, 0.05, 200, 10, 'line')

    def loss() -> torch.Tensor:
        return (module(x) - x @ goal.T).square().mean()

    before = loss().item()
    for _ in range(200):
        descent.step(loss())
    last = module.weight.clone()
    descent.finish()
    assert loss().item() < 0.01 * before
    assert not torch.equal(last, module.weight)


def test_a_gradient_that_is_not_finite_stops_it_before_the_weights_are_touched() -> None:
    module = nn.Linear(2, 1)
    weights = module.weight.clone()
    descent = Descent(module, 0.1, 5, 1, 'second looks')
    with pytest.raises(RuntimeError, match='second looks, step 0: the gradient is not finite'):
        descent.step(module(torch.full((1, 2), float('nan'))).sum())
    assert torch.equal(module.weight, weights)
