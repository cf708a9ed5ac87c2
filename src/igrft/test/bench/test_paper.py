# SPDX-License-Identifier: Apache-2.0
"""The paper benchmark: a smoke run from nothing, what it writes, and that finished cells are not run again."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from igrft.bench import paper, report, runner
from igrft.bench.config import Job, MethodConfig, ProfileConfig, constants
from igrft.bench.experiment import Experiment
from igrft.bench.tables import less, pooled, table, time_table
from igrft.bench.work import recorded_by
from igrft.config import ConfigError, as_dict, config_dir, named
from igrft.method.critic import Critic, CriticConfig
from igrft.method.temperature import TemperatureConfig
from igrft.policies.serving import Agent
from igrft.reward.hybrid import HybridConfig
from igrft.rollout.statistics import Z_95, paired_difference

pytestmark = pytest.mark.timeout(300)  # whoever comes first waits for the smoke run

METHODS = sorted(path.stem for path in (config_dir() / 'methods').glob('*.yaml'))
KEYS = {'task', 'method', 'seed', 'split', 'n', 'successes', 'progress', 'demos', 'rollouts', 'interventions',
        'train_s', 'commit'}  # fmt: skip


@pytest.fixture(scope='module')
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip('igrft_sim')
    pytest.importorskip('matplotlib')
    out: Path = tmp_path_factory.mktemp('paper')
    assert paper.main(['--profile', 'smoke', '--jobs', '1', '--out', str(out)]) == 0
    return out


def test_every_cell_gives_its_rows_and_the_report(smoke: Path) -> None:
    rows = json.loads((smoke / 'report/results.json').read_text())
    assert [(row['method'], row['split'], row['n']) for row in rows] == [('sft', 'in', 2), ('ig_rft', 'in', 2)]
    assert all(set(row) == KEYS for row in rows)
    sft, full = rows
    assert sft['rollouts'] == sft['interventions'] == 0
    assert full['rollouts'] == 1 and full['demos'] > 0 and full['train_s'] > 0
    text = (smoke / 'report/results.md').read_text()
    assert all(part in text for part in ('| IG-RFT |', '| SFT |', 'data_efficiency.png', '## What the sweep chose'))
    assert (smoke / 'report/data_efficiency.png').stat().st_size > 5000
    films = list((smoke / 'report/films').iterdir())
    assert films and all(film.name in text for film in films)


def test_what_has_run_on_some_tasks_says_on_which() -> None:
    row = {'seed': 0, 'split': 'in', 'n': 4, 'progress': 0.5, 'outcomes': '1100', 'successes': 2}
    row |= {'demos': 10, 'rollouts': 0, 'interventions': 0}
    tasks = ('block_stacking', 'drink_shelving')
    rows = [row | {'task': task, 'method': method} for task in tasks for method in ('sft', 'ig_rft')]
    lines = table([*rows, row | {'task': tasks[0], 'method': 'awr'}], 'in')
    assert [line.split(' | ')[0] for line in lines[-4:-1]] == ['| SFT', '| IG-RFT', '| AWR (block_stacking)']


def test_minutes_are_averaged_over_cells_and_the_sweep_is_apart(tmp_path: Path) -> None:
    seconds = [{'sft': 60.0, 'sweep': 30.0, 'all': 120.0}, {'sft': 0.0, 'sweep': 90.0, 'all': 120.0}]
    cells = [(Job('block_stacking', 'sft', seed, tmp_path), {'seconds': each}) for seed, each in enumerate(seconds)]
    head, _, row = [line.split(' | ') for line in time_table(cells) if line.startswith('|')]
    shown = dict(zip(head, row, strict=True))
    assert shown == {'| method': '| SFT', 'SFT': '0.5', 'sweep': '1.0', 'all |': '2.0 |'}


def test_one_policy_learns_from_every_task_of_the_robot(smoke: Path, monkeypatch) -> None:
    known = import_module('igrft_sim.tasks').TASKS
    some = {task: known[task] for task in ('block_stacking', 'drink_shelving', 'sort_hand_over')}
    monkeypatch.setattr('igrft_sim.tasks.TASKS', some)
    profile = named('bench', 'smoke', ProfileConfig, ['methods=[ig_rft, ig_rft_joint]', 'tasks=[]'])
    names = [job.name for job in runner.jobs_of(profile, smoke)]
    assert 'drink_shelving-ig_rft_joint-0' in names and 'sort_hand_over-ig_rft_joint-0' not in names
    made = []
    for task in ('block_stacking', 'drink_shelving'):
        experiment = Experiment(Job(task, 'ig_rft_joint', 0, smoke), profile)
        try:
            made.append(experiment.train())
        finally:
            experiment.pool.close()
        assert experiment.last is not None and experiment.last.stage == 'hil'
        assert experiment.last.config.hil.steps == 2 * experiment.training.hil.steps, 'of two tasks'
        tasks = Counter(record.episode.info.task for record in experiment.last.data)
        assert set(tasks) == {'block_stacking', 'drink_shelving'}, 'the other robot has two arms'
        assert experiment.tally.rollouts == 2 and experiment.tally.demos == sum(tasks.values()) - 2
        assert not experiment.tally.curve, 'what a single task taught is no point of its curve'
    assert made[0].id == made[1].id and made[0].path == made[1].path, 'one policy, made once'
    assert made[0].about['task'] == ''
    used = constants(profile, named('methods', 'ig_rft_joint', MethodConfig), 'block_stacking')['training']
    assert {'sft', 'offline_rl', 'hil'} <= set(used), 'a cell depends on the trainings that it joins'


def test_a_second_call_runs_nothing_and_an_interrupted_one_goes_on(smoke: Path, capsys, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (smoke / 'cells').iterdir()}
    (smoke / 'cells' / 'block_stacking-sft-0.json').unlink()
    shutil.rmtree(smoke / 'work')  # the committed report alone is enough to know that a cell is finished
    assert paper.main(['--profile', 'smoke', '--jobs', '1', '--out', str(smoke)]) == 0
    assert '2 cells, 2 of them finished before' in capsys.readouterr().out
    for path, changed in before.items():
        assert path.is_file() and (path.stat().st_mtime_ns == changed or 'sft' in path.name)


def test_a_cell_made_with_another_configuration_is_not_taken(smoke: Path, tmp_path: Path) -> None:
    profile = named('bench', 'smoke', ProfileConfig, ['replan_steps=3'])
    jobs = runner.jobs_of(profile, tmp_path)
    refused = report.restore(jobs, smoke / 'report', profile)
    assert len(refused) == 2 and 'another configuration' in refused[0]
    assert not any(job.result.is_file() for job in jobs)


def test_a_report_of_one_method_keeps_the_others_cells(smoke: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / 'report'
    shutil.copytree(smoke / 'report', folder)
    arguments = ['--profile', 'smoke', '--methods', 'sft', '--only-report', '--out', str(tmp_path / 'out')]
    assert paper.main([*arguments, '--report', str(folder)]) == 0
    for name in ('results.json', 'details.json'):
        assert json.loads((folder / name).read_text()) == json.loads((smoke / 'report' / name).read_text()), name
    text = (folder / 'results.md').read_text()
    assert '1 of 1, and 1 of other commands' in text and text.index('| SFT |') < text.index('| IG-RFT |')
    cells = json.loads((folder / 'details.json').read_text())
    cells['block_stacking-ig_rft-0']['constants']['training']['hil']['steps'] += 1
    (folder / 'details.json').write_text(json.dumps(cells))
    assert paper.main([*arguments, '--report', str(folder)]) == 0
    assert list(json.loads((folder / 'details.json').read_text())) == ['block_stacking-sft-0'], (
        'not comparable any more'
    )


@pytest.mark.parametrize('part', ['task', 'robot'])
def test_a_cell_on_another_task_or_robot_is_not_taken_and_one_that_did_not_note_them_is(
    smoke: Path, tmp_path: Path, part: str
) -> None:
    (tmp_path / 'report').mkdir()
    cells = json.loads((smoke / 'report/details.json').read_text())
    for cell in cells.values():
        cell['constants'][part]['name'] = 'another'
    cells['block_stacking-sft-0']['constants'].pop(part)
    (tmp_path / 'report/details.json').write_text(json.dumps(cells))
    jobs = runner.jobs_of(named('bench', 'smoke', ProfileConfig), tmp_path)
    refused = report.restore(jobs, tmp_path / 'report', named('bench', 'smoke', ProfileConfig))
    assert len(refused) == 1 and 'ig_rft' in refused[0]


@pytest.mark.parametrize('changed', ['hil', 'trunk'])
def test_a_cell_trained_with_other_constants_is_not_taken(smoke: Path, tmp_path: Path, changed: str) -> None:
    folder = tmp_path / 'report'
    folder.mkdir()
    cells = json.loads((smoke / 'report/details.json').read_text())
    for cell in cells.values():
        assert 'hil' in cell['constants']['training'] or not cell['method']['rounds']
    constants = cells['block_stacking-ig_rft-0']['constants']
    if changed == 'hil':
        constants['training']['hil']['steps'] += 1
    else:
        constants['policy']['frozen'] = 'other weights'
    (folder / 'details.json').write_text(json.dumps(cells))
    profile = named('bench', 'smoke', ProfileConfig)
    refused = report.restore(runner.jobs_of(profile, tmp_path), folder, profile)
    assert len(refused) == 1 and 'ig_rft' in refused[0]


def test_a_cell_of_an_earlier_run_with_another_configuration_is_put_aside(smoke: Path, tmp_path: Path) -> None:
    shutil.copytree(smoke / 'cells', tmp_path / 'cells')
    jobs = runner.jobs_of(named('bench', 'smoke', ProfileConfig), tmp_path)
    assert not report.restore(jobs, tmp_path / 'report', named('bench', 'smoke', ProfileConfig))
    assert all(job.result.is_file() for job in jobs)
    refused = report.restore(jobs, tmp_path / 'report', named('bench', 'smoke', ProfileConfig, ['replan_steps=3']))
    assert len(refused) == 2 and str(tmp_path / 'cells') in refused[0]
    assert not any(job.result.is_file() for job in jobs)
    assert len(list((tmp_path / 'cells').glob('*.other'))) == 2, 'nothing is lost'


def test_a_failing_cell_is_reported_and_leaves_no_result(tmp_path: Path, monkeypatch) -> None:
    def explode(*_: object) -> None:
        raise RuntimeError('no luck')

    monkeypatch.setattr('igrft.bench.experiment.Experiment', explode)
    said: list[str] = []
    profile = named('bench', 'smoke', ProfileConfig)
    jobs = runner.jobs_of(profile, tmp_path)
    assert runner.run(jobs, profile, 1, None, said.append, lambda: None) == 2
    assert 'no luck' in said[1] and not (tmp_path / 'cells').exists()
    assert 'no luck' in (tmp_path / 'logs' / f'{jobs[0].name}.log').read_text()


def test_what_explores_otherwise_records_elsewhere() -> None:
    profile = named('bench', 'smoke', ProfileConfig)
    reward = HybridConfig()

    used = constants(profile, named('methods', 'sft', MethodConfig), 'block_stacking')

    def folder(agent: Agent | None, profile: ProfileConfig = profile, **changed: object) -> str:
        return recorded_by(agent, profile, reward, used | changed)

    def agent(alpha: float, critic: bool = True) -> Agent:
        temperature = TemperatureConfig(alpha=alpha)
        return Agent(MagicMock(), Critic(4, CriticConfig()) if critic else None, temperature, 'offline_rl-1')

    assert folder(agent(0.0)) != folder(agent(0.5)) == folder(agent(0.5))
    assert folder(agent(0.0, critic=False)) == folder(agent(0.5, critic=False)), 'without a critic there is no p_int'
    assert folder(agent(0.5)).startswith('offline_rl-1-') and folder(None).startswith('operator-')
    other = {'policy': {'frozen': 'b'}, 'task': used['task'] | {'max_duration': 1.0}, 'robot': {}}
    changed = {folder(None), *(folder(None, **{name: value}) for name, value in other.items())}
    changed |= {folder(None, replace(profile, replan_steps=4)), folder(None, replace(profile, habits={}))}
    assert len(changed) == 6


def test_bad_arguments_are_named(capsys) -> None:
    assert paper.main(['--profile', 'qick']) == 2
    assert 'quick' in capsys.readouterr().err
    assert paper.main(['--profile', 'smoke', '--set', 'sclae=0.1']) == 2
    assert 'scale' in capsys.readouterr().err


@pytest.mark.parametrize('name', METHODS)
def test_every_shipped_method_is_sound(name: str) -> None:
    method = named('methods', name, MethodConfig)
    assert method.title
    if method.sft_extra:
        assert named('methods', method.sft_extra, MethodConfig).rounds
    if method.joint:
        assert not named('methods', method.joint, MethodConfig).joint


def test_profiles_name_known_methods() -> None:
    known = set(METHODS)
    for profile in ('full', 'lean', 'quick', 'smoke'):
        assert set(named('bench', profile, ProfileConfig).methods) <= known
    with pytest.raises(ConfigError, match='scale'):
        named('bench', 'smoke', ProfileConfig, ['scale=2'])
    with pytest.raises(ConfigError, match='demonstration_scale'):
        named('bench', 'smoke', ProfileConfig, ['demonstration_scale=0'])


def test_differences_are_paired_episode_by_episode() -> None:
    def row(outcomes: str, seed: int = 0) -> dict[str, object]:
        return {'task': 't', 'seed': seed, 'outcomes': outcomes, 'n': len(outcomes), 'successes': outcomes.count('1'),
                'progress': 0.5}  # fmt: skip

    reference = [row('1111'), row('1111', 1)]
    assert less([row('1111')], reference) == '0.0 ± 0.0'
    assert less([row('0011')], reference).startswith('50.0 ± ')
    assert less(reference, reference) == ''
    success, progress = pooled(reference)
    assert (success.successes, success.n, progress) == (8, 8, 0.5)


def test_the_interval_of_a_difference_counts_how_trainings_differ() -> None:
    even, none, all_ = [0, 0, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1]
    of_episodes = Z_95 * 0.5 / 8**0.5
    assert paired_difference([[even, even]]) == pytest.approx((0.5, of_episodes)), 'trainings that agree'
    assert paired_difference([[none], [all_]]) == pytest.approx((0.5, of_episodes)), 'a task says nothing of another'
    # s² = 1/2 of two trainings, t of one degree of freedom; with a task that does not vary, half of it
    assert paired_difference([[none, all_]]) == pytest.approx((0.5, 12.7062 * 0.5), rel=1e-4)
    assert paired_difference([[none, all_], [even, even]]) == pytest.approx((0.5, 12.7062 * 0.25), rel=1e-4)
    assert paired_difference([[none, all_], [none, all_]]) == pytest.approx((0.5, 4.30265 * 0.125**0.5), rel=1e-4)
    assert paired_difference([[none, none, none], [all_, all_]])[0] == pytest.approx(0.4), 'as the columns pool them'


def test_seeds_of_repetitions_and_uses_never_meet(tmp_path: Path) -> None:
    used: set[int] = set()
    for seed in range(3):
        job = Job('t', 'm', seed, tmp_path)
        for use, count in ((0, 200), (20_000, 200), (41_000, 100), (44_000, 100), (60_000, 100), (80_000, 100)):
            seeds = set(job.seeds(use, count))
            assert not seeds & used
            used |= seeds
    assert max(used) < as_dict(named('bench', 'full', ProfileConfig))['evaluation_seed']
