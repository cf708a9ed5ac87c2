# SPDX-License-Identifier: Apache-2.0
"""What a policy needs of a GPU, on paper: its modules are built without memory and counted.

Memory of a training step, P parameters each, all in bytes:

    frozen weights      2 P (bfloat16) or 4 P
    trained weights     4 P, their gradient 4 P, AdamW's two moments 8 P, their average 4 P: 20 P
    activations         a VLA: 2 · B · T · L · (34 h + 4 m) a trained layer, or 2 · B · T · L · h checkpointed; a
                        frozen trunk keeps one layer at a time

and its time: 2 operations a parameter and token forwards, 4 backwards, at the share MFU of the card's peak. B is the
batch, T tokens, L layers, h and m the widths of a layer and of its MLP. Measure before you rely on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from igrft.policies import registry
from igrft.policies.protocol import Policy, PolicyError
from igrft.policies.side_by_side import Linears

GPUS: Mapping[str, tuple[str, float, float]] = {
    '24GB': ('RTX 4090', 24e9, 165e12),
    '48GB': ('L40S', 48e9, 362e12),
    '80GB': ('H100 SXM', 80e9, 989e12),
}
"""Name to an example, its memory [bytes], and its dense bfloat16 peak [operations/s]."""
MFU = 0.35
"""Share of the peak that training reaches, of the published figures for models of this size."""
OVERHEAD = 1.5e9
"""[bytes] that CUDA, its libraries and fragmentation take."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The figures of one policy on one card.

    Attributes:
        trunk, expert: parameters. trained: of them. tokens: of the prefix, and of the chunk.
        weights, optimiser, activations: [bytes]. step, chunk: [s].
    """

    name: str
    gpu: str
    batch: int
    trunk: int
    expert: int
    trained: int
    tokens: tuple[int, int]
    weights: float
    optimiser: float
    activations: float
    step: float
    chunk: float

    @property
    def total(self) -> float:
        """[bytes] with the overhead."""
        return self.weights + self.optimiser + self.activations + OVERHEAD

    def text(self) -> str:
        """For people."""
        example, memory, peak = GPUS[self.gpu]
        verdict = 'fits' if self.total <= memory else 'does NOT fit'
        lines = [
            f'{self.name}, batch {self.batch}, on {self.gpu} ({example}, {peak / 1e12:.0f} TFLOP/s at {MFU:.0%})',
            f'parameters   trunk {self.trunk / 1e6:.1f} M, expert {self.expert / 1e6:.1f} M; trained '
            f'{self.trained / 1e6:.1f} M',
            f'tokens       {self.tokens[0]} of images and text, {self.tokens[1]} of the chunk',
            f'memory       weights {self.weights / 1e9:.2f} GB + gradient, moments, average '
            f'{self.optimiser / 1e9:.2f} GB + activations {self.activations / 1e9:.2f} GB + {OVERHEAD / 1e9:.1f} GB '
            f'= {self.total / 1e9:.1f} GB: {verdict}',
            f'time         {1e3 * self.step:.0f} ms a gradient step, {1e3 * self.chunk:.0f} ms a chunk',
        ]
        return '\n'.join(lines)


def plan(name: str, overrides: tuple[str, ...], spec: Mapping[str, Any], batch: int, gpu: str) -> Plan:
    """Work it out; the weights themselves are neither read nor downloaded.

    Args:
        name: of a configuration. overrides: on top of it.
        spec: what the robot decides.
        batch: chunks a gradient step.
        gpu: a key of :data:`GPUS`.

    Raises:
        PolicyError: no such card, or a policy whose size cannot be known without its weights.
    """
    if gpu not in GPUS:
        from igrft.config import nearest

        raise PolicyError(f"unknown card '{gpu}'; {nearest(gpu, GPUS)}")
    policy = registry.outline(name, overrides, spec)
    trunk = list(policy.trunk_modules())
    sizes = _sizes(policy)
    of_trunk = sum(p.numel() for part in trunk for p in part.parameters())
    everything = sum(p.numel() for p in policy.parameters())
    trained = sum(p.numel() for p in policy.parameters() if p.requires_grad)
    weights = sum(p.numel() * p.element_size() for p in policy.parameters())
    trains_trunk = policy.trains_trunk
    _, _, peak = GPUS[gpu]
    forward = 2 * (sizes.prefix * of_trunk + sizes.chunk * (everything - of_trunk))
    backward = 4 * sizes.chunk * (everything - of_trunk) + (4 * sizes.prefix * of_trunk if trains_trunk else 0)
    if sizes.checkpointed:
        backward += forward if trains_trunk else 2 * sizes.chunk * (everything - of_trunk)
    chunk = 2 * (sizes.prefix * of_trunk + sizes.flow_steps * sizes.chunk * (everything - of_trunk))
    return Plan(
        name=' '.join([name, *overrides]),
        gpu=gpu,
        batch=batch,
        trunk=of_trunk,
        expert=everything - of_trunk,
        trained=trained,
        tokens=(sizes.prefix, sizes.chunk),
        weights=weights,
        optimiser=16.0 * trained,
        activations=sizes.activations(batch, trains_trunk),
        step=batch * (forward + backward) / (peak * MFU),
        # One chunk alone is bound by reading the weights, not by computing: the larger of both.
        chunk=max(chunk / (peak * MFU), weights * 2 / 1e12),
    )


@dataclass(frozen=True, slots=True)
class Sizes:
    """Tokens, and (layers, width, width of the MLP) of trunk and expert."""

    prefix: int
    chunk: int
    flow_steps: int
    trunk: tuple[int, int, int]
    expert: tuple[int, int, int]
    checkpointed: bool = False

    def activations(self, batch: int, trains_trunk: bool) -> float:
        """[bytes] of a training step, see the module."""

        def kept(tokens: int, sizes: tuple[int, int, int], trained: bool) -> float:
            layers, width, inner = sizes
            layer = 2.0 * batch * tokens * (34 * width + 4 * inner)
            if not trained:
                return layer
            return 2.0 * batch * tokens * layers * width + layer if self.checkpointed else layers * layer

        return kept(self.prefix, self.trunk, trains_trunk) + kept(self.chunk, self.expert, True)


def _sizes(policy: Policy) -> Sizes:
    from igrft.policies.pi0 import Pi0

    if isinstance(policy, Pi0):
        own = policy.model.config
        trunk, expert = own.vlm_config.text_config, own.dit_config
        return Sizes(
            policy.image_tokens * len(policy.spec.cameras) + policy.config.text_tokens,
            policy.spec.horizon + 1,
            policy.flow_steps,
            (trunk.num_hidden_layers, trunk.hidden_size, trunk.intermediate_size),
            (expert.num_hidden_layers, expert.hidden_size, expert.intermediate_size),
            policy.tuning.gradient_checkpointing,
        )
    layers = [m for m in policy.modules() if isinstance(m, (nn.Linear, Linears))]
    widest, depth = max((m.out_features for m in layers), default=1), len(layers)
    steps = int(getattr(policy, 'flow_steps', 1))
    return Sizes(1, 1, steps, (1, widest, widest), (depth, widest, widest))
