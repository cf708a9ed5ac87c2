# SPDX-License-Identifier: Apache-2.0
"""Everything that may stop the robot, and the one service that releases it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from igrft.control.inputs import twists_of
from igrft.control.safety import SafetyFilter
from igrft.ros import qos
from igrft.ros.heartbeats import Heartbeats
from igrft.types import ARM_ACTION_DIM
from igrft_msgs.msg import Teleop, TeleopEvent

TOPICS = ('e_stop', 'console/e_stop')
"""Topics that stop, each a cause of its own: buttons and PLCs, and the operator's page."""
INPUT_HOLDS = 0.5
"""[s] of wall time for which an operator's input counts after it was received"""


class EmergencyStop:
    """Latches the filter's stop: :data:`TOPICS`, the operator's button, the service ``~/e_stop``, lost heartbeats.

    What a topic said last stays asserted until the same topic takes it back, so a button that is pressed is not
    released by the console, nor the console's stop by a button.

    Args:
        node: serves ``~/e_stop`` and ``~/e_stop_reset``.
        safety: the filter that keeps the latch.
        on_stop: called with the cause when the stop is latched.
        on_reset: called when it is released.
        heartbeats: ``topic seconds`` each; a longer silence of the topic stops, see :class:`Heartbeats`.
    """

    def __init__(
        self,
        node: Node,
        safety: SafetyFilter,
        on_stop: Callable[[str], None],
        on_reset: Callable[[], None],
        heartbeats: Sequence[str] = (),
    ) -> None:
        self._log = node.get_logger()
        self._safety = safety
        self._on_stop = on_stop
        self._on_reset = on_reset
        self._inputs: deque[tuple[float, bytes]] = deque()
        # A stop must be heard from everyone: a volatile publisher does not match a latched subscription, and
        # a volatile subscription does not hear what was latched before it came.
        for topic in TOPICS:
            for profile in (qos.LATCHED, qos.EVENT):
                qos.create_subscription(node, Bool, topic, self._hear(topic), profile)
        qos.create_subscription(node, TeleopEvent, 'teleop/event', self._on_event, qos.EVENT)
        qos.create_subscription(node, Teleop, 'teleop/command', self._on_teleop, qos.COMMAND, raw=True)
        node.create_service(Trigger, '~/e_stop', self._on_stop_service)
        node.create_service(Trigger, '~/e_stop_reset', self._on_service)
        self._heartbeats = Heartbeats(node, heartbeats, self._set) if heartbeats else None

    def watch(self, recording: bool) -> None:
        """An episode records (or no longer does): heartbeats that never came are missed from now on, too."""
        if self._heartbeats is not None:
            self._heartbeats.required = recording

    def _hear(self, topic: str) -> Callable[[Bool], None]:
        return lambda message: self._set(topic, message.data)

    def _on_event(self, message: TeleopEvent) -> None:
        if message.event == 'e_stop':
            self._press(f'{message.device} button')

    def _on_teleop(self, message: bytes) -> None:
        """What was said lately is kept as bytes: only a reset wants to know who pushes."""
        now = time.monotonic()
        self._inputs.append((now, message))
        while now - self._inputs[0][0] >= INPUT_HOLDS:
            self._inputs.popleft()

    def _press(self, cause: str) -> None:
        """A press has no release of its own: it latches and does not stay asserted."""
        self._set(cause, True)
        self._set(cause, False)

    def _set(self, cause: str, asserted: bool) -> None:
        before = self._safety.stopped
        self._safety.e_stop(cause, asserted)
        if self._safety.stopped and not before:
            self._log.error(f"EMERGENCY STOP by '{cause}'; reset with the service ~/e_stop_reset")
            self._on_stop(cause)

    def _on_stop_service(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._press('service')
        response.success, response.message = True, 'stopped'
        return response

    def _on_service(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        reason = self._pushed() or self._safety.reset()
        response.success, response.message = not reason, reason or 'reset'
        if not reason:
            self._log.info('emergency stop reset')
            self._on_reset()
        return response

    def _pushed(self) -> str:
        """A stop that is reset under a pushed cap would let the arm jump."""
        now = time.monotonic()
        recent = (deserialize_message(content, Teleop) for when, content in self._inputs if now - when < INPUT_HOLDS)
        for message in {message.device: message for message in recent}.values():
            action = np.frombuffer(message.action, np.float32)
            moves = action.size % ARM_ACTION_DIM == 0 and bool(np.any(twists_of(action) != 0.0))
            if message.connected and (message.engaged or moves):
                return f"'{message.device or 'a device'}' asks for motion; let go of the input first"
        return ''
