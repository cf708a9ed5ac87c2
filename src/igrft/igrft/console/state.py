# SPDX-License-Identifier: Apache-2.0
"""What the page shows, as plain data. A part that nobody has reported yet is None, and the page says so."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class EpisodeState:
    """``episode/status`` and the clock of the running episode."""

    state: str
    """idle, resetting, recording, finalising"""
    id: str = ''
    kind: str = ''
    seed: int = 0
    outcome: str = ''
    """of the last finished episode"""
    path: str = ''
    problem: str = ''
    elapsed: float | None = None
    """[s] since the recording began, None outside it"""
    max_duration: float = 0.0
    """[s]"""


@dataclass(frozen=True, kw_only=True)
class DriverState:
    """``intervention``: who drives."""

    mode: str
    """autonomous, correcting, paused, hold"""
    count: int = 0
    reason: str = ''


@dataclass(frozen=True, kw_only=True)
class SafetyState:
    """``safety/status``; ``silent`` when the node has said nothing for longer than it may."""

    state: str
    """ok, limited, stale, invalid, e_stop"""
    text: str = ''
    rejected: int = 0
    limited: int = 0
    silent: bool = False


@dataclass(frozen=True, kw_only=True)
class TrainerState:
    """``trainer/status``."""

    state: str
    stage: str = ''
    round: int = 0
    step: int = 0
    total_steps: int = 0
    loss: float = math.nan
    effective_sample_size: float = math.nan
    eta: float = math.nan
    """[s]"""
    message: str = ''


@dataclass(frozen=True, kw_only=True)
class CheckpointState:
    """``checkpoint``: the newest one."""

    id: str
    stage: str = ''
    policy: str = ''
    step: int = 0


@dataclass(frozen=True, kw_only=True)
class HelpState:
    """``help``: whether the policy asks for a driver."""

    requested: bool
    score: float = math.nan
    threshold: float = math.nan
    reason: str = ''


@dataclass(frozen=True, kw_only=True)
class Component:
    """One component of a node, as it reports itself in ``/diagnostics``.

    Attributes:
        node: its name, without the namespace of the console.
        name: of the component.
        level: ok, warn, error or stale.
        text: a line for people.
        values: name to value, both text.
    """

    node: str
    name: str
    level: str
    text: str = ''
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One point of the plots.

    Attributes:
        sequence: grows by one a sample.
        stamp: [s] of the node's clock.
        reward: of this step.
        potential: Phi(t) in [0, 1].
        probability: interaction probability p_int(s), NaN without a critic.
        value: V(s), NaN without a critic.
        interacting: the interaction signal I_t.
        human: the operator drives.
    """

    sequence: int
    stamp: float
    reward: float
    potential: float
    probability: float = math.nan
    value: float = math.nan
    interacting: bool = False
    human: bool = False


@dataclass(frozen=True, kw_only=True)
class ConsoleState:
    """Everything but pictures and plots."""

    robot: str
    task: str
    instruction: str
    cameras: tuple[str, ...]
    subtasks: tuple[str, ...]
    completed: int = 0
    episode: EpisodeState | None = None
    driver: DriverState | None = None
    safety: SafetyState | None = None
    trainer: TrainerState | None = None
    checkpoint: CheckpointState | None = None
    help: HelpState | None = None
    serving: str = ''
    """id of the checkpoint that the policy drives with, '' while it is not known"""
    pad: bool = False
    """whether the on-screen pad may drive the arm"""
    loop: Mapping[str, Any] | None = None
    """``loop/status``: phase, detail, fraction, elapsed, eta, results, and ``running``"""
    problems: tuple[str, ...] = field(default_factory=tuple)
    """What is wrong with the console's own inputs, e.g. a camera with a wrong encoding."""


def plain(value: Any) -> Any:
    """Dataclasses, mappings and sequences as JSON data; NaN and infinity, which JSON lacks, as None."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def encode(kind: str, value: Any) -> str:
    """A message to the page: ``{"type": kind, kind: value}``."""
    return json.dumps({'type': kind, kind: plain(value)}, allow_nan=False, separators=(',', ':'))
