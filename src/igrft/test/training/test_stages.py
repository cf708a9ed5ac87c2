# SPDX-License-Identifier: Apache-2.0
"""The three stages on tiny data: they learn, resume identically, refuse what does not fit."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from igrft.config import as_dict, parse
from igrft.policies import registry
from igrft.policies.pretrained import save_trunk
from igrft.policies.trunk import Trunk, TrunkConfig
from igrft.training import checkpoint as checkpoints
from igrft.training.checkpoint import CheckpointError, alone, default_parent
from igrft.training.config import StageConfig, TrainingConfig
from igrft.training.dataset import DataError
from igrft.training.objectives import shares
from igrft.training.request import StageRequest, checkpoint_id
from igrft.training.stages import Progress, StageRun, Stopped
from igrft.types import DecodedEpisode, Outcome

Make = Callable[..., DecodedEpisode]


def weights(path: Path | None, name: str = 'policy') -> dict[str, torch.Tensor]:
    assert path is not None
    return load_file(path / f'{name}.safetensors')


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def test_the_three_stages_make_three_checkpoints(
    request_sft: StageRequest, config: TrainingConfig, episodes: list[DecodedEpisode]
) -> None:
    seen: list[Progress] = []
    sft = StageRun(request_sft, config, seen.append).run(episodes)
    assert sft.critic is None and sft.lineage == ()
    offline = StageRun(replace(request_sft, stage='offline_rl', parent=sft.path), config, seen.append).run(episodes)
    assert offline.critic is not None and offline.lineage == (sft.id,)
    hil = StageRun(replace(request_sft, stage='hil', round=1, parent=offline.path), config, seen.append).run(episodes)
    assert hil.lineage == (sft.id, offline.id)
    assert [p.step for p in seen if p.stage == 'offline_rl'] == list(range(1, 9))
    assert {p.part for p in seen if p.stage == 'hil'} == {'critic', 'policy'}
    manifest = checkpoints.read_manifest(hil.path)  # type: ignore[arg-type]
    assert manifest['excluded'] == {'0007': 'kind is evaluation'}
    assert not torch.equal(weights(sft.path)['experts.leave.1.weight'], weights(offline.path)['experts.leave.1.weight'])
    trunk = [name for name in weights(sft.path) if name.startswith('trunk.')]
    assert trunk and all(torch.equal(weights(sft.path)[n], weights(hil.path)[n]) for n in trunk)


@pytest.mark.parametrize('stage', ['sft', 'offline_rl'])
def test_an_interrupted_stage_ends_like_an_uninterrupted_one(
    stage: str, request_sft: StageRequest, config: TrainingConfig, episodes: list[DecodedEpisode], tmp_path: Path
) -> None:
    request = request_sft
    if stage != 'sft':
        parent = StageRun(request, config).run(episodes)
        request = replace(request, stage=stage, parent=parent.path)
    whole = StageRun(request, config).run(episodes)
    # The same again elsewhere, stopped after every second step.
    elsewhere = replace(request, root=tmp_path / 'again')
    runs = 0
    while True:
        calls = iter(range(1, 100))
        try:
            resumed = StageRun(elsewhere, config, stop=lambda calls=calls: next(calls) % 2 == 0).run(episodes)
            break
        except Stopped:
            runs += 1
    assert runs >= 2
    assert resumed.id == whole.id
    assert_same(weights(whole.path), weights(resumed.path))
    if whole.critic is not None:
        assert_same(weights(whole.path, 'critic'), weights(resumed.path, 'critic'))
    assert not list((tmp_path / 'again' / 'checkpoints').glob('.*'))


def test_a_finished_training_is_not_repeated(
    request_sft: StageRequest, config: TrainingConfig, episodes: list[DecodedEpisode], make_episode: Make
) -> None:
    first = StageRun(request_sft, config).run(episodes)
    seen: list[Progress] = []
    again = StageRun(request_sft, config, seen.append).run(episodes)
    assert again.id == first.id and not seen
    other = StageRun(request_sft, config).run([*episodes, make_episode(8)])
    assert other.id != first.id


def test_other_labels_are_another_training(
    request_sft: StageRequest, config: TrainingConfig, episodes: list[DecodedEpisode], trunk_file: Path
) -> None:
    one, *rest = episodes
    other = replace(one, rewards=one.rewards + 1)
    failed = replace(one, info=replace(one.info, outcome=Outcome.FAILURE))
    earlier = replace(one, subtask_times=one.subtask_times - 1)
    offline = replace(request_sft, stage='offline_rl', parent=Path('sft-a'))
    names = [checkpoint_id(request_sft, config, [e, *rest]) for e in (one, other, failed, earlier)]
    assert names[0] == names[1] and len(set(names)) == 3, 'without a critic rewards do not matter'
    assert len({checkpoint_id(offline, config, [e, *rest]) for e in (one, other, failed, earlier)}) == 4
    assert names[0] == checkpoint_id(request_sft, config, [*rest, one])
    trunk = Trunk(request_sft.spec['cameras'], 16, 17, 2, TrunkConfig(stem=4, width=4, keypoints=3, hidden=8, latent=6))
    save_trunk(trunk, trunk_file, ('a', 'b'), TrunkConfig(stem=4, width=4, keypoints=3, hidden=8, latent=6), 16)
    assert checkpoint_id(request_sft, config, episodes) != names[0], 'another trunk under the same name'


def test_a_critic_sees_what_the_policy_that_is_served_with_it_sees(
    request_sft: StageRequest, config: TrainingConfig, episodes: list[DecodedEpisode]
) -> None:
    request = replace(request_sft, policy_overrides=(*request_sft.policy_overrides, 'model.train_trunk=true'))
    sft = StageRun(request, config).run(episodes)
    seen: list[Progress] = []
    offline = replace(request, stage='offline_rl', parent=sft.path)
    result = StageRun(offline, config, seen.append).run(episodes)
    steps = config.offline_rl.critic_steps
    assert list(dict.fromkeys(p.part for p in seen)) == ['critic', 'policy', 'critic_again']
    assert seen[-1].step == seen[-1].total == result.step == 2 * steps + config.offline_rl.steps


def test_a_stage_goes_on_from_its_own_task(
    request_sft: StageRequest, config: TrainingConfig, make_episode: Make
) -> None:
    root = request_sft.root
    ids = {}
    for number, task in enumerate(('block_stacking', 'drink_shelving', '')):
        shown = [replace(e, info=replace(e.info, task=task or 'block_stacking')) for e in [make_episode(1)]]
        path = StageRun(replace(request_sft, task=task), config).run(shown).path
        assert path is not None
        os.utime(path / 'manifest.json', (number, number))
        ids[task] = str(path)
    assert default_parent(root, 'offline_rl', 'block_stacking') == ids[''], 'one for several tasks is newer'
    shutil.rmtree(ids[''])
    assert default_parent(root, 'offline_rl', 'block_stacking') == ids['block_stacking']
    assert default_parent(root, 'sft', 'block_stacking') == default_parent(root, 'hil', 'parcel_packing') == ''
    request = replace(request_sft, stage='hil', round=4, parent=Path(ids['block_stacking']))
    later = StageRun(request, config).run([make_episode(1)]).path
    assert later is not None
    assert default_parent(root, 'hil', 'block_stacking') == str(later)
    saved = (later / 'manifest.json').stat().st_mtime + 1
    os.utime(Path(ids['block_stacking']) / 'manifest.json', (saved, saved))
    assert default_parent(root, 'hil', 'block_stacking') == ids['block_stacking'], 'SFT was trained again'
    shutil.rmtree(later)
    (Path(ids['block_stacking']) / 'manifest.json').write_text('{')
    assert default_parent(root, 'offline_rl', 'block_stacking') == '', 'damaged'


def test_only_one_process_does_a_training(
    request_sft: StageRequest, config: TrainingConfig, episodes: list[DecodedEpisode]
) -> None:
    with (
        alone(request_sft.root, checkpoint_id(request_sft, config, episodes)),
        pytest.raises(CheckpointError, match='another process trains sft-'),
    ):
        StageRun(request_sft, config).run(episodes)
    assert StageRun(request_sft, config).run(episodes).path is not None


def test_a_damaged_state_names_the_file_to_remove(
    request_sft: StageRequest, config: TrainingConfig, episodes: list[DecodedEpisode]
) -> None:
    with pytest.raises(Stopped):
        StageRun(request_sft, config, stop=lambda: True).run(episodes)
    (state,) = (request_sft.root / 'checkpoints').glob('.*/*.safetensors')
    state.write_bytes(b'not a state')
    with pytest.raises(ValueError, match=rf'{state}: not a training state .*remove it'):
        StageRun(request_sft, config).run(episodes)


def test_sft_learns_the_demonstrations(request_sft: StageRequest, config: TrainingConfig, make_episode: Make) -> None:
    data = as_dict(config)
    data['sft']['steps'], data['batch'], data['sft']['learning_rate'] = 300, 256, 0.01
    data['log_every'] = 25
    seen: list[Progress] = []
    run = StageRun(request_sft, parse(data, TrainingConfig, 'test'), seen.append)
    run.run([make_episode(i) for i in range(6)])
    assert seen[-1].loss < 0.75 * seen[0].loss


def test_nothing_usable_is_an_error_with_reasons(
    request_sft: StageRequest, config: TrainingConfig, make_episode: Make
) -> None:
    bad = make_episode(1)
    bad.rewards[3] = np.nan
    others = [
        make_episode(2, outcome=Outcome.FAILURE),
        make_episode(3, outcome=Outcome.UNLABELLED),
        make_episode(4, action_dim=14),
    ]
    with pytest.raises(DataError) as error:
        StageRun(request_sft, config).run([bad, *others])
    for reason in (
        'rewards has values',
        'outcome is failure',
        'outcome is unlabelled',
        'action size is 14, the policy has 7',
    ):
        assert reason in str(error.value)


def test_rl_needs_a_checkpoint(
    request_sft: StageRequest, config: TrainingConfig, episodes: list[DecodedEpisode]
) -> None:
    with pytest.raises(CheckpointError, match='train sft first'):
        StageRun(replace(request_sft, stage='offline_rl'), config).run(episodes)


def test_a_critic_of_another_make_is_begun_anew(
    request_sft: StageRequest, config: TrainingConfig, episodes: list[DecodedEpisode]
) -> None:
    sft = StageRun(request_sft, config).run(episodes)
    request = replace(request_sft, stage='offline_rl', parent=sft.path)
    older = StageRun(request, replace(config, critic=replace(config.critic, ensemble=2))).run(episodes)
    later = StageRun(replace(request, stage='hil', round=1, parent=older.path), config).run(episodes)
    assert older.critic is not None and later.critic is not None
    assert (older.critic.config.ensemble, later.critic.config.ensemble) == (2, config.critic.ensemble)


def test_a_stage_begun_anew_forgets_what_the_parent_learned(
    request_sft: StageRequest, config: TrainingConfig, episodes: list[DecodedEpisode]
) -> None:
    parent = StageRun(request_sft, config).run(episodes)
    torch.manual_seed(config.seed)
    first = registry.create(request_sft.policy, overrides=request_sft.policy_overrides, **request_sft.spec)
    apart = {}
    for anew in (False, True):
        hil = replace(config.hil, anew=anew, anchor=0.0, learning_rate=1e-7)
        request = replace(request_sft, stage='hil', round=1, parent=parent.path)
        begun = StageRun(request, replace(config, hil=hil)).run(episodes)
        assert begun.lineage == (parent.id,)
        assert_same(parent.policy.normalisation.state_dict(), begun.policy.normalisation.state_dict())
        name = 'experts.leave.1.weight'
        found = weights(begun.path)[name]
        sources = {'parent': weights(parent.path)[name], 'first': first.state_dict()[name]}
        apart[anew] = {of: float((found - source).abs().max()) for of, source in sources.items()}
    assert apart[False]['parent'] < 1e-6 < apart[False]['first']
    assert apart[True]['first'] < 1e-6 < apart[True]['parent']


def test_beginning_anew_needs_the_policy_that_the_parent_is(
    request_sft: StageRequest, config: TrainingConfig, episodes: list[DecodedEpisode]
) -> None:
    parent = StageRun(request_sft, config).run(episodes)
    config = replace(config, hil=replace(config.hil, anew=True, anchor=0.0))
    nudged = (*request_sft.policy_overrides, 'model.nudge=0.04')
    for overrides, differing in ((nudged, r'model.nudge is 0.04, not 0.02'), ((), r'model.width is \d+, not \d+')):
        other = replace(request_sft, stage='hil', parent=parent.path, policy_overrides=overrides)
        with pytest.raises(CheckpointError, match=f'{differing}.*name the policy that it was trained as'):
            StageRun(other, config).run(episodes)


def test_damage_and_misfit_are_refused_by_file_and_field(
    request_sft: StageRequest, config: TrainingConfig, episodes: list[DecodedEpisode], spec: dict[str, Any]
) -> None:
    path = StageRun(request_sft, config).run(episodes).path
    assert path is not None
    for field, value in (('action_dim', 14), ('proprio_dim', 34), ('policy', 'pi0')):
        with pytest.raises(CheckpointError, match=rf'policy\.json: {field} is .*, here .*{value}'):
            checkpoints.load(path, {**spec, field: value})
    file = path / 'policy.safetensors'
    file.write_bytes(file.read_bytes()[:-1] + b'\x7f')
    with pytest.raises(CheckpointError, match=r'policy\.safetensors: its content does not match'):
        checkpoints.load(path)
    file.unlink()
    with pytest.raises(CheckpointError, match=r'policy\.safetensors: missing'):
        checkpoints.load(path)
    (path / 'manifest.json').write_text(json.dumps({'format': 99}))
    with pytest.raises(CheckpointError, match=r'manifest\.json: format'):
        checkpoints.load(path)
    with pytest.raises(CheckpointError, match='not a checkpoint'):
        checkpoints.load(path.parent)


def test_every_step_of_the_union_is_drawn_as_often_as_the_mix_says() -> None:
    groups = {'demonstration': np.arange(300), 'human': np.arange(20), 'policy': np.arange(0)}
    stage = StageConfig(steps=1, mix={'demonstration': 1, 'policy': 1, 'human': 2})
    assert shares(stage, groups) == {'demonstration': 300, 'policy': 0, 'human': 40}
    assert shares(replace(stage, balanced=True), groups) == {'demonstration': 1, 'policy': 1, 'human': 2}
