# SPDX-License-Identifier: Apache-2.0
"""What is asked of MoveIt Servo and what is believed of it. No clock, no ROS: the caller passes the time.

Servo refuses every command until its type has been switched, forgets the type when it restarts, publishes nothing
while it is paused, and tells nobody which of these is the case. So the type is switched again every second while
somebody drives, and a Servo that is silent then is asked to go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from igrft.control.servo_status import LEVELS, MESSAGES, ServoCode, known

AGAIN = 1.0
"""[s] between two switches of the command type while somebody drives, and between two attempts to resume."""
SILENCE = 0.5
"""[s] without a status after which a Servo is paused or hangs; it publishes one every publish_period (0.01 s)."""
PATIENCE = 2.0
"""[s] for an answer."""


class Ask(Enum):
    """A service of Servo's."""

    TWIST = 'switch_command_type'
    RESUME = 'pause_servo'


@dataclass(slots=True)
class _Request:
    due: float = float('-inf')
    asked: float | None = None
    granted: bool | None = None
    """None: never answered"""


@dataclass(frozen=True, slots=True)
class Health:
    """code: as ``igrft_msgs/ServoStatus``; text: the same for people; level: ok, warn or error."""

    code: ServoCode
    text: str
    level: str


class ServoLink:
    """The belief, and what to ask next."""

    def __init__(self) -> None:
        self._there = False
        self._driving = False
        self._driving_since = float('-inf')
        self._heard = float('-inf')
        self._status: tuple[ServoCode, str] | None = None
        self._requests = {ask: _Request() for ask in Ask}

    # What is learnt -----------------------------------------------------------------------------------------

    def there(self, ready: bool, now: float) -> None:
        """Whether Servo's services are there; one that comes back has forgotten everything."""
        if ready and not self._there:
            self._requests = {ask: _Request() for ask in Ask}
            self._status, self._driving_since = None, now
        self._there = ready

    def driving(self, somebody: bool, now: float) -> None:
        """Whether twists are being sent."""
        if somebody and not self._driving:
            self._driving_since = now
        self._driving = somebody

    def status(self, code: int, text: str, now: float) -> None:
        """A status of Servo's, with its own words."""
        self._heard = now
        self._status = (known(code), text if known(code) == code else f'unknown code {code}: {text}')

    def answered(self, ask: Ask, granted: bool) -> None:
        """The service has answered."""
        request = self._requests[ask]
        request.asked, request.granted = None, granted

    # What follows -------------------------------------------------------------------------------------------

    def wanted(self, now: float) -> list[Ask]:
        """What to ask now; the caller asks all of it."""
        if not self._there:
            return []
        wants = {
            Ask.TWIST: self._driving or not self._requests[Ask.TWIST].granted,
            Ask.RESUME: self._driving and self._silent(now),
        }
        due = []
        for ask, want in wants.items():
            request = self._requests[ask]
            waiting = request.asked is not None and now - request.asked < PATIENCE
            if want and not waiting and now >= request.due:
                request.asked, request.due = now, now + AGAIN
                due.append(ask)
        return due

    def health(self, now: float) -> Health:
        """The worst that is known, in words."""
        problem = self._problem(now)
        if problem:
            return Health(ServoCode.UNAVAILABLE, problem, 'error' if self._driving or not self._there else 'warn')
        if self._status is None:
            return Health(ServoCode.NO_WARNING, 'no status yet', 'ok')
        code, text = self._status
        said = f' (it says: {text})' if code is not ServoCode.NO_WARNING and text else ''
        return Health(code, MESSAGES[code] + said, LEVELS[code])

    def _silent(self, now: float) -> bool:
        return now - max(self._heard, self._driving_since) > SILENCE

    def _problem(self, now: float) -> str:
        if not self._there:
            return 'servo_node is not there; start MoveIt Servo, or see its log for why it ended'
        for ask, request in self._requests.items():
            if request.asked is not None and now - request.asked >= PATIENCE:
                return f'servo_node/{ask.value} does not answer; restart MoveIt Servo'
        if self._requests[Ask.TWIST].granted is False:
            return 'servo_node refuses twists (switch_command_type); restart MoveIt Servo'
        if self._driving and self._requests[Ask.TWIST].granted is None:
            return 'servo_node has not been switched to twists yet'
        if self._driving and self._silent(now):
            if self._requests[Ask.RESUME].granted is False:
                return 'servo_node is paused and refuses to go on (pause_servo); restart MoveIt Servo'
            return 'servo_node publishes no status: it is paused, or waits for joint_states; asked to go on'
        return ''
