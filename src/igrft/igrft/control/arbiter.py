# SPDX-License-Identifier: Apache-2.0
"""Decides each control tick whether the policy, the operator or nobody drives, and what is sent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from igrft.control.chunks import TOLERANCE, ChunkConfig, ChunkExecutor
from igrft.control.inputs import Command, hold_action, openings_of, refusal
from igrft.control.takeover import Takeover
from igrft.types import ActionChunk, Float32, Kind, Mode, Source, TeleopInput


@dataclass(frozen=True, kw_only=True)
class ArbiterConfig:
    """How the arbiter decides."""

    chunks: ChunkConfig
    lockstep: bool = False
    teleop_timeout: float = 0.06
    """[s] without operator input after which his command is a zero twist"""
    teleop_lost: float = 0.5
    """[s] without operator input after which the policy is paused, for he has not let go"""

    def __post_init__(self) -> None:
        if not 0 < self.teleop_timeout <= self.teleop_lost:
            raise ValueError('teleop_timeout must be positive and at most teleop_lost [s]')
        if self.lockstep and (self.chunks.blend_time > 0 or self.chunks.prefetch):
            raise ValueError('in lock-step chunks neither blend nor prefetch')

    @property
    def action_dim(self) -> int:
        return self.chunks.action_dim


@dataclass(frozen=True, slots=True)
class Decision:
    """What one tick comes to.

    Attributes:
        command: to send; None when nobody may drive (HOLD), or in lock-step while the tick waits for its chunk.
        request: ask the policy for a chunk from an observation at or after this tick.
        changed: the mode changed since the last decision.
        mode: who drives.
    """

    command: Command | None
    request: bool
    changed: bool
    mode: Mode


class Arbiter:
    """The core of ``arbiter_node``. ``now`` is the node's clock in seconds."""

    def __init__(self, config: ArbiterConfig) -> None:
        self.config = config
        self.takeover = Takeover()
        self.chunks = ChunkExecutor(config.chunks)
        self.rejected = 0
        """Operator inputs refused since start."""
        self._changed = True
        self._stopping = False
        n_arms = config.action_dim // 7
        self._measured: Float32 = np.ones(n_arms, np.float32)
        self._openings = self._measured
        self._teleop: TeleopInput | None = None

    # Inputs -------------------------------------------------------------------------------------------------

    def measured(self, openings: Float32) -> None:
        """The grippers' measured openings [n_arms], where an episode begins from."""
        self._measured = openings

    def start(self, kind: Kind, now: float) -> None:
        """An episode begins to record."""
        self._openings = self._measured
        self._teleop = None
        self._moved(self.takeover.start(kind), now)

    def stop(self, now: float) -> None:
        """The episode no longer records."""
        self._moved(self.takeover.stop(), now)

    def pause(self, now: float) -> None:
        """The operator's pause button."""
        self._moved(self.takeover.toggle_pause(), now)

    def emergency(self, stopped: bool, now: float) -> None:
        """The safety node's emergency stop."""
        self._moved(self.takeover.emergency(stopped), now)

    def teleop(self, teleop: TeleopInput, now: float) -> str:
        """The operator's input. Returns why it was refused, '' if it was taken."""
        reason = refusal(teleop.action, self.config.action_dim)
        if reason:
            self.rejected += 1
            return reason
        self._teleop = teleop
        # In lock-step an input counts in the tick that it answers, not when it happens to arrive.
        if not self.config.lockstep:
            self._moved(self.takeover.operator(teleop.engaged, teleop.connected), now)
        return ''

    def chunk(self, chunk: ActionChunk, now: float) -> str:
        """The policy's proposal. Returns why it was refused, '' if it was taken."""
        if self.takeover.mode is not Mode.AUTONOMOUS:
            return f'the policy does not drive ({self.takeover.mode.name})'
        if self.config.lockstep and abs(chunk.stamp - now) > TOLERANCE:
            return f'a chunk of stamp {chunk.stamp:.3f} does not answer tick {now:.3f}'
        return self.chunks.offer(chunk, now)

    # The tick -----------------------------------------------------------------------------------------------

    def step(self, now: float, silence: float = 0.0) -> Decision:
        """One tick. In lock-step call it when the tick's teleop is there, and again when its chunk is.

        Args:
            now: the node's clock, in lock-step the tick's stamp [s].
            silence: since the newest operator input arrived, by a monotonic clock [s].
        """
        self._follow_operator(now, silence)
        command, request = None, False
        mode = self.takeover.mode
        if mode is Mode.AUTONOMOUS:
            request = self.chunks.request(now)
            command = self._policy(now)
        elif mode is Mode.CORRECTING:
            command = self._operator(now, silence)
        elif mode is Mode.PAUSED or self._stopping:
            # One last standstill on the way into HOLD: the robot need not wait for a time-out.
            command = self._stand(now)
        self._stopping = False
        if command is not None:
            self._openings = openings_of(command.action)
        changed, self._changed = self._changed, False
        return Decision(command, request, changed, mode)

    @property
    def changed(self) -> bool:
        """The mode has changed and no tick has said so yet."""
        return self._changed

    def waits_for_chunk(self, now: float) -> bool:
        """The policy drives and has no action for this tick."""
        return self.takeover.mode is Mode.AUTONOMOUS and self.chunks.due(now)

    def _follow_operator(self, now: float, silence: float) -> None:
        teleop = self._teleop
        if self.config.lockstep:
            if teleop is not None and abs(teleop.stamp - now) <= TOLERANCE:
                self._moved(self.takeover.operator(teleop.engaged, teleop.connected), now)
        elif self.takeover.mode is Mode.CORRECTING and silence > self.config.teleop_lost:
            self._moved(self.takeover.lost(), now)

    def _policy(self, now: float) -> Command | None:
        if self.config.lockstep and self.chunks.due(now):
            return None
        step = self.chunks.step(now)
        if step is None:
            return self._stand(now)
        return Command(now, step.action, Source.POLICY, step.index, step.checkpoint)

    def _operator(self, now: float, silence: float) -> Command:
        silent = not self.config.lockstep and silence > self.config.teleop_timeout
        if self._teleop is None or silent:
            return self._stand(now)
        return Command(now, self._teleop.action, Source.HUMAN)

    def _stand(self, now: float) -> Command:
        return Command(now, hold_action(self._openings), Source.HOLD)

    def _moved(self, changed: bool, now: float) -> None:
        if not changed:
            return
        self._changed = True
        self._stopping = self.takeover.mode is Mode.HOLD and not self.config.lockstep
        # Whoever drives next, the chunk that ran belongs to the past; the policy resumes from a fresh view.
        self.chunks.drop(now)
