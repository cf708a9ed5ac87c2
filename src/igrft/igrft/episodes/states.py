# SPDX-License-Identifier: Apache-2.0
"""The words of the episode manager: its states, requests, results, settings and what it wants of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum
from pathlib import Path
from typing import Protocol

from igrft.config import TaskConfig, nearest
from igrft.episodes.metadata import QosProfile
from igrft.episodes.recorder import Recorded, Recorder
from igrft.episodes.schema import EpisodeMeta
from igrft.types import Outcome

TopicName = str


class State(IntEnum):
    """The values of ``igrft_msgs/EpisodeStatus``."""

    IDLE = 0
    RESETTING = 1
    RECORDING = 2
    FINALISING = 3


class RefusedError(ValueError):
    """A request that cannot be met now; the text says why and what to do."""


def known_outcome(word: str) -> Outcome:
    """The outcome an operator may give.

    Raises:
        RefusedError: any other word.
    """
    known = [Outcome.SUCCESS.value, Outcome.FAILURE.value]
    if word not in known:
        raise RefusedError(f"outcome '{word}'; {nearest(word, known)}")
    return Outcome(word)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What ``run_episode`` and ``episode/start`` ask for."""

    task: str
    kind: str
    seed: int = 0
    split: str = 'in'
    max_duration: float = 0.0
    """[s] of node time, 0 for the task's own"""


@dataclass(frozen=True, slots=True)
class Result:
    """How an episode ended."""

    saved: bool
    message: str
    episode_id: str = ''
    path: str = ''
    outcome: str = ''
    progress: float = 0.0
    steps: int = 0
    interventions: int = 0
    duration: float = 0.0

    @classmethod
    def of(cls, recorded: Recorded) -> Result:
        """What there is to tell of a recording."""
        meta, path = recorded.meta, str(recorded.path or '')
        return cls(
            saved=recorded.path is not None,
            message=recorded.problem or f'saved {path}',
            episode_id=meta.id,
            path=path,
            outcome=meta.outcome.value if recorded.path else 'discarded',
            progress=meta.progress,
            steps=recorded.steps,
            interventions=len(meta.interventions),
            duration=meta.duration,
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What ``episode/status`` says."""

    state: State = State.IDLE
    episode_id: str = ''
    task: str = ''
    instruction: str = ''
    kind: str = ''
    seed: int = 0
    outcome: str = ''
    path: str = ''
    problem: str = ''


class Ports(Protocol):
    """What the manager wants from the graph; each call returns at once."""

    def reset(self, request: Request) -> None:
        """Ask the cell to reset; the answer comes back through :meth:`EpisodeManager.reset_done`."""

    def explain(self, topic: TopicName) -> str:
        """Why a topic is silent: no publisher, another type, an incompatible QoS."""

    def offered(self, topic: TopicName) -> Sequence[QosProfile]:
        """The QoS profiles that a topic's publishers offer."""

    def publish(self, status: Snapshot) -> None:
        """The state changed."""

    def finished(self, result: Result) -> None:
        """The episode is over, saved or not."""

    def wake(self) -> None:
        """Call :meth:`EpisodeManager.tick` soon; comes from the writing thread."""


@dataclass(frozen=True, kw_only=True)
class ManagerConfig:
    """How episodes are recorded."""

    root: Path
    lockstep: bool = False
    call_reset: bool = True
    namespace: str = '/'
    reset_timeout: float = 60.0
    """[s] wall time the cell may take to reset"""
    stream_timeout: float = 1.5
    """[s] wall time after the reset at which a required stream that is not alive is named"""
    stream_patience: float = 6.0
    """[s] wall time after the reset at which an episode is refused because of it; a loaded machine is slow"""
    stall_timeout: float = 5.0
    """[s] wall time after which a required stream that fell silent ends the episode"""
    drain_timeout: float = 0.5
    """[s] wall time to wait for messages that belong before the end stamp"""
    keep_interrupted: bool = True
    """An episode stopped by a signal or a cancelled goal is saved as unlabelled (else deleted)"""


class Phase(Enum):
    """Where the episode in progress stands, finer than :class:`State`."""

    RESET = 'reset'
    STREAMS = 'streams'
    RECORDING = 'recording'
    DRAINING = 'draining'
    WRITING = 'writing'


@dataclass
class Run:
    """The episode in progress."""

    request: Request
    task: TaskConfig
    meta: EpisodeMeta
    phase: Phase
    since: float
    """monotonic time at which the phase began [s]"""
    recorder: Recorder | None = None
    deadline: int = 0
    """[ns] of node time"""
