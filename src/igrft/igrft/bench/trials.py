# SPDX-License-Identifier: Apache-2.0
"""Evaluation: a policy on seeds that nobody trained on, and film strips of how it went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from igrft.bench.config import SPAN, VALIDATION, Job, ProfileConfig
from igrft.bench.episode_run import Plan
from igrft.bench.figures import film_strip
from igrft.bench.record import Record
from igrft.bench.rollouts import Rollouts
from igrft.policies.serving import Agent
from igrft.types import Kind

FILMED = 8
"""Episodes that are filmed for every strip that is wanted: enough to find a success and a failure among them."""


class Trials:
    """Runs evaluation episodes of a job.

    Args:
        job: whose task, seeds and folder.
        profile: how many episodes.
        pool: of the task's cells.

    Attributes:
        films: names of the strips kept so far.
    """

    def __init__(self, job: Job, profile: ProfileConfig, pool: Rollouts) -> None:
        self.job, self.profile, self.pool = job, profile, pool
        self.films: list[str] = []

    def run(
        self,
        agent: Agent,
        seeds: Sequence[int],
        temperature: float | None = None,
        split: str = 'in',
        film: frozenset[int] = frozenset(),
    ) -> list[Record]:
        """Evaluation episodes; ``temperature`` in place of 𝒯(s) where it is given."""
        plan = Plan(
            kind=Kind.EVALUATION,
            seeds=seeds,
            split=split,
            replan_steps=self.profile.replan_steps,
            temperature=temperature,
            film=film,
        )
        return self.pool.run(plan, agent)

    def validated(self, agent: Agent, temperature: float | None) -> tuple[float, dict[str, Any]]:
        """How good an agent is on the seeds for choosing, and its score there."""
        found = score(self.run(agent, self.job.seeds(VALIDATION, self.profile.sweep.episodes), temperature))
        return found['successes'] + 1e-3 * found['progress'], found  # progress only decides between equals

    def final(self, agent: Agent, split: str, temperature: float | None = None) -> list[Record]:
        """The episodes that the table counts: the same seeds for every method."""
        first = self.profile.evaluation_seed + self.job.seed * SPAN
        first += self.profile.splits.index(split) * SPAN // 2
        seeds = range(first, first + self.profile.episodes)
        film = frozenset(seeds[: FILMED * self.profile.films]) if self.job.seed == 0 else frozenset()
        found = self.run(agent, seeds, temperature, split, film)
        for label, wanted in (('success', True), ('failure', False)):
            for record in [r for r in found if r.film is not None and r.success is wanted][: self.profile.films]:
                name = f'{self.job.name}-{split}-{label}-{record.episode.info.seed}.png'
                assert record.film is not None
                film_strip(self.job.out / 'films' / name, record.film)
                self.films.append(name)
        return found


def score(found: Sequence[Record]) -> dict[str, Any]:
    """``n``, ``successes`` and mean ``progress`` of some episodes."""
    return {
        'n': len(found),
        'successes': sum(record.success for record in found),
        'progress': round(sum(record.progress for record in found) / len(found), 4),
    }
