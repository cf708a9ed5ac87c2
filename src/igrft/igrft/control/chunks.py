# SPDX-License-Identifier: Apache-2.0
"""Executes action chunks by time: skips what inference has consumed, replans early, blends at the seam."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from igrft.types import ARM_ACTION_DIM, ActionChunk, Float32

TOLERANCE_DT = 1e-3
"""Share by which the length of a step may differ from the robot's; it travels as float32."""
TOLERANCE = 1e-6
"""[s] A stamp this close to a step's boundary belongs to the step that begins there."""


@dataclass(frozen=True, kw_only=True)
class ChunkConfig:
    """How chunks are executed."""

    action_dim: int
    step_dt: float
    """[s] a step of every chunk lasts"""
    replan_steps: int = 2
    """executed steps after which a fresh chunk is wanted"""
    blend_time: float = 0.0
    """[s] over which a new chunk takes over from the running one; 0 switches at once (lock-step)"""
    prefetch: bool = False
    """ask ahead of time, by as much as the last answers took (real time)"""
    request_timeout: float = 0.5
    """[s] after which an unanswered request is made again"""
    max_overrun: float = 1.0
    """[s] for which a chunk goes on beyond replan_steps without a fresh one; then nobody drives, however long it is"""

    def __post_init__(self) -> None:
        if self.replan_steps < 1:
            raise ValueError('replan_steps must be at least 1')
        if self.blend_time < 0 or self.max_overrun < 0:
            raise ValueError('blend_time and max_overrun must not be negative [s]')
        if self.step_dt <= 0 or self.request_timeout <= 0:
            raise ValueError('step_dt and request_timeout must be positive [s]')


@dataclass(frozen=True, slots=True)
class ChunkStep:
    """What the running chunk says for one instant."""

    action: Float32
    index: int
    checkpoint: str


class ChunkExecutor:
    """Holds the running chunk. All times are seconds of the node's clock, passed in."""

    def __init__(self, config: ChunkConfig) -> None:
        self.config = config
        self.refused = 0
        self.taken = 0
        self._chunk: ActionChunk | None = None
        self._previous: ActionChunk | None = None
        self._adopted = -math.inf
        self._not_before = -math.inf
        self._requested: float | None = None
        self._latency = 0.0

    def drop(self, now: float) -> None:
        """Forget the running chunk; from now on only observations at or after ``now`` count."""
        self._chunk = self._previous = None
        self._requested = None
        self._not_before = now

    def offer(self, chunk: ActionChunk, now: float) -> str:
        """Run ``chunk`` from now on. Returns why it was refused, '' if it was taken."""
        reason = self._refusal(chunk, now)
        if reason:
            self.refused += 1
            return reason
        if self._requested is not None:
            # The slower of old and new, forgotten slowly: one quick answer must not make the next late.
            waited = max(now - self._requested, 0.0)
            self._latency = max(waited, 0.9 * self._latency + 0.1 * waited)
        self.taken += 1
        self._previous = self._chunk
        self._chunk = chunk
        self._adopted = now
        self._requested = None
        return ''

    def step(self, now: float) -> ChunkStep | None:
        """The action of this instant, or None when there is no chunk, or it has run out or waited in vain."""
        if self._overrun(now):  # nobody drives on from what nobody executes any more
            self._chunk = self._previous = None
        action, index = self._action(self._chunk, now)
        if self._chunk is None or action is None:
            return None
        return ChunkStep(self._blended(action, now), index, self._chunk.checkpoint)

    def empty(self, now: float) -> bool:
        """No chunk has an action for this instant."""
        return self._action(self._chunk, now)[0] is None or self._overrun(now)

    def due(self, now: float) -> bool:
        """A fresh chunk is needed for this very instant: none runs, it ran out, or enough of it was executed."""
        chunk = self._chunk
        if chunk is None or self._index(chunk, now) >= len(chunk.actions):
            return True
        # Counted from when it took over: what inference had consumed of it by then was not executed.
        return now - self._adopted >= self.config.replan_steps * chunk.dt - TOLERANCE

    def request(self, now: float) -> bool:
        """Whether to ask for a fresh chunk now; remembers that it was asked for."""
        ahead = 0.0
        if self.config.prefetch and self._chunk is not None:
            # Never more than a whole replanning interval early, or each chunk would ask for the next at once.
            ahead = min(self._latency, self.config.replan_steps * self._chunk.dt)
        wanted = self.due(now + ahead)
        waiting = self._requested is not None and now - self._requested < self.config.request_timeout
        if not wanted or waiting:
            return False
        self._requested = now
        return True

    @property
    def running(self) -> float | None:
        """Stamp of the running chunk [s]."""
        return None if self._chunk is None else self._chunk.stamp

    @property
    def latency(self) -> float:
        """[s] from a request to its chunk, as lately seen."""
        return self._latency

    def _refusal(self, chunk: ActionChunk, now: float) -> str:
        shape = chunk.actions.shape
        if len(shape) != 2 or shape[1] != self.config.action_dim or not shape[0]:
            return f'a chunk is [horizon, {self.config.action_dim}] here, got {list(shape)}'
        if not np.isfinite(chunk.actions).all():
            return 'the chunk is not finite'
        if not abs(chunk.dt - self.config.step_dt) <= TOLERANCE_DT * self.config.step_dt:
            return f'a step of the chunk lasts {chunk.dt:g} s, of this robot {self.config.step_dt:g} s (policy_rate)'
        # One step of slack: with a simulated clock an observation may overtake its own /clock message.
        if not math.isfinite(chunk.stamp) or chunk.stamp > now + chunk.dt + TOLERANCE:
            return f'the chunk is from the future: stamp {chunk.stamp:.3f}, now {now:.3f}'
        if chunk.stamp < self._not_before - TOLERANCE:
            return 'the chunk is from an observation before the policy got control'
        if self._chunk is not None and chunk.stamp < self._chunk.stamp - TOLERANCE:
            return 'the chunk is older than the running one'
        if self._index(chunk, now) >= shape[0]:
            return f'the chunk has run out: it is {now - chunk.stamp:.2f} s old'
        return ''

    def _overrun(self, now: float) -> bool:
        """The policy owes a fresh chunk for too long."""
        allowed = self.config.replan_steps * self.config.step_dt + self.config.max_overrun
        return now - self._adopted > allowed + TOLERANCE

    @staticmethod
    def _index(chunk: ActionChunk, now: float) -> int:
        return max(math.floor((now - chunk.stamp + TOLERANCE) / chunk.dt), 0)

    def _action(self, chunk: ActionChunk | None, now: float) -> tuple[Float32 | None, int]:
        if chunk is None:
            return None, -1
        index = self._index(chunk, now)
        if index >= len(chunk.actions):
            return None, index
        return chunk.actions[index], index

    def _blended(self, action: Float32, now: float) -> Float32:
        """From the old chunk's action for this instant to the new one's; grippers switch at once."""
        if self._previous is None:
            return action
        weight = (now - self._adopted) / self.config.blend_time if self.config.blend_time > 0 else 1.0
        old, _ = self._action(self._previous, now)
        if weight >= 1.0 or old is None:
            self._previous = None
            return action
        weight = max(weight, 0.0)
        mixed = (weight * action + (1.0 - weight) * old).astype(np.float32)
        mixed[ARM_ACTION_DIM - 1 :: ARM_ACTION_DIM] = action[ARM_ACTION_DIM - 1 :: ARM_ACTION_DIM]
        return mixed
