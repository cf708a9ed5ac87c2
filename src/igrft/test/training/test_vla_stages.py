# SPDX-License-Identifier: Apache-2.0
"""SFT, offline RL and a human-in-the-loop round of the other families: the loss falls, a frozen trunk stays."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_vla import save_pi0, save_pi05, save_smolvla

from igrft.config import as_dict, parse
from igrft.episodes.sampler import chunk_rows
from igrft.policies.protocol import Batch, Policy
from igrft.policies.registry import create
from igrft.policies.serving import Agent
from igrft.training import checkpoint as checkpoints
from igrft.training.config import TrainingConfig
from igrft.training.dataset import Dataset
from igrft.training.request import StageRequest
from igrft.training.stages import Progress, StageRun
from igrft.types import DecodedEpisode, Observation

LEROBOT = pytest.mark.skipif(
    importlib.util.find_spec('lerobot') is None,
    reason="LeRobot (extra 'lerobot', Python 3.12 or newer) is not installed",
)
PEFT = pytest.mark.skipif(importlib.util.find_spec('peft') is None, reason="peft (extra 'lora') is not installed")
PLAIN = ('model.attention=eager', 'model.tuning.precision=float32', 'model.tuning.gradient_checkpointing=false')
STEPS = {'sft': 90, 'offline_rl': 10, 'hil': 10}


def overrides_of(family: str, folder: Path, trunk: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """What makes the shipped configuration a tiny one."""
    size = ('spec.image_size=16', 'spec.horizon=8')
    if family == 'act':
        return (f'model.trunk_weights={trunk}', 'spec.image_size=16', 'model.width=16', 'model.heads=2')
    if family.startswith('pi0-'):
        save_pi0(folder)
        more = ('model.tuning.train=lora', 'model.tuning.lora_rank=4') if family == 'pi0-lora' else ()
        return (f'model.weights={folder}', "model.tokenizer=''", *size, *PLAIN, *more)
    save = {'pi05': save_pi05, 'smolvla': save_smolvla}[family]
    own = save(folder, monkeypatch)
    return (f'model.weights={folder}', f'model.tokenizer={folder}', 'model.tuning.precision=float32', *size, *own)


def digest(policy: Policy, stays: Callable[[str], bool]) -> str:
    """A hash of the weights whose names say that they stay."""
    found = hashlib.sha256()
    for name, tensor in sorted(policy.state_dict().items()):
        if stays(name):
            found.update(name.encode() + tensor.detach().float().numpy().tobytes())
    return found.hexdigest()


def demonstrated_loss(policy: Policy, episodes: list[DecodedEpisode]) -> float:
    """The loss on the demonstrations, with the same noise for every policy."""
    dataset = Dataset.build(episodes, policy)
    starts = np.flatnonzero(dataset.demonstration.numpy())
    rows, exists = chunk_rows(starts, dataset.ends, policy.spec.horizon)
    batch = Batch(dataset.inputs(starts), dataset.actions[torch.from_numpy(rows)], torch.from_numpy(exists))
    with torch.no_grad():
        return float(policy.eval().loss(batch, generator=torch.Generator().manual_seed(0)).total)


FROZEN: dict[str, Callable[[str], bool]] = {
    'act': lambda name: name.startswith('trunk.'),
    'pi0-expert': lambda name: '.vlm.' in name,
    'pi0-lora': lambda name: '.vlm.' in name and 'lora_' not in name,
    'pi05': lambda name: '.paligemma.' in name,
    'smolvla': lambda name: '.vlm.' in name,
}


@pytest.mark.parametrize(
    'family',
    [
        'act',
        'pi0-expert',
        pytest.param('pi0-lora', marks=PEFT),
        pytest.param('pi05', marks=LEROBOT),
        pytest.param('smolvla', marks=LEROBOT),
    ],
)
def test_every_stage_learns_and_the_trunk_stays(
    family: str,
    config: TrainingConfig,
    episodes: list[DecodedEpisode],
    spec: dict[str, Any],
    trunk_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    overrides = overrides_of(family, tmp_path / 'weights', trunk_file, monkeypatch)
    data = as_dict(config)
    data |= {'warmup': 5, 'log_every': 1, 'batch': 24, 'ema': 0.9}
    for stage, steps in STEPS.items():
        if family == 'pi0-lora' and stage == 'sft':
            steps = 2 * steps  # around frozen random weights they learn slowly
        data[stage] |= {'steps': steps, 'learning_rate': 1e-2 if stage == 'sft' else 1e-3}
    settings = parse(data, TrainingConfig, 'test')
    request = StageRequest(
        stage='sft',
        task='block_stacking',
        root=tmp_path / 'run',
        policy=family.partition('-')[0],
        policy_overrides=overrides,
        spec=spec,
    )
    seen: list[Progress] = []
    sft = StageRun(request, settings, seen.append).run(episodes)
    offline = StageRun(replace(request, stage='offline_rl', parent=sft.path), settings, seen.append).run(episodes)
    hil = StageRun(replace(request, stage='hil', round=1, parent=offline.path), settings, seen.append).run(episodes)
    for stage in ('offline_rl', 'hil'):
        critic = [p.loss for p in seen if p.stage == stage and p.part == 'critic']
        policy = [p.loss for p in seen if p.stage == stage and p.part == 'policy']
        assert len(critic) == 4 and len(policy) == STEPS[stage] and np.isfinite(critic + policy).all()
    assert ('critic_again' in {p.part for p in seen}) is (family == 'pi0-lora'), 'where the trunk is trained'

    stays = FROZEN[family]
    loaded = [checkpoints.load(str(c.path)) for c in (sft, offline, hil)]
    assert len({digest(c.policy, stays) for c in loaded}) == 1
    assert len({digest(c.policy, lambda name: not stays(name)) for c in loaded}) == 3

    fresh = create(request.policy, overrides=overrides, **spec)
    fresh.normalisation.load_state_dict(loaded[0].policy.normalisation.state_dict())
    start, *after = [demonstrated_loss(p, episodes) for p in (fresh, *(c.policy for c in loaded))]
    assert all(loss < (0.99 if family == 'pi0-lora' else 0.95) * start for loss in after), (start, after)

    episode = episodes[0]
    observation = Observation(
        0.0, {name: np.asarray(frames[0]) for name, frames in episode.images.items()}, episode.proprio[0], 'stack'
    )
    (chunk,) = Agent(loaded[2].policy, loaded[2].critic).act([observation], [torch.Generator().manual_seed(0)])
    assert chunk.actions.shape == (8, 7) and np.isfinite(chunk.actions).all() and np.isfinite(chunk.value)


def test_the_anchor_holds_a_frozen_trunk_once(
    config: TrainingConfig, episodes: list[DecodedEpisode], spec: dict[str, Any], tmp_path: Path
) -> None:
    save_pi0(tmp_path / 'weights')
    overrides = (f'model.weights={tmp_path / "weights"}', "model.tokenizer=''", 'spec.image_size=16', 'spec.horizon=8')
    request = StageRequest(
        stage='sft',
        task='block_stacking',
        root=tmp_path / 'run',
        policy='pi0',
        policy_overrides=(*overrides, *PLAIN),
        spec=spec,
    )
    sft = StageRun(request, config).run(episodes)
    policy, reference = (checkpoints.load(str(sft.path)).policy for _ in range(2))
    checkpoints.share_frozen(policy, reference)
    shared = {n: p.data_ptr() == dict(policy.named_parameters())[n].data_ptr() for n, p in reference.named_parameters()}
    assert all(shared[n] is not p.requires_grad for n, p in policy.named_parameters())
