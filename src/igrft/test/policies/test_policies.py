# SPDX-License-Identifier: Apache-2.0
"""Both families keep the protocol: loss, sampling, features, description."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from igrft.config import ConfigError
from igrft.policies.images import to_policy_size
from igrft.policies.normalisation import Normalisation
from igrft.policies.pretrained import TrunkError
from igrft.policies.protocol import Batch, Inputs, Policy, PolicyError, PolicySpec
from igrft.policies.registry import create, describe, rebuild
from igrft.policies.text import byte_ids

MakeInputs = Callable[..., Inputs]


def batch_of(inputs: Inputs) -> Batch:
    actions = torch.randn(len(inputs), 8, 7, generator=torch.Generator().manual_seed(3))
    return Batch(inputs, actions, torch.ones(len(inputs), 8, dtype=torch.bool))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_loss_falls_on_one_batch(policy: Policy, make_inputs: MakeInputs) -> None:
    batch = batch_of(make_inputs(4))
    optimiser = torch.optim.Adam([p for p in policy.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(40):
        loss = policy.loss(batch, generator=seeded()).total
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-5:]) < 0.8 * losses[0]


def test_a_chunk_depends_on_noise_temperature_and_state(policy: Policy, make_inputs: MakeInputs) -> None:
    policy.eval()
    inputs = make_inputs(2)
    a = policy.sample(inputs, 1.0, seeded())
    assert a.shape == (2, 8, 7) and a.dtype == np.float32
    assert np.array_equal(a, policy.sample(inputs, 1.0, seeded()))
    assert not np.array_equal(a, policy.sample(inputs, 1.0, seeded(1)))
    assert not np.array_equal(a, policy.sample(inputs, 0.2, seeded()))
    assert not np.array_equal(a, policy.sample(make_inputs(2, 9), 1.0, seeded()))
    assert ((a[..., 6] >= 0) & (a[..., 6] <= 1)).all()
    cold = policy.sample(inputs, 0.0, seeded())
    assert np.array_equal(cold, policy.sample(inputs, 0.0, seeded(5)))


def test_a_description_rebuilds_the_policy(policy: Policy, make_inputs: MakeInputs) -> None:
    policy.normalisation.fit(torch.randn(9, 17) * 3, torch.randn(9, 7) * 2 + 1)
    policy.eval()
    other = rebuild(describe(policy), 'here').eval()
    other.load_state_dict(policy.state_dict())
    inputs = make_inputs(2)
    assert np.array_equal(policy.sample(inputs, 1.0, seeded()), other.sample(inputs, 1.0, seeded()))


@pytest.mark.parametrize('family', ['compact_flow', 'act'])
def test_a_policy_that_learned_on_other_features_is_refused(family: str) -> None:
    description = describe(create(family, cameras=('front', 'wrist'), image_size=128, proprio_dim=17, action_dim=7))
    del description['model']['trunk']['glimpse']
    with pytest.raises(PolicyError, match=r'^policy\.json: model: trunk\.glimpse .* train it anew'):
        rebuild(description, 'policy.json')


def test_features_have_the_promised_width_and_feed_the_critic(policy: Policy, make_inputs: MakeInputs) -> None:
    inputs = make_inputs(3)
    assert policy.features(inputs).shape == (3, policy.feature_dim)
    state = policy.critic_inputs(inputs)
    assert state.shape == (3, policy.critic_dim) and not state.requires_grad


def test_an_instruction_changes_the_chunk(policy: Policy, make_inputs: MakeInputs) -> None:
    policy.eval()
    for parameter in policy.parameters():
        parameter.data.add_(0.05 * torch.randn(parameter.shape, generator=seeded(4)))
    inputs = make_inputs(1)
    swapped = replace(inputs, instructions=['stack the blue block on the red block'])
    assert not np.array_equal(policy.sample(inputs, 1.0, seeded()), policy.sample(swapped, 1.0, seeded()))


def test_cached_features_give_the_same_chunk(make_policy: Callable[..., Policy], make_inputs: MakeInputs) -> None:
    policy = make_policy().eval()
    inputs = make_inputs(2)
    cached = replace(inputs, features=policy.features(inputs), images=None)
    assert np.array_equal(policy.sample(inputs, 1.0, seeded()), policy.sample(cached, 1.0, seeded()))


def test_the_trunk_is_frozen_unless_it_is_to_be_trained(
    make_policy: Callable[..., Policy], make_inputs: MakeInputs
) -> None:
    batch = batch_of(make_inputs(2))
    frozen, trained = make_policy(), make_policy('compact_flow', 'model.train_trunk=true')
    assert frozen.caches_features and not trained.caches_features
    for policy, expected in ((frozen, False), (trained, True)):
        policy.loss(batch, generator=seeded()).total.backward()
        trunk = [p for n, p in policy.named_parameters() if n.startswith('trunk.')]
        assert trunk and any(p.grad is not None and bool(p.grad.any()) for p in trunk) is expected


def test_the_anchor_is_zero_at_the_anchor(policy: Policy, make_inputs: MakeInputs) -> None:
    policy.eval()
    reference = rebuild(describe(policy), 'here').eval()
    reference.load_state_dict(policy.state_dict())
    loss = policy.loss(batch_of(make_inputs(2)), None, seeded(), reference, 0.5)
    assert float(loss.anchor.detach()) == pytest.approx(0.0, abs=1e-10)


def test_unknown_names_and_keys_name_the_nearest() -> None:
    spec = {'action_dim': 7, 'proprio_dim': 17}
    with pytest.raises(PolicyError, match="unknown policy 'compact_flo'; did you mean 'compact_flow'"):
        create('compact_flo', **spec)
    with pytest.raises(ConfigError, match=r"pi0_tiny.yaml: model: unknown key 'hiden'; did you mean 'hidden'"):
        create('pi0_tiny', overrides=['model.hiden=3'], **spec)
    with pytest.raises(ConfigError, match='action_dim must be a multiple of 7'):
        create('pi0_tiny', action_dim=8, proprio_dim=17)
    with pytest.raises(TrunkError, match=r"no such file; (did you mean 'cell_v|known are)"):
        create('compact_flow', overrides=['model.trunk_weights=cell_v9'], **spec)


def test_a_trunk_for_another_robot_is_refused(make_policy: Callable[..., Policy]) -> None:
    with pytest.raises(TrunkError, match='image_size is 32, the robot gives 64'):
        make_policy('compact_flow', 'spec.image_size=64')


def test_the_shipped_trunk_that_fits_is_taken_and_a_missing_one_named() -> None:
    trunk = create('compact_flow', action_dim=7, proprio_dim=17, cameras=('front', 'wrist')).trunk
    assert trunk.cameras == ('front', 'wrist') and trunk.targets > 10
    with pytest.raises(TrunkError, match=r'no trunk for top at 128 px.*front, wrist at 128 px.*training.pretrain'):
        create('compact_flow', action_dim=7, proprio_dim=17, cameras=('top',))


def test_missing_and_misshapen_inputs_are_named(make_policy: Callable[..., Policy], make_inputs: MakeInputs) -> None:
    policy = make_policy()
    inputs = make_inputs(1)
    assert inputs.images is not None
    with pytest.raises(PolicyError, match="camera 'wrist' is missing"):
        policy.features(replace(inputs, images={'front': inputs.images['front']}))
    small = {name: frames[:, :8, :8] for name, frames in inputs.images.items()}
    with pytest.raises(PolicyError, match=r"camera 'front' is \[8, 8, 3\]"):
        policy.features(replace(inputs, images=small))


def test_normalisation_inverts_and_survives_constant_components() -> None:
    norm = Normalisation(3, 7)
    actions = torch.randn(50, 7) * torch.tensor([1.0, 0.1, 5, 1, 1, 1, 0]) + 2
    norm.fit(torch.zeros(50, 3), actions)
    torch.testing.assert_close(norm.physical_actions(norm.actions(actions)), actions)
    assert bool(norm.proprio(torch.full((1, 3), 1e6)).isfinite().all())
    with pytest.raises(ValueError, match='actions'):
        norm.fit(torch.zeros(2, 3), torch.full((2, 7), float('nan')))


def test_what_demonstrations_never_did_is_neither_clamped_nor_loud() -> None:
    """Demonstrations that keep the gripper upright, and a correction that tilts it by a right angle, of two arms."""
    still = torch.tensor([0.2, 0.1, 0.2, 0.02, 0.02, 0.02, 0.5]).repeat(2)
    norm = Normalisation(6, 14)
    norm.fit(1e-3 * torch.randn(200, 6), torch.randn(200, 14) * still)
    turning = torch.zeros(1, 14)
    turning[0, [3, 11]] = 1.5  # [rad/s], as fast as an arm may
    assert float(norm.actions(turning).abs().max()) < 6
    tilted, more = norm.proprio(torch.tensor([[0.5] * 6, [0.9] * 6]))
    assert bool((more > tilted + 1).all()), 'how far it is tilted is still told'


def test_byte_ids_are_byt5s() -> None:
    assert byte_ids('ab', 5) == [100, 101, 1, 0, 0]
    assert byte_ids('abcdef', 3) == [100, 101, 1]


def test_images_are_resized_by_area_and_judged() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[::2] = 200
    assert to_policy_size(image, 64) is image
    assert set(np.unique(to_policy_size(image, 32))) == {100}
    with pytest.raises(ValueError, match='RGB'):
        to_policy_size(image[..., :1], 32)


def test_spec_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match='camera'):
        PolicySpec(action_dim=7, proprio_dim=17, cameras=())
