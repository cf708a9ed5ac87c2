# SPDX-License-Identifier: Apache-2.0
"""One cell of the table: a method on a task with a seed, from nothing to its rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from igrft.bench import record as records
from igrft.bench.config import (
    CURVE,
    DEMONSTRATIONS,
    ROLLOUTS,
    ROUNDS,
    Job,
    MethodConfig,
    ProfileConfig,
    constants,
    robot_tasks,
)
from igrft.bench.episode_run import Plan
from igrft.bench.record import Record
from igrft.bench.rollouts import Rollouts, interventions_of
from igrft.bench.trials import Trials, score
from igrft.bench.work import Tally, Training, locked, recorded_by, with_steps
from igrft.config import RobotConfig, TaskConfig, as_dict, named
from igrft.policies import registry
from igrft.policies.serving import Agent
from igrft.reward.hybrid import HybridConfig
from igrft.training.checkpoint import Checkpoint
from igrft.training.config import TrainingConfig
from igrft.training.request import StageRequest, checkpoint_id
from igrft.training.stages import StageRun
from igrft.training.worker import robot_spec
from igrft.types import Kind

Say = Callable[[str], None]


class Experiment:
    """Runs a job; every episode and every training that another job or an earlier run has done is read, not redone."""

    def __init__(self, job: Job, profile: ProfileConfig, say: Say = lambda line: None) -> None:
        self.job, self.profile, self.say = job, profile, say
        self.method = named('methods', job.method, MethodConfig)
        self.robot = named('robots', named('tasks', job.task, TaskConfig).robot, RobotConfig)
        overrides = (*profile.training_overrides, *self.method.training)
        self.reward = named('reward', profile.reward, HybridConfig, self.method.reward)
        training = named('training', profile.training, TrainingConfig, overrides)
        self.training = replace(training, seed=job.seed)
        plain = named('training', profile.training, TrainingConfig, profile.training_overrides)
        self.shared = replace(plain, seed=job.seed)
        torch.set_num_threads(self.training.threads)
        encoder = registry.create(profile.policy, overrides=profile.policy_overrides, **robot_spec(self.robot)).eval()
        self.constants = constants(profile, self.method, job.task)
        self.pool = Rollouts(job.task, self.robot, encoder, profile.cells, self.reward.interaction)
        self.trials = Trials(job, profile, self.pool)
        self.tally = Tally()
        self.temperature: float | None = None
        self.data: list[Record] = []
        self.last: Training | None = None

    def run(self) -> dict[str, Any]:
        """The cell's content, see ``docs/benchmarks/paper``."""
        begin = time.monotonic()
        try:
            final = self._best(self.train())
            rows = self._evaluate(final)
        finally:
            self.pool.close()
        return {
            'rows': rows,
            'curve': self.tally.curve,
            'seconds': self.tally.seconds | {'all': round(time.monotonic() - begin, 1)},
            'chosen': self.tally.chosen,
            'films': self.trials.films,
            'checkpoint': final.id,
            'method': as_dict(self.method),
            'profile': as_dict(self.profile),
            'constants': self.constants,
        }

    # Data ---------------------------------------------------------------------------------------------------

    def _count(self, number: int) -> int:
        return max(1, round(number * self.profile.scale)) if number else 0

    def _episodes(self, kind: Kind, seeds: Sequence[int], agent: Agent | None = None) -> list[Record]:
        """Recorded episodes, read where they exist."""
        folder = self.job.root / 'episodes' / recorded_by(agent, self.profile, self.reward, self.constants)
        paths = {seed: folder / f'{kind.value}-{seed}.npz' for seed in seeds}
        with locked(folder / f'.{kind.value}.lock'), self._timed(kind.value):
            missing = [seed for seed, path in paths.items() if not path.is_file()]
            if missing:
                plan = Plan(
                    kind=kind,
                    seeds=missing,
                    replan_steps=self.profile.replan_steps,
                    habits=dict(self.profile.habits),
                )
                for found in self.pool.run(plan, agent):
                    records.save(paths[found.episode.info.seed], found)
            return [records.load(path) for path in paths.values()]

    def _demonstrations(self) -> list[Record]:
        count = max(1, round(self._count(self.method.demonstrations) * self.profile.demonstration_scale))
        found = self._episodes(Kind.DEMONSTRATION, self.job.seeds(DEMONSTRATIONS, count))
        good = [record for record in found if record.success]
        self.tally.demos = len(good)
        return good

    # Training -----------------------------------------------------------------------------------------------

    def train(self) -> Checkpoint:
        """The method's data and trainings, up to its last checkpoint."""
        if self.method.joint:
            return self._joint()
        self.data = self._demonstrations()
        config = self.shared
        if self.method.sft_extra:
            config = with_steps(config, 'sft', config.sft.steps + self._steps_after_sft(self.method.sft_extra))
        current = self._train('sft', self.data, None, config)
        if self.method.offline_rl or self.method.rounds:
            self._point(current)
        if self.method.rollouts:
            seeds = self.job.seeds(ROLLOUTS, self._count(self.method.rollouts))
            self.data += self._episodes(Kind.ROLLOUT, seeds, self.agent(current))
            self.tally.rollouts += len(seeds)
        if self.method.offline_rl:
            current = self._train('offline_rl', self.data, current, self.training)
            self._point(current)
        for number in range(1, self._count(self.method.rounds) + 1):
            if self.method.new_data:
                self.data += self._round(number, current)
            current = self._train('hil', self.data, current, self.training, number)
            self._point(current)
        return current

    def _joint(self) -> Checkpoint:
        """One policy for the tasks of the robot, from what the method that it joins records on each, with the gradient
        steps of all of them: the same training in each task's cell, so made once.
        """
        tasks = robot_tasks(self.job.task)
        for task in tasks:
            job = replace(self.job, task=task, method=self.method.joint)
            other = Experiment(job, replace(self.profile, curve_episodes=0), self.say)
            try:
                other.train()
            finally:
                other.pool.close()
            self.data += [records.renamed(record, f'{task}-{record.episode.info.id}') for record in other.data]
            self.tally.add(other.tally)
        shown = [record for record in self.data if record.episode.info.kind is Kind.DEMONSTRATION]
        sft, hil = self.training.sft, self.training.hil
        # its critic is new, as that of offline RL
        critic_steps = len(tasks) * self.training.offline_rl.critic_steps
        config = replace(
            self.training,
            sft=replace(sft, steps=len(tasks) * sft.steps),
            hil=replace(hil, steps=len(tasks) * hil.steps, critic_steps=critic_steps),
        )
        current = self._train('sft', shown, None, config)
        if len(shown) < len(self.data):
            current = self._train('hil', self.data, current, config)
        return current

    def _round(self, number: int, current: Checkpoint) -> list[Record]:
        count = self._count(self.method.rollouts_per_round)
        seeds = self.job.seeds(ROUNDS + number * 1000, count)
        kind = Kind.CORRECTION if self.method.corrections else Kind.ROLLOUT
        found = self._episodes(kind, seeds, self.agent(current))
        self.tally.rollouts += len(found)
        self.tally.interventions += interventions_of(found)
        self.say(f'round {number}: {interventions_of(found)} interventions in {len(found)} episodes')
        return found

    def _best(self, trained: Checkpoint) -> Checkpoint:
        """The best of the profile's sweep on validation seeds: the last training with other numbers of gradient steps,
        served at other temperatures. The same for every method; only SFT with another's steps and a policy for several
        tasks keep theirs.
        """
        sweep, usual, last = self.profile.sweep, self.shared.sft.steps, self.last
        assert last is not None
        own = last.config.stage(last.stage).steps
        best: tuple[float, Checkpoint, dict[str, Any]] | None = None
        tried = []
        fixed = self.method.sft_extra or self.method.joint
        for of_sft in (not fixed and sweep.steps) or (usual,):
            steps = round(own * of_sft / usual)
            candidate = trained
            if steps != own:
                candidate = self._stage(replace(last, config=with_steps(last.config, last.stage, steps)), 'sweep')
            for temperature in sweep.temperatures:
                # what one explores with in place of the noise that SFT learned from
                served = None if temperature == 1.0 and last.stage != 'sft' else temperature
                quality, found = self._validated(candidate, served)
                choice = {'steps': steps, 'temperature': served, **found}
                tried.append(choice)
                if best is None or quality > best[0]:
                    best = quality, candidate, choice
        assert best is not None
        self.tally.chosen = best[2] | {'of': tried}
        self.temperature = best[2]['temperature']
        if last.stage == 'sft':
            self._point(best[1])
        return best[1]

    def _validated(self, checkpoint: Checkpoint, temperature: float | None) -> tuple[float, dict[str, Any]]:
        with self._timed('evaluation'):
            return self.trials.validated(self.agent(checkpoint), temperature)

    def _steps_after_sft(self, method: str) -> int:
        other = named('methods', method, MethodConfig)
        overrides = (*self.profile.training_overrides, *other.training)
        config = named('training', self.profile.training, TrainingConfig, overrides)
        return other.offline_rl * config.offline_rl.steps + self._count(other.rounds) * config.hil.steps

    def _train(
        self, stage: str, data: list[Record], parent: Checkpoint | None, config: TrainingConfig, number: int = 0
    ) -> Checkpoint:
        self.last = Training(stage, list(data), parent, config, number)
        return self._stage(self.last)

    def _stage(self, training: Training, timed_as: str = '') -> Checkpoint:
        stage, number, data = training.stage, training.number, training.data
        root = self.job.joint_root(self.robot.name) if self.method.joint else self.job.root
        request = StageRequest(
            stage=stage,
            task='' if self.method.joint else self.job.task,
            root=root,
            policy=self.profile.policy,
            policy_overrides=self.profile.policy_overrides,
            spec=robot_spec(self.robot),
            round=number,
            parent=training.parent.path if training.parent else None,
        )
        kept = {record.episode.info.id: record.features for record in data if record.features is not None}
        episodes = [records.rewarded(r, self.reward, self.method.sparse_reward) for r in data]
        name = checkpoint_id(request, training.config, episodes)
        with locked(root / 'locks' / name), self._timed(timed_as or stage):
            begin = time.monotonic()
            run = StageRun(request, training.config, features=lambda policy, episode: kept[episode.info.id])
            result = run.run(episodes)
        spent = time.monotonic() - begin
        self.tally.train_s += spent
        self.say(f'{stage}{f" {number}" if number else ""}: {spent:.0f} s')
        return result

    def agent(self, checkpoint: Checkpoint, draws: int = 0) -> Agent:
        """A checkpoint at work, with as many draws for its disagreement."""
        return Agent(checkpoint.policy, checkpoint.critic, self.method.temperature, checkpoint.id, draws)

    def _point(self, checkpoint: Checkpoint) -> None:
        """A point of the data-efficiency curve."""
        if not self.profile.curve_episodes:
            return
        seeds = self.job.seeds(CURVE, self.profile.curve_episodes)
        with self._timed('evaluation'):
            found = self.trials.run(self.agent(checkpoint), seeds, self.temperature)
        point = {'stage': checkpoint.stage, 'round': checkpoint.round, **self.tally.used(), **score(found)}
        self.tally.curve.append(point)
        self.say(f'{point["stage"]} {point["round"]}: {point["successes"]}/{point["n"]}')

    def _evaluate(self, checkpoint: Checkpoint) -> list[dict[str, Any]]:
        rows = []
        for split in self.profile.splits:
            with self._timed('evaluation'):
                found = self.trials.final(self.agent(checkpoint), split, self.temperature)
            rows.append(
                {
                    'task': self.job.task,
                    'method': self.job.method,
                    'seed': self.job.seed,
                    'split': split,
                    **score(found),
                    **self.tally.used(),
                    'train_s': round(self.tally.train_s, 1),
                    'outcomes': ''.join('1' if record.success else '0' for record in found),
                    'subtasks': np.sum([~np.isnan(record.completed_at) for record in found], axis=0).tolist(),
                }
            )
            self.say(f'{split}: {rows[-1]["successes"]}/{rows[-1]["n"]}')
        return rows

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        begin = time.monotonic()
        yield
        spent = self.tally.seconds.get(what, 0.0) + time.monotonic() - begin
        self.tally.seconds[what] = round(spent, 1)
