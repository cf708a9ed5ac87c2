# SPDX-License-Identifier: Apache-2.0
"""π0 from pretrained weights: the same numbers as `transformers`, what is trained, in which precision."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_vla import SIZE, WIDE, save_pi0
from transformers.modeling_layers import GradientCheckpointingLayer

from igrft.policies.protocol import Batch, Inputs, Policy, PolicyError
from igrft.policies.registry import create, describe, rebuild

CAMERAS = ('front', 'wrist')
TEXT = 'stack the red block on the blue block'


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('pi0')
    save_pi0(path)
    return path


@pytest.fixture
def make(folder: Path) -> Callable[..., Policy]:
    def build(*more: str, **spec: int) -> Policy:
        own = (f'model.weights={folder}', "model.tokenizer=''", f'spec.image_size={SIZE}', 'spec.horizon=8')
        plain = ('model.attention=eager', 'model.tuning.precision=float32', 'model.tuning.gradient_checkpointing=false')
        robot = {'action_dim': 7, 'proprio_dim': 17, 'cameras': CAMERAS, 'step_dt': 0.1, **spec}
        torch.manual_seed(3)
        return create('pi0', overrides=(*own, *plain, *more), **robot)

    return build


def inputs(batch: int = 2) -> Inputs:
    rng = np.random.default_rng(0)
    images = {c: torch.from_numpy(rng.integers(0, 255, (batch, SIZE, SIZE, 3), dtype=np.uint8)) for c in CAMERAS}
    return Inputs(torch.from_numpy(rng.normal(size=(batch, 17)).astype(np.float32)), [TEXT] * batch, images=images)


def batch_of(given: Inputs) -> Batch:
    actions = torch.randn(len(given), 8, 7, generator=torch.Generator().manual_seed(3))
    return Batch(given, actions, torch.ones(len(given), 8, dtype=torch.bool))


def test_a_chunk_is_the_one_that_transformers_draws(make: Callable[..., Policy], folder: Path) -> None:
    from transformers import PI0ForConditionalGeneration

    policy = make().eval()
    given = inputs()
    noise = torch.randn(2, 8, WIDE, generator=torch.Generator().manual_seed(7))
    ours = policy.sample(given, 1.0, torch.Generator().manual_seed(7))
    ids, mask = policy._ids(list(given.instructions))
    pixels = torch.stack([given.images[c] for c in CAMERAS], 1).movedim(-1, 2).float() / 127.5 - 1
    theirs = (
        PI0ForConditionalGeneration.from_pretrained(folder, attn_implementation='eager')
        .eval()
        .sample_actions(
            state=torch.nn.functional.pad(given.proprio.clamp(-5, 5), (0, WIDE + 4 - 17)),
            input_ids=ids,
            pixel_values=pixels,
            noise=noise,
            attention_mask=mask,
            pixel_attention_mask=torch.ones(2, 2, dtype=torch.bool),
            num_steps=policy.flow_steps,
        )
    )
    expected = theirs[..., :7].detach().clone()
    expected[..., 6] = expected[..., 6].clamp(0, 1)
    np.testing.assert_allclose(ours, expected.numpy(), atol=2e-5)
    begin = policy.tokenizer.token('<bos>')
    assert ids[0, 8] == begin and TEXT.split()[0] == policy.tokenizer.tokenizer().id_to_token(int(ids[0, 9]))


@pytest.mark.parametrize('train', ['expert', 'all'])
def test_only_what_is_to_be_trained_is(make: Callable[..., Policy], train: str) -> None:
    policy = make(f'model.tuning.train={train}').train()
    policy.loss(batch_of(inputs())).total.backward()
    trunk = [p for part in policy.trunk_modules() for p in part.parameters()]
    assert any(p.grad is not None and bool(p.grad.any()) for p in trunk) is (train == 'all')
    assert bool(policy.model.action_out_proj.weight.grad.any())
    state = policy.critic_inputs(inputs())
    assert state.shape == (2, policy.critic_dim) and not state.requires_grad


def test_the_critic_reads_the_instruction_and_shares_one_pass_with_the_chunk(make: Callable[..., Policy]) -> None:
    from dataclasses import replace

    policy = make().eval()
    given = inputs()
    calls = []
    policy.model.model.vlm.register_forward_hook(lambda *_: calls.append(1))
    seen = policy.perceive(given)
    chunk = policy.sample(seen, 1.0, torch.Generator().manual_seed(1))
    state = policy.critic_inputs(seen)
    assert len(calls) == 1
    assert np.array_equal(chunk, policy.sample(given, 1.0, torch.Generator().manual_seed(1)))
    other = policy.critic_inputs(replace(given, instructions=['stack the blue block on the red block'] * 2))
    assert not torch.equal(state, other)


@pytest.mark.skipif(
    not hasattr(GradientCheckpointingLayer, '_can_checkpoint_with_cache'),
    reason='this transformers cannot checkpoint a layer beside a cache',
)
def test_computing_layers_again_gives_the_same_gradient(make: Callable[..., Policy]) -> None:
    gradients = []
    for again in ('false', 'true'):
        policy = make('model.tuning.train=all', f'model.tuning.gradient_checkpointing={again}').train()
        policy.loss(batch_of(inputs()), generator=torch.Generator().manual_seed(0)).total.backward()
        gradients.append({n: p.grad.clone() for n, p in policy.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys() and len(gradients[0]) > 20
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], msg=name)


def test_in_half_precision_the_frozen_half_is_kept_and_the_loss_falls(make: Callable[..., Policy]) -> None:
    policy = make('model.tuning.precision=bfloat16').train()
    kinds = {p.requires_grad: p.dtype for p in policy.model.parameters()}
    assert kinds == {True: torch.float32, False: torch.bfloat16}
    optimiser = torch.optim.Adam([p for p in policy.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(25):
        loss = policy.loss(batch_of(inputs()), generator=torch.Generator().manual_seed(0)).total
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
    assert np.isfinite(policy.eval().sample(inputs(), 1.0)).all()


def test_a_checkpoint_needs_neither_weights_nor_tokenizer_beside_it(make: Callable[..., Policy]) -> None:
    import json

    policy = make('model.tuning.precision=bfloat16').eval()
    description = json.loads(json.dumps(describe(policy)))
    description['model']['weights'] = '/nowhere'
    other = rebuild(description, 'here').eval()
    other.load_state_dict(policy.state_dict())
    drawn = [p.sample(inputs(), 1.0, torch.Generator().manual_seed(1)) for p in (policy, other)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert {n: p.dtype for n, p in policy.named_parameters()} == {n: p.dtype for n, p in other.named_parameters()}


@pytest.mark.skipif(importlib.util.find_spec('peft') is None, reason="peft (extra 'lora') is not installed")
def test_adapters_learn_and_the_weights_below_them_stay(make: Callable[..., Policy]) -> None:
    policy = make('model.tuning.train=lora', 'model.tuning.lora_rank=4').train()
    trained = {n for n, p in policy.named_parameters() if p.requires_grad}
    assert any('lora_A' in n and '.vlm.' in n for n in trained) and any('lora_B' in n and '.dit.' in n for n in trained)
    assert all('lora_' in n or 'embed_action_time' in n or 'action_out_proj' in n for n in trained)
    before = {n: p.detach().clone() for n, p in policy.named_parameters()}
    optimiser = torch.optim.Adam([p for p in policy.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(3):
        optimiser.zero_grad()
        policy.loss(batch_of(inputs()), generator=torch.Generator().manual_seed(0)).total.backward()
        optimiser.step()
    moved = {n for n, p in policy.named_parameters() if not torch.equal(before[n], p)}
    assert moved and moved <= trained
    other = rebuild(describe(policy), 'here')
    other.load_state_dict(policy.state_dict())


def test_without_peft_adapters_are_refused_with_the_remedy(
    make: Callable[..., Policy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'peft', None)
    with pytest.raises(PolicyError, match=r"train: lora needs the extra 'lora' \(pip install peft\)"):
        make('model.tuning.train=lora')


def test_what_does_not_fit_is_refused_by_field(
    make: Callable[..., Policy], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PolicyError, match='take at most 20 floats of proprioception, the robot has 34'):
        make(proprio_dim=34)
    with pytest.raises(PolicyError, match=r'images of 16 px, spec.image_size is 32'):
        make('spec.image_size=32')
    with pytest.raises(PolicyError, match=r"model.weights: './nothing': no such folder"):
        make('model.weights=./nothing')
    with pytest.raises(PolicyError, match=r'tokenizer.json: no such file; put the tokenizer.json'):
        make(f'model.tokenizer={tmp_path}')
    (tmp_path / 'tokenizer.json').write_text('{}')
    with pytest.raises(PolicyError, match=r'tokenizer\.json: not a tokenizer'):
        make(f'model.tokenizer={tmp_path}')
    (tmp_path / 'config.json').write_text((folder / 'config.json').read_text())
    with pytest.raises(PolicyError, match='not the weights of a π0'):
        make(f'model.weights={tmp_path}', f'model.tokenizer={folder}')
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')
    with pytest.raises(PolicyError, match=r"'lerobot/pi0_base' is no folder here, not in the hub's cache.*hf download"):
        make('model.weights=lerobot/pi0_base')


def test_a_damaged_weight_file_is_refused(make: Callable[..., Policy], folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for name in ('config.json', 'tokenizer.json'):
        (tmp_path / name).write_text((folder / name).read_text())
    weights = load_file(folder / 'model.safetensors')
    gone = next(name for name in weights if 'action_out_proj' in name)
    save_file({n: t for n, t in weights.items() if n != gone}, tmp_path / 'model.safetensors', {'format': 'pt'})
    with pytest.raises(PolicyError, match=r'not the weights of a π0: 1 missing or misshapen, first action_out_proj'):
        make(f'model.weights={tmp_path}')
