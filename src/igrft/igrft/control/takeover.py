# SPDX-License-Identifier: Apache-2.0
"""Who drives: one table of (mode, event) to mode."""

from __future__ import annotations

from enum import Enum

from igrft.types import Kind, Mode


class Event(str, Enum):
    """What can change who drives."""

    START = 'episode started'
    START_PAUSED = 'episode started without the policy'
    STOP = 'episode ended'
    ENGAGE = 'operator took over'
    RELEASE = 'operator let go'
    RELEASE_PAUSED = 'operator let go, the policy is paused'
    PAUSE = 'policy paused'
    RESUME = 'policy resumed'
    HELP = 'the policy waits for help'
    ALONE = 'nobody came to help, the policy goes on'
    LOST = 'teleoperation lost'
    E_STOP = 'emergency stop'
    E_STOP_RESET = 'emergency stop reset'


TABLE: dict[tuple[Mode, Event], Mode] = {
    (Mode.HOLD, Event.START): Mode.AUTONOMOUS,
    (Mode.HOLD, Event.START_PAUSED): Mode.PAUSED,
    (Mode.AUTONOMOUS, Event.ENGAGE): Mode.CORRECTING,
    (Mode.AUTONOMOUS, Event.PAUSE): Mode.PAUSED,
    (Mode.PAUSED, Event.ENGAGE): Mode.CORRECTING,
    (Mode.PAUSED, Event.RESUME): Mode.AUTONOMOUS,
    # Asking for help is the policy's own pause; of all pauses only this one may end by itself, if so configured.
    (Mode.AUTONOMOUS, Event.HELP): Mode.PAUSED,
    (Mode.PAUSED, Event.ALONE): Mode.AUTONOMOUS,
    (Mode.CORRECTING, Event.RELEASE): Mode.AUTONOMOUS,
    (Mode.CORRECTING, Event.RELEASE_PAUSED): Mode.PAUSED,
    # An operator whose device is gone has not let go: the policy must not start by itself.
    (Mode.CORRECTING, Event.LOST): Mode.PAUSED,
    # After an emergency stop someone must say that the policy may go on, or take over.
    (Mode.HOLD, Event.E_STOP_RESET): Mode.PAUSED,
    **{(mode, Event.STOP): Mode.HOLD for mode in Mode},
    **{(mode, Event.E_STOP): Mode.HOLD for mode in Mode},
}
"""Every transition there is; a pair that is not in it changes nothing."""


class Takeover:
    """Walks the table and counts takeovers as spans.

    Inputs are the facts of each tick (engaged, connected, recording …), made into events here; an event that
    the table does not know in the current mode is dropped, never queued.
    """

    def __init__(self) -> None:
        self.mode = Mode.HOLD
        self.count = 0
        """Takeovers in the current episode."""
        self.reason = 'start'
        self.policy_enabled = True
        self.waits_for_help = False
        """Paused by the policy's own call for help, and by nothing since."""
        self._recording = False
        self._counts = True
        self._stopped = False

    @property
    def released(self) -> bool:
        """The policy drives because the operator let go."""
        return self.mode is Mode.AUTONOMOUS and self.reason == Event.RELEASE.value

    def start(self, kind: Kind) -> bool:
        """An episode begins to record. Returns whether the mode changed, as all of these do."""
        self._recording = True
        self.count = 0
        self.waits_for_help = False
        # A demonstration is all human: nothing is interrupted, so nothing is counted.
        self._counts = kind is not Kind.DEMONSTRATION
        self.policy_enabled = self._counts
        if self._stopped:
            return False
        return self._apply(Event.START if self.policy_enabled else Event.START_PAUSED)

    def stop(self) -> bool:
        """The episode no longer records."""
        self._recording = False
        return self._apply(Event.STOP)

    def operator(self, engaged: bool, connected: bool) -> bool:
        """The operator's input of this tick."""
        if self.mode is Mode.CORRECTING:
            if not connected:
                return self._apply(Event.LOST)
            if not engaged:
                return self._apply(Event.RELEASE if self.policy_enabled else Event.RELEASE_PAUSED)
            return False
        return self._apply(Event.ENGAGE) if engaged and connected else False

    def lost(self) -> bool:
        """The operator's input has been silent for too long."""
        return self._apply(Event.LOST)

    def toggle_pause(self) -> bool:
        """The pause button: pauses the policy or lets it go on, also while the operator drives."""
        if self.mode is Mode.HOLD:
            return False
        # In a demonstration this may also bring the policy in, because the operator says so.
        self.policy_enabled = self.mode is Mode.PAUSED or (
            self.mode is Mode.CORRECTING and not self.policy_enabled
        )
        return self._apply(Event.RESUME if self.policy_enabled else Event.PAUSE)

    def ask_for_help(self) -> bool:
        """The policy pauses itself until somebody comes."""
        return self._apply(Event.HELP)

    def dismiss_help(self, alone: bool = False) -> bool:
        """It goes on: somebody said that it may, or (``alone``) nobody came. Ends no other pause."""
        if not self.waits_for_help:
            return False
        return self._apply(Event.ALONE if alone else Event.RESUME)

    def emergency(self, stopped: bool) -> bool:
        """The safety node's emergency stop was latched or reset."""
        if stopped == self._stopped:
            return False
        self._stopped = stopped
        if stopped:
            return self._apply(Event.E_STOP)
        return self._apply(Event.E_STOP_RESET) if self._recording else False

    def _apply(self, event: Event) -> bool:
        target = TABLE.get((self.mode, event), self.mode)
        if target is self.mode:
            return False
        if event is Event.ENGAGE and self._counts:
            self.count += 1
        self.mode = target
        self.waits_for_help = event is Event.HELP
        self.reason = event.value
        return True
