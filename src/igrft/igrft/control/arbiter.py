# SPDX-License-Identifier: Apache-2.0
"""Decides each control tick whether the policy, the operator or nobody drives, and what is sent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np

from igrft.config import LimitsConfig
from igrft.control.chunks import TOLERANCE, ChunkConfig, ChunkExecutor
from igrft.control.handover import HandOver
from igrft.control.inputs import Command, hold_action, openings_of, refusal, slowed
from igrft.control.takeover import Takeover
from igrft.types import ARM_ACTION_DIM, ActionChunk, Float32, Kind, Mode, Source, TeleopInput

CONSOLE = 'console'
"""The device name of the web page's pad."""


class HelpReaction(str, Enum):
    """What the arm does while the policy asks for help."""

    NONE = 'none'
    SLOW = 'slow'
    WAIT = 'wait'


@dataclass(frozen=True, kw_only=True)
class ArbiterConfig:
    """How the arbiter decides."""

    chunks: ChunkConfig
    lockstep: bool = False
    help_reaction: HelpReaction = HelpReaction.NONE
    help_speed: float = 0.3
    """share of the policy's speed that is left while it asks for help (``slow``)"""
    help_patience: float = 0.0
    """[s] that the arm waits for help before the policy goes on by itself (``wait``); 0 waits for ever: who comes near
    an arm that stands must not be surprised"""
    teleop_timeout: float = 0.06
    """[s] without operator input after which his command is a zero twist"""
    teleop_lost: float = 0.5
    """[s] without operator input after which the policy is paused, for he has not let go"""
    limits: LimitsConfig | None = None
    """the safety node's: a change of driver keeps to them; None (lock-step, in process) changes at once"""
    period: float = 0.02
    """[s] of the control tick"""
    hand_over: float = 0.2
    """[s] for which a change of driver is a seam"""

    def __post_init__(self) -> None:
        if not 0 < self.teleop_timeout <= self.teleop_lost:
            raise ValueError('teleop_timeout must be positive and at most teleop_lost [s]')
        if self.hand_over < 0 or self.period <= 0:
            raise ValueError('hand_over must not be negative, period must be positive [s]')
        if self.lockstep and (self.chunks.blend_time > 0 or self.chunks.prefetch or self.limits is not None):
            raise ValueError('in lock-step chunks neither blend nor prefetch, and drivers change at once')
        if not 0 < self.help_speed <= 1 or self.help_patience < 0:
            raise ValueError('help_speed must lie in (0, 1], help_patience must not be negative [s]')

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
        self.awaited = False
        """The newest chunk ended a time without one: it need not wait for the next tick."""
        self._changed = True
        self._stopping = False
        n_arms = config.action_dim // ARM_ACTION_DIM
        self._measured: Float32 = np.ones(n_arms, np.float32)
        self._openings = self._measured
        self._teleop: TeleopInput | None = None
        self._driver: str | None = None
        """The device heard last; while the operator drives, his."""
        self._seam: HandOver | None = None
        if config.limits is not None:
            self._seam = HandOver(config.limits, n_arms, config.period, config.hand_over)
        self._runs_out = False
        self._help = False
        self._help_stamp = self._chunk_stamp = -math.inf
        self._paused_at = 0.0
        self._dismissed: float | None = None

    # Inputs -------------------------------------------------------------------------------------------------

    def measured(self, openings: Float32) -> None:
        """The grippers' measured openings [n_arms], where an episode begins from."""
        self._measured = openings

    def start(self, kind: Kind, now: float) -> None:
        """An episode begins to record."""
        self._openings = self._measured
        self._teleop = self._driver = None
        self._help = False
        self._help_stamp = self._chunk_stamp = -math.inf
        self._moved(self.takeover.start(kind), now)

    def stop(self, now: float) -> None:
        """The episode no longer records."""
        self._moved(self.takeover.stop(), now)

    def pause(self, now: float) -> None:
        """The operator's pause button."""
        self._moved(self.takeover.toggle_pause(), now)

    def help(self, requested: bool, stamp: float, now: float) -> None:
        """Whether the policy asks for help, judged from its chunk of ``stamp`` [s]."""
        begins, self._help = requested and not self._help, requested
        self._help_stamp = stamp
        if begins and self.config.help_reaction is HelpReaction.WAIT:
            self._paused_at, self._dismissed = now, None
            self._moved(self.takeover.ask_for_help(), now)

    def dismiss_help(self, stamp: float) -> None:
        """Somebody says at ``stamp`` [s] that the waiting policy may go on; in lock-step from the next tick on."""
        self._dismissed = stamp

    def emergency(self, stopped: bool, now: float) -> None:
        """The safety node's emergency stop."""
        self._moved(self.takeover.emergency(stopped), now)

    def hears(self, device: str) -> bool:
        """Whether the input of ``device`` counts: while one device drives, what the others say does not.

        One that lies still says so all the time, and would let go for the one in the operator's hand. In lock-step a
        page in a browser is not heard at all: it answers no ticks.
        """
        if self.config.lockstep:
            return device != CONSOLE
        return self.takeover.mode is not Mode.CORRECTING or device == self._driver

    def teleop(self, teleop: TeleopInput, now: float) -> str:
        """The operator's input. Returns why it was refused, '' if it was taken (or is of no device that counts)."""
        if not self.hears(teleop.device):
            return ''
        reason = refusal(teleop.action, self.config.action_dim)
        if reason:
            self.rejected += 1
            return reason
        self._teleop, self._driver = teleop, teleop.device
        # In lock-step an input counts in the tick that it answers, not when it happens to arrive.
        if not self.config.lockstep:
            self._moved(self.takeover.operator(teleop.engaged, teleop.connected), now)
        return ''

    def chunk(self, chunk: ActionChunk, now: float) -> str:
        """The policy's proposal. Returns why it was refused, '' if it was taken."""
        starved = self.chunks.empty(now)
        reason = self._offer(chunk, now)
        self.awaited = starved and not reason
        return reason

    def _offer(self, chunk: ActionChunk, now: float) -> str:
        if self.takeover.mode is not Mode.AUTONOMOUS:
            return f'the policy does not drive ({self.takeover.mode.name})'
        if self.config.lockstep and abs(chunk.stamp - now) > TOLERANCE:
            return f'a chunk of stamp {chunk.stamp:.3f} does not answer tick {now:.3f}'
        reason = self.chunks.offer(chunk, now)
        self._chunk_stamp = self._chunk_stamp if reason else chunk.stamp
        return reason

    # The tick -----------------------------------------------------------------------------------------------

    def step(self, now: float, silence: float = 0.0) -> Decision:
        """One tick. In lock-step call it when the tick's teleop is there, and again when its chunk is.

        Args:
            now: the node's clock, in lock-step the tick's stamp [s].
            silence: since the newest operator input arrived, by a monotonic clock [s].
        """
        self._follow_operator(now, silence)
        if self.takeover.waits_for_help:
            self._follow_help(now)
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

    def _follow_help(self, now: float) -> None:
        dismissed, patience = self._dismissed, self.config.help_patience
        if dismissed is not None and (now > dismissed + TOLERANCE or not self.config.lockstep):
            self._moved(self.takeover.dismiss_help(), now)
        elif patience and now - self._paused_at >= patience - TOLERANCE:
            self._moved(self.takeover.dismiss_help(alone=True), now)

    def _policy(self, now: float) -> Command | None:
        if self.config.lockstep and (self.chunks.due(now) or self._unjudged()):
            return None
        step = self.chunks.step(now)
        if step is None:
            return self._run_out(now) if self._runs_out else self._stand(now)
        if self._runs_out and self._seam is not None:
            self._seam.begin(now)
        self._runs_out = False
        slow = self._help and self.config.help_reaction is HelpReaction.SLOW
        action = slowed(step.action, self.config.help_speed) if slow else step.action
        return Command(now, self._seamless(action, now), Source.POLICY, step.index, step.checkpoint)

    def _unjudged(self) -> bool:
        """Where the arm's motion depends on it, a lock-step tick waits until the chunk's call for help is known."""
        listens = self.config.help_reaction is not HelpReaction.NONE
        return listens and self._help_stamp < self._chunk_stamp - TOLERANCE

    def _operator(self, now: float, silence: float) -> Command:
        silent = not self.config.lockstep and silence > self.config.teleop_timeout
        if self._teleop is None or silent:
            return self._stand(now)
        return Command(now, self._seamless(self._teleop.action, now), Source.HUMAN)

    def _seamless(self, action: Float32, now: float) -> Float32:
        return action if self._seam is None else self._seam.follow(action, now)

    def _run_out(self, now: float) -> Command:
        """Until the policy's first chunk: what the operator let go of in motion comes to rest by and by."""
        if self._seam is None or not self._seam.moving:
            return self._stand(now)
        return Command(now, self._seam.run_out(self._openings, now), Source.HUMAN)

    def _stand(self, now: float) -> Command:
        self._runs_out = False
        if self._seam is not None:
            self._seam.stood(now)
        return Command(now, hold_action(self._openings), Source.HOLD)

    def _moved(self, changed: bool, now: float) -> None:
        if not changed:
            return
        self._changed = True
        # Only an operator who lets go himself leaves a motion to run out; whatever else ends it ends it at once.
        self._runs_out = self.takeover.released
        if self._seam is not None:
            self._seam.begin(now)
        self._stopping = self.takeover.mode is Mode.HOLD and not self.config.lockstep
        # Whoever drives next, the chunk that ran belongs to the past; the policy resumes from a fresh view.
        self.chunks.drop(now)
