# SPDX-License-Identifier: Apache-2.0
"""What the arms' servos say of themselves, for the node that speaks last to them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from rclpy.node import Node

from igrft.control.servo_status import LEVELS, ServoCode, known
from igrft.ros import qos
from igrft_msgs.msg import ServoStatus

RANK = ('ok', 'warn', 'error')


class ServoReports:
    """Keeps the newest `servo/status` of each arm.

    Args:
        node: subscribes.
        prefixes: of the arms' topics, '' where there is one arm.
        on_change: called when a code has changed.
    """

    def __init__(self, node: Node, prefixes: Sequence[str], on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._latest: dict[str, ServoStatus] = {}
        for prefix in prefixes:
            hear = functools.partial(self._on_status, prefix)
            qos.create_subscription(node, ServoStatus, f'{prefix}servo/status', hear, qos.LATCHED)

    def _on_status(self, prefix: str, message: ServoStatus) -> None:
        before = self._latest.get(prefix)
        self._latest[prefix] = message
        if before is None or before.code != message.code:
            self._on_change()

    @property
    def code(self) -> ServoCode:
        """Of the arm that fares worst."""
        codes = [known(message.code) for message in self._latest.values()]
        return max(codes, key=lambda code: RANK.index(LEVELS[code]), default=ServoCode.NO_WARNING)

    @property
    def level(self) -> str:
        """ok, warn or error."""
        return LEVELS[self.code]

    def joined(self, text: str) -> str:
        """``text``, and after it what is wrong with the servos, arm by arm."""
        bad = {p: m for p, m in self._latest.items() if known(m.code) is not ServoCode.NO_WARNING}
        return '; '.join([text, *(f'{p.rstrip("/")} servo: {m.message}'.lstrip() for p, m in bad.items())])
