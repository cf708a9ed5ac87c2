# SPDX-License-Identifier: Apache-2.0
"""Episodes in process: several cells stepped in turn, one batched inference for all that need a chunk. An
episode (:mod:`.episode_run`) depends on its seed, its split and the policy alone, not on how many run beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import torch

from igrft.bench.episode_run import EpisodeRun, Plan
from igrft.bench.record import Record
from igrft.config import RobotConfig
from igrft.control.safety import SafetyFilter
from igrft.policies.protocol import Inputs, Policy
from igrft.policies.serving import Agent, observation_inputs
from igrft.reward.interaction import InteractionConfig
from igrft.types import Kind

GROUP = 8
"""Rows of an inference. A batch is cut into groups of so many and the last one filled up, because the last digits of
a matrix product depend on its size, and an episode must not depend on its neighbours."""


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
        running: list[EpisodeRun] = []
        checkpoint = agent.checkpoint if agent else ''
        while waiting or running:
            while waiting and free:
                running.append(EpisodeRun(free.pop(), plan, waiting.pop(), checkpoint, self.interaction))
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

    def _think(self, running: list[EpisodeRun], plan: Plan, agent: Agent | None) -> None:
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


def interventions_of(records: Iterable[Record]) -> int:
    """Takeovers in all of them."""
    return sum(record.interventions for record in records)
