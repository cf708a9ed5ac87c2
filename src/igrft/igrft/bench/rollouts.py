# SPDX-License-Identifier: Apache-2.0
"""Episodes in process: several cells stepped in turn, one batched inference for all that need a chunk.

Who drives, chunk execution, takeover, safety filter, interaction signal and labels are the very objects that the
lock-step graph uses; only the messages between them are missing. An episode depends on its seed, its split and the
policy alone, not on how many run beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from igrft.bench.record import Record
from igrft.bench.supervision import Supervision
from igrft.config import RobotConfig
from igrft.control.arbiter import Arbiter, ArbiterConfig, HelpReaction
from igrft.control.chunks import ChunkConfig
from igrft.control.help import Signals
from igrft.control.help_calibration import Calibration
from igrft.control.safety import SafetyFilter
from igrft.episodes.topics import grid_camera
from igrft.policies.protocol import Inputs, Policy
from igrft.policies.serving import Agent, observation_inputs
from igrft.reward.interaction import InteractionConfig, InteractionDetector
from igrft.types import DecodedEpisode, EpisodeInfo, Kind, Observation, Outcome, Source, TeleopInput

GROUP = 8
"""Rows of an inference. A batch is cut into groups of so many and the last one filled up, because the last digits of
a matrix product depend on its size, and an episode must not depend on its neighbours."""
FILM = 8
"""Frames kept of an episode that is filmed."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which episodes to run.

    Attributes:
        kind: demonstration (the operator drives), correction (the operator watches), rollout or evaluation.
        seeds: one episode each.
        split: ``in`` or ``held_out``.
        replan_steps: executed steps after which a fresh chunk is asked for.
        temperature: fixed, in place of 𝒯(s).
        habits: the operator's, as keywords of ``igrft_sim.operator.Habits``.
        film: seeds of which frames are kept.
        keep: record what training needs; evaluations never do.
        help: what is usual of the policy, for its calls for help; None never calls.
        reaction: of the arm to a call.
    """

    kind: Kind
    seeds: Sequence[int]
    split: str = 'in'
    replan_steps: int = 2
    temperature: float | None = None
    habits: dict[str, Any] = field(default_factory=dict)
    film: frozenset[int] = frozenset()
    keep: bool = True
    help: Calibration | None = None
    reaction: HelpReaction = HelpReaction.NONE


class Rollouts:
    """A pool of cells of one task.

    Args:
        task: name of the task.
        robot: what the cells are.
        encoder: any policy with the trunk in use; frames of recorded episodes become its features at once.
        cells: how many are stepped in turn.
        interaction: constants of the interaction signal.
    """

    def __init__(
        self,
        task: str,
        robot: RobotConfig,
        encoder: Policy,
        cells: int = 8,
        interaction: InteractionConfig | None = None,
    ) -> None:
        if not encoder.caches_features:
            raise ValueError(f"policy '{encoder.name}' trains its trunk; a rollout needs one whose features are cached")
        cv2.setNumThreads(1)
        self.task, self.robot, self.encoder, self.cells = task, robot, encoder, cells
        self.interaction = interaction or InteractionConfig()

    @cached_property
    def envs(self) -> list[Any]:
        """The cells, made when the first episode needs them."""
        # The simulated cell is another package; only what runs it needs it.
        from igrft_sim.cell import Cell
        from igrft_sim.env import CellEnv
        from igrft_sim.tasks import make_task

        cameras = [camera.name for camera in self.robot.cameras]
        made = []
        for _ in range(self.cells):
            safety = SafetyFilter(self.robot.limits, len(self.robot.arms))
            size = self.encoder.spec.image_size
            cell = Cell(make_task(self.task), image_size=size, cameras=cameras, robot=self.robot)
            made.append(CellEnv(cell, safety=safety))
        return made

    def close(self) -> None:
        """Free the renderers."""
        for env in self.__dict__.pop('envs', []):
            env.cell.close()

    def run(self, plan: Plan, agent: Agent | None = None) -> list[Record]:
        """Run the episodes; results in the order of ``plan.seeds``.

        Args:
            plan: see there.
            agent: drives where the operator does not; not needed for demonstrations.
        """
        if agent is None and plan.kind is not Kind.DEMONSTRATION:
            raise ValueError(f'a {plan.kind.value} needs a policy')
        waiting = list(reversed(plan.seeds))
        done: dict[int, Record] = {}
        free = list(self.envs)
        running: list[_Episode] = []
        while waiting or running:
            while waiting and free:
                running.append(_Episode(self, free.pop(), plan, waiting.pop(), agent.checkpoint if agent else ''))
            for episode in running:
                episode.tick()
            for episode in [episode for episode in running if episode.outcome is not None]:
                running.remove(episode)
                free.append(episode.env)
                done[episode.seed] = episode.record()
            self._think(running, plan, agent)
            for episode in running:
                episode.act()
        return [done[seed] for seed in plan.seeds]

    def _think(self, running: list[_Episode], plan: Plan, agent: Agent | None) -> None:
        """Features for the recorded episodes, chunks for those that wait for one."""
        looking = [episode for episode in running if episode.recorded or episode.asking]
        for group in _groups(looking):
            observations = [episode.look() for episode in group]
            inputs = observation_inputs(_filled(observations), self.encoder.spec)
            with torch.no_grad():
                features = self.encoder.features(inputs)
            for episode, row in zip(group, features, strict=False):
                episode.features.append(row)
        asking = [episode for episode in looking if episode.asking]
        for group in _groups(asking):
            assert agent is not None
            inputs = Inputs(
                torch.from_numpy(np.stack(_filled([episode.observation.proprio for episode in group]))),
                _filled([episode.observation.instruction for episode in group]),
                torch.stack(_filled([episode.features[-1] for episode in group])),
            )
            generators = _filled([episode.generator for episode in group], [torch.Generator() for _ in range(GROUP)])
            chunks = agent.act_on(inputs, _filled([e.now for e in group]), generators, plan.temperature)
            for episode, chunk in zip(group, chunks, strict=False):
                episode.offer(chunk)


def _groups(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    for begin in range(0, len(items), GROUP):
        yield items[begin : begin + GROUP]


def _filled(items: list[Any], filling: list[Any] | None = None) -> list[Any]:
    missing = GROUP - len(items)
    return items + (filling[:missing] if filling else [items[-1]] * missing)


class _Episode:
    """One episode under way in one cell."""

    def __init__(self, pool: Rollouts, env: Any, plan: Plan, seed: int, checkpoint: str) -> None:
        from igrft_sim.operator import Habits, Operator

        self.pool, self.env, self.plan, self.seed, self.checkpoint = pool, env, plan, seed, checkpoint
        self.recorded = plan.keep and plan.kind is not Kind.EVALUATION
        self.camera = grid_camera(pool.robot)
        self.task = env.cell.task
        env.reset(seed, plan.split)
        self.operator = Operator(self.task, plan.kind, seed, Habits(**plan.habits))
        chunks = ChunkConfig(action_dim=pool.robot.action_dim, replan_steps=plan.replan_steps)
        self.arbiter = Arbiter(ArbiterConfig(chunks=chunks, lockstep=True, help_reaction=plan.reaction))
        self.help = Supervision(plan.help, env.dt)
        self.arbiter.measured(env.cell.openings.astype(np.float32))
        self.arbiter.start(plan.kind, 0.0)
        self.detector = InteractionDetector(pool.interaction)
        self.generator = torch.Generator().manual_seed(seed)
        self.limit = round(self.task.config.max_duration / env.dt)
        self.step = 0
        self.outcome: Outcome | None = None
        self.completed = np.full(len(self.task.subtasks), np.nan)
        self.asking = False
        self.command: Any = None
        self.observation: Any = None
        self.features: list[Tensor] = []
        self.rows: list[tuple[Any, Any, int, bool]] = []
        self.frames: list[Any] = []

    @property
    def now(self) -> float:
        """[s] since the episode began."""
        return float(self.step * self.env.dt)

    def tick(self) -> None:
        """The operator looks and the arbiter decides; sets ``outcome`` where this is the end."""
        cell = self.env.cell
        if self.seed in self.plan.film:
            self.frames.append(cell.render(self.camera))
        decision = self.operator.tick(cell.task_state(), cell.tools, cell.openings, self.help.call(self.now))
        self.help.heard(decision)
        if decision.dismisses:
            self.arbiter.dismiss_help(self.now)
            self.help.gate.dismiss(self.now)
        self.completed[list(decision.marks)] = self.step
        self.outcome = decision.outcome
        if self.outcome is None and self.step >= self.limit:
            self.outcome = Outcome.TIMEOUT
        if self.outcome is None:
            self.arbiter.teleop(TeleopInput(self.now, decision.action, decision.engaged), self.now)
            answer = self.arbiter.step(self.now)
            self.help.drives(answer.mode, self.now)
            self.command, self.asking = answer.command, answer.request

    def look(self) -> Observation:
        """What the policy sees, on the episode's own clock."""
        self.observation = replace(self.env.observe(), stamp=self.now)
        return self.observation  # type: ignore[no-any-return]

    def offer(self, chunk: Any) -> None:
        """The policy's answer."""
        problem = self.arbiter.chunk(chunk, self.now)
        if problem:
            raise RuntimeError(f'{self.task.config.name}, seed {self.seed}, step {self.step}: {problem}')
        requested = self.help.judge(Signals(chunk.stamp, chunk.value, chunk.disagreement))
        self.arbiter.help(requested, chunk.stamp, self.now)
        answer = self.arbiter.step(self.now)
        self.help.drives(answer.mode, self.now)
        self.command = answer.command

    def act(self) -> None:
        """Carry the command out and record the step."""
        interacting = False
        if self.recorded:
            mask = self.env.cell.robot_mask(self.camera)
            sample = self.detector.update(self.observation.images[self.camera], mask, self.now)
            interacting = sample.interacting
        self.env.act(self.command.action)
        if self.recorded:
            source = int(self.command.source)
            self.rows.append((self.observation.proprio, self.env.executed.copy(), source, interacting))
        self.step += 1

    def record(self) -> Record:
        """The finished episode."""
        assert self.outcome is not None
        kind, split = self.plan.kind, self.plan.split
        name = '-'.join(part for part in (kind.value, split, self.checkpoint, str(self.seed)) if part)
        info = EpisodeInfo(
            name,
            self.task.config.name,
            self.task.config.instruction,
            kind,
            self.outcome,
            self.seed,
            split,
            self.checkpoint,
        )
        picks = np.linspace(0, max(0, len(self.frames) - 1), FILM).round().astype(int).tolist()
        return Record(
            episode=self._decoded(info),
            features=torch.stack(self.features) if self.recorded else None,
            completed_at=self.completed,
            interventions=self.arbiter.takeover.count,
            steps=self.step,
            film=np.stack([self.frames[i] for i in picks]) if self.frames else None,
            attention=self.help.attention,
        )

    def _decoded(self, info: EpisodeInfo) -> DecodedEpisode:
        dim = self.pool.robot.action_dim
        length = len(self.rows)
        columns: list[Any] = list(zip(*self.rows, strict=True)) if self.rows else [(), (), (), ()]
        times = np.where(np.isnan(self.completed), -1, np.minimum(np.nan_to_num(self.completed), max(length - 1, 0)))
        empty = np.zeros((length, 0, 0, 3), np.uint8)
        return DecodedEpisode(
            info=info,
            dt=self.env.dt,
            images={camera.name: empty for camera in self.pool.robot.cameras},
            proprio=np.asarray(columns[0], np.float32).reshape(length, self.pool.robot.proprio_dim),
            actions=np.asarray(columns[1], np.float32).reshape(length, dim),
            source=np.asarray(columns[2], np.uint8),
            interaction=np.asarray(columns[3], np.bool_),
            subtask_times=times.astype(np.int64),
            rewards=np.zeros(length, np.float32),
        )


def interventions_of(records: Iterable[Record]) -> int:
    """Takeovers in all of them."""
    return sum(record.interventions for record in records)


def human_steps(records: Iterable[Record]) -> int:
    """Steps in which the human drove."""
    return sum(int((record.episode.source == int(Source.HUMAN)).sum()) for record in records)
