# SPDX-License-Identifier: Apache-2.0
"""How both halves of pretraining go downhill."""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor, nn

EVERY = 100
"""Steps between two lines of progress."""
BETA = 0.03
"""[deviations of a target] below which an error is squared: a few millimetres of a thing that is moved decimetres."""


class Descent:
    """AdamW with a warm-up and a cosine to a hundredth of the rate, a clipped gradient, and an average of the weights.

    Args:
        module: what is trained.
        rate: highest learning rate.
        steps: how many there will be.
        rise: of them until the rate is reached.
        name: of what is trained, for the lines of progress and the error.
    """

    def __init__(self, module: nn.Module, rate: float, steps: int, rise: int, name: str) -> None:
        self._module, self._rate, self._steps, self._rise, self._name = module, rate, steps, rise, name
        self._optimiser = torch.optim.AdamW(module.parameters(), lr=rate, weight_decay=1e-4, fused=True)
        self._average = {key: tensor.clone() for key, tensor in module.state_dict().items()}
        self._begin = time.monotonic()
        self._done = 0

    def step(self, loss: Tensor) -> None:
        """One step down a loss of the module's parameters.

        Raises:
            RuntimeError: the gradient is not finite.
        """
        done = self._done
        cosine = 0.01 + 0.495 * (1 + math.cos(math.pi * done / self._steps))
        for group in self._optimiser.param_groups:
            group['lr'] = self._rate * min(1.0, (done + 1) / self._rise) * cosine
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self._module.parameters(), 1.0)
        if not bool(norm.isfinite()):
            raise RuntimeError(f'{self._name}, step {done}: the gradient is not finite; lower the rate, or the threads')
        self._optimiser.step()
        with torch.no_grad():
            now = self._module.state_dict()
            kept = [self._average[key] for key in now]
            torch._foreach_lerp_(kept, list(now.values()), 1 - min(0.995, (1 + done) / (10 + done)))
        self._done = done + 1
        if self._done % EVERY == 0 or self._done == 1:
            rest = (time.monotonic() - self._begin) / self._done * (self._steps - self._done)
            print(f'{self._name} {self._done}/{self._steps}  loss {loss.item():.4f}  {rest:.0f} s to go', flush=True)

    def finish(self) -> None:
        """Give the module its average."""
        self._module.load_state_dict(self._average)
