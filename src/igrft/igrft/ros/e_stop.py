# SPDX-License-Identifier: Apache-2.0
"""Everything that may stop the robot, and the one service that releases it."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from igrft.control.safety import SafetyFilter
from igrft.ros import qos
from igrft_msgs.msg import TeleopEvent


class EmergencyStop:
    """Latches the filter's stop from the topic `e_stop` and from the operator's button.

    Args:
        node: serves ``~/e_stop_reset``.
        safety: the filter that keeps the latch.
        on_stop: called with the cause when the stop is latched.
        on_reset: called when it is released.
    """

    def __init__(
        self, node: Node, safety: SafetyFilter, on_stop: Callable[[str], None], on_reset: Callable[[], None]
    ) -> None:
        self._log = node.get_logger()
        self._safety = safety
        self._on_stop = on_stop
        self._on_reset = on_reset
        # A stop must be heard from everyone: a volatile publisher does not match a latched subscription, and
        # a volatile subscription does not hear what was latched before it came.
        for profile in (qos.LATCHED, qos.EVENT):
            qos.create_subscription(node, Bool, 'e_stop', self._on_topic, profile)
        qos.create_subscription(node, TeleopEvent, 'teleop/event', self._on_event, qos.EVENT)
        node.create_service(Trigger, '~/e_stop_reset', self._on_service)

    def _on_topic(self, message: Bool) -> None:
        self._set('e_stop', message.data)

    def _on_event(self, message: TeleopEvent) -> None:
        if message.event == 'e_stop':
            # A press has no release of its own: it latches and does not stay asserted.
            self._set(f'{message.device} button', True)
            self._set(f'{message.device} button', False)

    def _set(self, cause: str, asserted: bool) -> None:
        before = self._safety.stopped
        self._safety.e_stop(cause, asserted)
        if self._safety.stopped and not before:
            self._log.error(f"EMERGENCY STOP by '{cause}'; reset with the service ~/e_stop_reset")
            self._on_stop(cause)

    def _on_service(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        reason = self._safety.reset()
        response.success, response.message = not reason, reason or 'reset'
        if not reason:
            self._log.info('emergency stop reset')
            self._on_reset()
        return response
