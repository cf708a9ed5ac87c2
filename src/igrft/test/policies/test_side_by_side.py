# SPDX-License-Identifier: Apache-2.0
"""Networks side by side are what they were one by one; action experts learn apart and act together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from igrft.policies.protocol import Batch, Inputs, Policy, PolicyError
from igrft.policies.registry import describe, rebuild
from igrft.policies.side_by_side import Linears, dealt, gathered


def test_each_is_a_linear_layer_of_its_own() -> None:
    torch.manual_seed(0)
    layers, x = Linears(3, 5, 2), torch.randn(3, 4, 5)
    for rows, alone, weight, bias in zip(layers(x), x, layers.weight, layers.bias, strict=True):
        torch.testing.assert_close(rows, alone @ weight + bias)


@given(st.integers(1, 40), st.integers(1, 9))
def test_what_was_dealt_out_is_gathered_in_order(count: int, members: int) -> None:
    rows = torch.arange(count * 2.0).view(count, 2)
    shares = dealt(rows, members)
    assert shares.shape == (members, -(-count // members), 2)
    assert torch.equal(gathered(shares, count), rows)
    assert shares[0, 0].tolist() == [0.0, 1.0] and (count < 2 or members < 2 or shares[1, 0].tolist() == [2.0, 3.0])


def test_a_row_of_a_batch_teaches_one_expert(
    make_policy: Callable[..., Policy], make_inputs: Callable[[int], Inputs]
) -> None:
    policy = make_policy('compact_flow', 'model.members=3').train()
    inputs = make_inputs(6)
    actions, mask = torch.randn(6, policy.spec.horizon, 7), torch.zeros(6, policy.spec.horizon, dtype=torch.bool)
    mask[[1, 4]] = True  # the second expert's rows
    policy.loss(Batch(inputs, actions, mask)).total.backward()
    for name, parameter in policy.experts.named_parameters():  # type: ignore[union-attr]
        assert parameter.grad is not None
        taught = parameter.grad.flatten(1).abs().sum(1) > 0
        assert taught.tolist() in ([False, True, False], [False] * 3), name
    assert parameter.grad[1].any(), 'the last layer always learns'  # type: ignore[index]


def test_what_acts_is_the_mean_of_the_experts(
    make_policy: Callable[..., Policy], make_inputs: Callable[[int], Inputs]
) -> None:
    policy = make_policy('compact_flow', 'model.members=2').eval()
    alone = make_policy('compact_flow', 'model.members=1').eval()
    inputs = make_inputs(3)
    noisy, tau = torch.randn(3, policy.spec.horizon, policy.spec.action_dim), torch.rand(3)
    velocities = []
    for member in range(2):
        state = {
            key: value[member : member + 1] if key.startswith('experts.') and 'places' not in key else value
            for key, value in policy.state_dict().items()
        }
        alone.load_state_dict(state)
        velocities.append(alone.velocity(noisy, tau, alone.prepare(inputs)))  # type: ignore[operator]
    together = policy.velocity(noisy, tau, policy.prepare(inputs))  # type: ignore[operator]
    torch.testing.assert_close(together, torch.stack(velocities).mean(0))
    assert not torch.allclose(*velocities)


def test_one_row_and_many_rows_give_the_same_chunk(
    make_policy: Callable[..., Policy], make_inputs: Callable[[int], Inputs]
) -> None:
    policy, inputs = make_policy().eval(), make_inputs(5)
    together = policy.sample(inputs, 0.0)
    for row in range(5):
        images = {name: frames[row : row + 1] for name, frames in (inputs.images or {}).items()}
        proprio, instructions = inputs.proprio[row : row + 1], inputs.instructions[:1]
        one = replace(inputs, proprio=proprio, instructions=instructions, images=images)
        torch.testing.assert_close(
            torch.from_numpy(policy.sample(one, 0.0)[0]), torch.from_numpy(together[row]), atol=1e-4, rtol=1e-4
        )


def test_a_checkpoint_of_a_single_expert_is_refused(make_policy: Callable[..., Policy]) -> None:
    description = describe(make_policy())
    del description['model']['members']
    with pytest.raises(PolicyError, match=r'^policy\.json: model: members is missing.* train it anew'):
        rebuild(description, 'policy.json')
