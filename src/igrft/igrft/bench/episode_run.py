# SPDX-License-Identifier: Apache-2.0
"""One episode in one cell, a step at a time.

Who drives, chunk execution, takeover, safety filter, interaction signal and labels are the very objects that the
lock-step graph uses; only the messages between them are missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

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
from igrft.episodes.topics import grid_camera
from igrft.reward.interaction import InteractionConfig, InteractionDetector
from igrft.types import DecodedEpisode, EpisodeInfo, Kind, Observation, Outcome, TeleopInput

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


class EpisodeRun:
    """An episode under way in one cell.

    Args:
        env: the cell, of ``igrft_sim``.
        plan: what it belongs to.
        seed: of its layout, the operator's hand and the policy's noise.
        checkpoint: id of what drives, '' where only the operator does.
        interaction: constants of the interaction signal.
    """

    def __init__(self, env: Any, plan: Plan, seed: int, checkpoint: str, interaction: InteractionConfig) -> None:
        from igrft_sim.operator import Habits, Operator

        self.env, self.plan, self.seed, self.checkpoint = env, plan, seed, checkpoint
        self.robot: RobotConfig = env.cell.robot
        self.recorded = plan.keep and plan.kind is not Kind.EVALUATION
        self.camera = grid_camera(self.robot)
        self.task = env.cell.task
        env.reset(seed, plan.split)
        self.operator = Operator(self.task, plan.kind, seed, Habits(**plan.habits))
        chunks = ChunkConfig(
            action_dim=self.robot.action_dim, step_dt=1.0 / self.robot.policy_rate, replan_steps=plan.replan_steps
        )
        self.arbiter = Arbiter(ArbiterConfig(chunks=chunks, lockstep=True, help_reaction=plan.reaction))
        self.help = Supervision(plan.help, env.dt)
        self.arbiter.measured(env.cell.openings.astype(np.float32))
        self.arbiter.start(plan.kind, 0.0)
        self.detector = InteractionDetector(interaction)
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
        dim = self.robot.action_dim
        length = len(self.rows)
        columns: list[Any] = list(zip(*self.rows, strict=True)) if self.rows else [(), (), (), ()]
        times = np.where(np.isnan(self.completed), -1, np.minimum(np.nan_to_num(self.completed), max(length - 1, 0)))
        empty = np.zeros((length, 0, 0, 3), np.uint8)
        return DecodedEpisode(
            info=info,
            dt=self.env.dt,
            images={camera.name: empty for camera in self.robot.cameras},
            proprio=np.asarray(columns[0], np.float32).reshape(length, self.robot.proprio_dim),
            actions=np.asarray(columns[1], np.float32).reshape(length, dim),
            source=np.asarray(columns[2], np.uint8),
            interaction=np.asarray(columns[3], np.bool_),
            subtask_times=times.astype(np.int64),
            rewards=np.zeros(length, np.float32),
        )
