# SPDX-License-Identifier: Apache-2.0
"""What help on request is worth (`igrft bench help`): success against the human's time, on the same episodes.

Demonstrations, SFT, rollouts and offline RL are those of `igrft bench paper` and shared with it. Then the policy
drives alone on calibration seeds, and what is usual in its successes says when it may call. Then every arm of the
experiment runs the same evaluation seeds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from igrft.bench.config import CALIBRATION, SPAN, Job, MethodConfig, ProfileConfig, constants, unchanged
from igrft.bench.episode_run import Plan
from igrft.bench.experiment import Experiment
from igrft.bench.help_scores import signals_of, worth
from igrft.bench.record import Record
from igrft.bench.rollouts import Rollouts
from igrft.bench.runner import commit, write_json
from igrft.bench.supervision import Attention, calls_of
from igrft.config import as_dict, named
from igrft.control.arbiter import HelpReaction
from igrft.control.help import HelpConfig
from igrft.control.help_calibration import Calibration, calibrate
from igrft.policies.server import blank_observation
from igrft.policies.serving import Agent
from igrft.types import Kind

Say = Callable[[str], None]

PAIRS, WARM = 100, 5
"""Inferences timed with and without draws, and those before them that do not count."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to involve the human."""

    title: str
    kind: Kind
    protocol: str = 'watching'
    reaction: HelpReaction = HelpReaction.NONE


ARMS = {
    'nobody': Arm('nobody', Kind.EVALUATION),
    'watching': Arm('watches all the time', Kind.CORRECTION),
    'called': Arm('called, the arm goes on', Kind.CORRECTION, 'called'),
    'called_slow': Arm('called, the arm slows', Kind.CORRECTION, 'called', HelpReaction.SLOW),
    'called_wait': Arm('called, the arm waits', Kind.CORRECTION, 'called', HelpReaction.WAIT),
}
"""Without anybody the gate looks on: what it would have called is what its false alarms are counted from."""


@dataclass(frozen=True, kw_only=True)
class HelpBenchConfig:
    """A run of the benchmark (``config/bench_help``)."""

    tasks: tuple[str, ...]
    episodes: int
    """evaluation episodes a task and arm"""
    calibration_episodes: int
    """episodes of the policy alone, of whose successes the calibration is made"""
    evaluation_seed: int
    """the first one; draw a fresh one for a final run"""
    arms: tuple[str, ...] = ('nobody', 'watching', 'called', 'called_wait')
    split: str = 'held_out'
    alpha: float = 0.1
    """bound on the share of successful episodes with a call"""
    draws: int = 8
    """K of the disagreement"""
    coming: int = 20
    """[steps] from a call to the operator being there"""
    method: str = 'offline_ig_rft'
    """of config/methods, whose policy drives"""
    profile: str = 'full'
    """of config/bench, for training, cells and the operator's habits"""
    seed: int = 0
    """repetition, of data and training"""
    scores: HelpConfig = HelpConfig()

    def __post_init__(self) -> None:
        unknown = set(self.arms) - set(ARMS)
        if unknown or 'nobody' not in self.arms:
            raise ValueError(f"arms are of {', '.join(ARMS)}, and 'nobody' must be among them; found {self.arms}")
        if min(self.episodes, self.calibration_episodes) < 1 or not 0 < self.alpha < 1:
            raise ValueError('episodes and calibration_episodes must be at least 1, alpha between 0 and 1')
        if self.evaluation_seed < (self.seed + 1) * SPAN:
            raise ValueError(f'evaluation_seed must be at least {(self.seed + 1) * SPAN}, above every training seed')


class HelpBench:
    """Runs one task; what an earlier call has finished with the same settings is read, not run again.

    What the chunks say does not depend on the gate while nobody reacts to it. So the parts ``alone`` (the policy on
    calibration seeds) and ``nobody`` (on evaluation seeds) keep the chunks' signals, and another ``alpha`` or other
    ``scores`` need no further episode of them.
    """

    def __init__(self, task: str, config: HelpBenchConfig, out: Path, say: Say) -> None:
        self.task, self.config, self.say = task, config, say
        self.job = Job(task, config.method, config.seed, out)
        self.out = out / 'help' / task
        # The curve along the stages is no part of this.
        self.profile = replace(named('bench', config.profile, ProfileConfig), curve_episodes=0)
        self.constants = constants(self.profile, named('methods', config.method, MethodConfig), task)

    def run(self, done: Callable[[], None]) -> None:
        """Train, calibrate, run every arm; ``done`` is called after each part."""
        experiment = Experiment(self.job, self.profile, self.say)
        try:
            agent = experiment.agent(experiment.train(), self.config.draws)
            self._alone(experiment.pool, agent)
            calibration = self.calibration()
            assert calibration is not None
            self.say(f'{self.task}: threshold {calibration.threshold:.3f} from {calibration.episodes} successes')
            done()
            for name in self.config.arms:
                self._arm(name, experiment.pool, agent, calibration)
                done()
            self._cost(agent)
            done()
        finally:
            experiment.pool.close()

    def calibration(self) -> Calibration | None:
        """What is usual of the policy, None before it has driven alone.

        Raises:
            CalibrationError: too few successes.
        """
        found = self._finished('alone')
        if found is None:
            return None
        good = [signals_of(episode) for episode in found['episodes'] if episode['success']]
        return calibrate(good, self.config.alpha, found['checkpoint'], self.task, self.config.scores)

    def results(self) -> dict[str, Any]:
        """Finished parts by name; the calls that nobody came to are those of the present calibration."""
        names = ('alone', *self.config.arms, 'cost')
        parts: dict[str, Any] = {name: found for name in names if (found := self._finished(name)) is not None}
        calibration = self.calibration()
        if 'nobody' in parts and calibration is not None:
            for episode in parts['nobody']['episodes']:
                episode['calls'] = calls_of(signals_of(episode), calibration)
            parts['worth'] = worth(parts['alone'], parts['nobody'], calibration)
        return parts | ({'calibration': as_dict(calibration)} if calibration else {})

    def _settings(self, name: str) -> dict[str, Any]:
        """Everything that decides a part's result."""
        irrelevant = {'tasks', 'arms'}
        if name in ('alone', 'nobody', 'watching', 'cost'):
            irrelevant |= {'alpha', 'scores', 'coming'}
        if name in ('alone', 'cost'):
            irrelevant |= {'episodes', 'evaluation_seed'}
        if name in ('nobody', 'watching', 'cost'):
            irrelevant |= {'calibration_episodes'}
        settings: dict[str, Any] = json.loads(
            json.dumps({k: v for k, v in as_dict(self.config).items() if k not in irrelevant})
        )
        return settings | {'constants': self.constants}

    def _finished(self, name: str) -> dict[str, Any] | None:
        path = self.out / f'{name}.json'
        if not path.is_file():
            return None
        found: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
        now, then = self._settings(name), dict(found['settings'])
        same = unchanged(then.pop('constants', {}), now.pop('constants')) and then == now
        return found if same else None

    def keep(self, name: str, content: dict[str, Any]) -> None:
        """Write a finished part."""
        write_json(self.out / f'{name}.json', content | {'settings': self._settings(name), 'commit': commit()})

    def _plan(self, arm: Arm, seeds: Sequence[int], calibration: Calibration | None) -> Plan:
        habits = dict(self.profile.habits) | {'protocol': arm.protocol, 'coming': self.config.coming}
        return Plan(
            kind=arm.kind,
            seeds=seeds,
            split=self.config.split,
            replan_steps=self.profile.replan_steps,
            habits=habits,
            keep=False,
            help=calibration,
            reaction=arm.reaction,
        )

    def _alone(self, pool: Rollouts, agent: Agent) -> None:
        if self._finished('alone') is not None:
            return
        seeds = self.job.seeds(CALIBRATION, self.config.calibration_episodes)
        records = pool.run(self._plan(ARMS['nobody'], seeds, None), agent)
        self.keep('alone', {'checkpoint': agent.checkpoint, 'episodes': [_row(record, True) for record in records]})
        self.say(f'{self.task}: {sum(r.success for r in records)} of {len(records)} calibration episodes succeed')

    def _arm(self, name: str, pool: Rollouts, agent: Agent, calibration: Calibration) -> None:
        if self._finished(name) is not None:
            return
        seeds = range(self.config.evaluation_seed, self.config.evaluation_seed + self.config.episodes)
        records = pool.run(self._plan(ARMS[name], seeds, calibration), agent)
        self.keep(name, {'episodes': [_row(record, name == 'nobody') for record in records]})
        calls = sum(bool(_attention(record).calls) for record in records)
        success = f'{sum(r.success for r in records)}/{len(records)}'
        self.say(f'{self.task}, {ARMS[name].title}: {success}, {calls} episodes with a call')

    def _cost(self, agent: Agent) -> None:
        """CPU time of an inference, one observation as in `policy_node`, without and with the draws, in turn."""
        if self._finished('cost') is not None:
            return
        observation = blank_observation(agent.policy.spec)
        spent: dict[int, list[float]] = {0: [], agent.draws: []}
        for draws in [0, agent.draws] * (PAIRS + WARM):
            begin = time.process_time()
            replace(agent, draws=draws).act([observation], [torch.Generator()])
            spent[draws].append(1e3 * (time.process_time() - begin))
        self.keep('cost', {'plain_ms': spent[0][WARM:], 'with_draws_ms': spent[agent.draws][WARM:]})


def _attention(record: Record) -> Attention:
    assert record.attention is not None
    return record.attention


def _row(record: Record, with_signals: bool) -> dict[str, Any]:
    attention = _attention(record)
    signals = {'signals': [[s.stamp, s.value, s.disagreement] for s in attention.signals]} if with_signals else {}
    return {
        'seed': record.episode.info.seed,
        'success': record.success,
        'progress': round(record.progress, 4),
        'steps': record.steps,
        'interventions': record.interventions,
        'attended': attention.attended,
        'driven': attention.driven,
        'calls': attention.calls,
        **signals,
    }
