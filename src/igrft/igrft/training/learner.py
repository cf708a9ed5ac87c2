# SPDX-License-Identifier: Apache-2.0
"""The learner loop: gradient steps on one module, with averaged weights, that can stop anywhere and go on
identically.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn


class DivergenceError(RuntimeError):
    """The loss, the gradient or the critic's values are no longer what they can be."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one loss evaluation gives.

    Attributes:
        loss: scalar to minimise.
        scalars: name to number, for the curves.
        histograms: name to values, for the curves.
    """

    loss: Tensor
    scalars: dict[str, float] = field(default_factory=dict)
    histograms: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OptimiserSettings:
    """How the weights move."""

    steps: int
    learning_rate: float
    warmup: int
    weight_decay: float
    gradient_clip: float
    ema: float


def learning_rate(step: int, settings: OptimiserSettings) -> float:
    """Linear warm-up, then a cosine down to a tenth, as a function of the step alone."""
    rise = min(1.0, (step + 1) / max(1, settings.warmup))
    fall = 0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, step / max(1, settings.steps))))
    return settings.learning_rate * rise * fall


class Learner:
    """AdamW with warm-up, cosine, gradient clipping and an exponential moving average of the weights.

    Several GPUs enter here: what wraps ``module`` and ``optimiser`` for them changes no stage.
    """

    def __init__(
        self,
        module: nn.Module,
        loss: Callable[[int], StepResult],
        settings: OptimiserSettings,
        before_step: Callable[[int], None] | None = None,
    ) -> None:
        """Prepare the loop.

        Args:
            module: its parameters that require a gradient are trained.
            loss: from the step's number to the loss of a fresh batch.
            settings: of the optimiser.
            before_step: called ahead of every step, for what is recomputed now and then.
        """
        self.module = module
        self.settings = settings
        self.step = 0
        self._loss = loss
        self._before = before_step
        self._names = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
        self._parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self._average = [parameter.detach().clone() for parameter in self._parameters]
        self._optimiser = torch.optim.AdamW(
            self._parameters, settings.learning_rate, (0.9, 0.99), weight_decay=settings.weight_decay, fused=True
        )

    @property
    def done(self) -> bool:
        """Whether every step was made."""
        return self.step >= self.settings.steps

    def advance(self) -> StepResult:
        """Make one gradient step.

        Raises:
            DivergenceError: the loss or the gradient's norm is not finite; the weights are left as they were.
        """
        if self._before is not None:
            self._before(self.step)
        self.module.train()
        result = self._loss(self.step)
        self._optimiser.zero_grad(set_to_none=True)
        result.loss.backward()
        norm = nn.utils.clip_grad_norm_(self._parameters, self.settings.gradient_clip)
        if not (bool(result.loss.isfinite()) and bool(norm.isfinite())):
            raise DivergenceError(
                f'step {self.step}: loss {result.loss.item():g}, gradient norm {norm.item():g}; lower the learning rate'
            )
        rate = learning_rate(self.step, self.settings)
        for group in self._optimiser.param_groups:
            group['lr'] = rate
        self._optimiser.step()
        decay = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(self._average, [p.detach() for p in self._parameters], 1 - decay)
        self.step += 1
        result.scalars.update(loss=float(result.loss.detach()), gradient_norm=float(norm), learning_rate=rate)
        return result

    def swap_average(self) -> None:
        """Exchange the weights with their average; a second call brings them back."""
        with torch.no_grad():
            for parameter, average in zip(self._parameters, self._average, strict=True):
                held = parameter.detach().clone()
                parameter.copy_(average)
                average.copy_(held)

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, except the random generators."""
        state: dict[str, Tensor] = {'step': torch.tensor(self.step)}
        for name, parameter, average in self._triples():
            state[f'weight.{name}'] = parameter.detach().clone()
            state[f'average.{name}'] = average.clone()
            for key, value in self._optimiser.state.get(parameter, {}).items():
                state[f'optimiser.{key}.{name}'] = value.detach().clone()
        return state

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from :meth:`state`.

        Raises:
            KeyError: the state is of another module.
        """
        self.step = int(state['step'])
        with torch.no_grad():
            for name, parameter, average in self._triples():
                parameter.copy_(state[f'weight.{name}'])
                average.copy_(state[f'average.{name}'])
                moments: dict[str, Any] = {}
                for key in ('step', 'exp_avg', 'exp_avg_sq'):
                    if f'optimiser.{key}.{name}' in state:
                        moments[key] = state[f'optimiser.{key}.{name}'].to(parameter.device, copy=True)
                if moments:
                    self._optimiser.state[parameter] = moments

    def _triples(self) -> Iterable[tuple[str, nn.Parameter, Tensor]]:
        return zip(self._names, self._parameters, self._average, strict=True)
