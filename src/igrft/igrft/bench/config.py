# SPDX-License-Identifier: Apache-2.0
"""What the paper benchmark may be told: profiles (``config/bench``) and methods (``config/methods``)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from igrft.config import RobotConfig, TaskConfig, as_dict, named
from igrft.method.temperature import TemperatureConfig
from igrft.policies import registry
from igrft.reward.hybrid import HybridConfig
from igrft.training.config import TrainingConfig
from igrft.training.worker import robot_spec

SPAN = 100_000
"""Seeds of one repetition; within it the ranges below, which never meet."""
DEMONSTRATIONS, ROLLOUTS, ROUNDS, VALIDATION, CURVE, CALIBRATION = 0, 20_000, 40_000, 60_000, 80_000, 90_000
"""First seed of each use, from the repetition's first on. Evaluation has its own, far from all: the profile's."""


@dataclass(frozen=True, kw_only=True)
class MethodConfig:
    """A method: which data, who corrects, which reward, and what differs in training."""

    title: str
    """in the tables"""
    demonstrations: int = 0
    rollouts: int = 0
    """episodes of the SFT policy that nobody corrects, recorded before offline RL"""
    offline_rl: bool = False
    rounds: int = 0
    """updates after which, and before which, the policy is rolled out"""
    rollouts_per_round: int = 0
    corrections: bool = True
    """the operator corrects the rounds' rollouts"""
    new_data: bool = True
    """False: the rounds' gradient steps without their episodes, the step-matched control"""
    sft_extra: str = ''
    """'ig_rft' etc.: SFT goes on for as many gradient steps as that method makes after SFT"""
    joint: str = ''
    """'ig_rft' etc.: one policy for all tasks of the robot, from what that method records on each"""
    sparse_reward: bool = False
    """1 at the end of a success in place of the hybrid reward"""
    reward: tuple[str, ...] = ()
    """``key=value`` on top of the profile's reward"""
    training: tuple[str, ...] = ()
    """``key=value`` on top of the profile's training"""
    temperature: TemperatureConfig = TemperatureConfig()

    def __post_init__(self) -> None:
        if min(self.demonstrations, self.rollouts, self.rounds, self.rollouts_per_round) < 0:
            raise ValueError('demonstrations, rollouts, rounds and rollouts_per_round must not be negative')
        if self.demonstrations < 1 and not self.joint:
            raise ValueError('every method begins with demonstrations')
        if self.rounds and self.new_data and not self.rollouts_per_round:
            raise ValueError('rounds with new data need rollouts_per_round')


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """Among what every method's last training is chosen, on validation seeds."""

    steps: tuple[int, ...] = ()
    """gradient steps of SFT; of another stage as many times its own as these are of SFT's"""
    temperatures: tuple[float, ...] = (1.0,)
    """of the initial noise at evaluation"""
    episodes: int = 20
    """validation episodes a candidate"""


@dataclass(frozen=True, kw_only=True)
class ProfileConfig:
    """A run of the benchmark."""

    tasks: tuple[str, ...]
    """names; empty: all of the cell's"""
    methods: tuple[str, ...]
    """of config/methods"""
    seeds: int
    """repetitions, from 0 on"""
    episodes: int
    """evaluation episodes a method, task, seed and split"""
    splits: tuple[str, ...] = ('in', 'held_out')
    curve_episodes: int = 0
    """evaluation episodes after each round, 0 for none"""
    evaluation_seed: int = 50_000_000
    """the first seed of the final evaluation; draw a fresh one for a final run"""
    scale: float = 1.0
    """of every number of episodes and rounds in the methods, to shrink a run; at least one each"""
    demonstration_scale: float = 1.0
    """of every number of demonstrations on top, at least one each: how few are few depends on the task"""
    cells: int = 16
    """simulated cells stepped in turn"""
    replan_steps: int = 2
    """executed steps after which a fresh chunk is asked for"""
    films: int = 2
    """episodes of each kind, success and failure, of which a film strip is kept"""
    policy: str = 'compact_flow'
    policy_overrides: tuple[str, ...] = ()
    training: str = 'bench'
    reward: str = 'hybrid'
    training_overrides: tuple[str, ...] = ()
    sweep: SweepConfig = SweepConfig()
    habits: Mapping[str, Any] = field(default_factory=lambda: {'finish_task': True})
    """of the operator"""

    def __post_init__(self) -> None:
        if self.seeds < 1 or self.episodes < 1 or self.cells < 1:
            raise ValueError('seeds, episodes and cells must be at least 1')
        if not (0 < self.scale <= 1 and 0 < self.demonstration_scale <= 1):
            raise ValueError('scale and demonstration_scale must lie in (0, 1]')
        if self.evaluation_seed < self.seeds * SPAN:
            raise ValueError(
                f'evaluation_seed must be at least {self.seeds * SPAN}, above every seed that is trained on'
            )


@dataclass(frozen=True, slots=True)
class Job:
    """One cell of the table, and where its work goes."""

    task: str
    method: str
    seed: int
    out: Path

    @property
    def name(self) -> str:
        return f'{self.task}-{self.method}-{self.seed}'

    @property
    def result(self) -> Path:
        """The file that says it is done."""
        return self.out / 'cells' / f'{self.name}.json'

    @property
    def root(self) -> Path:
        """Episodes and checkpoints, shared by the methods of one task and seed."""
        return self.out / 'work' / self.task / f'seed{self.seed}'

    def joint_root(self, robot: str) -> Path:
        """Checkpoints of policies for several tasks of a robot."""
        return self.out / 'work' / robot / f'seed{self.seed}'

    def seeds(self, use: int, count: int) -> range:
        """``count`` environment seeds for a use (``DEMONSTRATIONS``, …)."""
        first = self.seed * SPAN + use
        return range(first, first + count)


@cache
def _policy(name: str, overrides: tuple[str, ...], robot: str) -> dict[str, Any]:
    """A robot's policy before it has learned anything: its settings, and a digest of the parts that are frozen."""
    policy = registry.create(name, overrides=overrides, **robot_spec(named('robots', robot, RobotConfig)))
    parts = {key.partition('.')[0] for key, parameter in policy.named_parameters() if not parameter.requires_grad}
    frozen = hashlib.sha256()
    for key, tensor in policy.state_dict().items():
        if key.partition('.')[0] in parts:
            frozen.update(tensor.float().numpy().tobytes())
    settings = {key: value for key, value in policy.config_dict().items() if key not in ('targets', 'frames')}
    return {'family': policy.name, 'settings': settings, 'frozen': frozen.hexdigest()[:12]}


def constants(profile: ProfileConfig, method: MethodConfig, task: str) -> dict[str, Any]:
    """What a method's result on a task depends on, as plain data: of the training, of the reward, the policy, the task
    and the robot, and of a method that it follows. Not the code.
    """
    training = as_dict(
        named('training', profile.training, TrainingConfig, (*profile.training_overrides, *method.training))
    )
    stages = named('methods', method.joint, MethodConfig) if method.joint else method
    unused = {'offline_rl': not stages.offline_rl, 'hil': not stages.rounds}
    if not method.sft_extra:
        training = {name: value for name, value in training.items() if not unused.get(name)}
    reward = as_dict(named('reward', profile.reward, HybridConfig, method.reward))
    cell = named('tasks', task, TaskConfig)
    found = {
        'training': training,
        'reward': reward,
        'policy': _policy(profile.policy, profile.policy_overrides, cell.robot),
        'task': as_dict(cell),
        'robot': as_dict(named('robots', cell.robot, RobotConfig)),
    }
    other = method.joint or method.sft_extra
    if other:
        found['other method'] = as_dict(named('methods', other, MethodConfig))
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


def unchanged(noted: Mapping[str, Any], used: Mapping[str, Any]) -> bool:
    """Whether a result that noted these :func:`constants` depends on the same ones today; what it did not note does not
    count.
    """
    return noted == {key: used.get(key) for key in noted}


def robot_tasks(task: str) -> list[str]:
    """The cell's tasks that the robot of one of them has."""
    from igrft_sim.tasks import TASKS

    robots = {name: named('tasks', name, TaskConfig).robot for name in TASKS}
    return [name for name in TASKS if robots[name] == robots[task]]
