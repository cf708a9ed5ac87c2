# SPDX-License-Identifier: Apache-2.0
"""What the arbiter sends, made into messages."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from rclpy.node import Node
from std_msgs.msg import Header

from igrft.control import inputs
from igrft.control.takeover import Takeover
from igrft.ros import messages, qos
from igrft_msgs.msg import Command, Intervention


class ArbiterOutputs:
    """`command`, `policy/request` and `intervention`, and the newest command for saying it again."""

    def __init__(self, node: Node, frame_id: str) -> None:
        self._frame_id = frame_id
        self._command = qos.create_publisher(node, Command, 'command', qos.COMMAND)
        self._request = qos.create_publisher(node, Header, 'policy/request', qos.COMMAND)
        self._intervention = qos.create_publisher(node, Intervention, 'intervention', qos.LATCHED)
        self._last: Command | None = None

    def command(self, command: inputs.Command, stamp: Time) -> None:
        self._last = messages.command_msg(command, stamp, self._frame_id)
        self._command.publish(self._last)

    def answered(self, stamp: Time) -> bool:
        """The newest command belongs to this tick."""
        return self._last is not None and self._last.header.stamp == stamp

    def repeat(self) -> None:
        """Say the newest command again, for somebody who did not hear it."""
        if self._last is not None:
            self._command.publish(self._last)

    def forget(self) -> None:
        """A new episode: no tick of it has been answered."""
        self._last = None

    def request(self, stamp: Time) -> None:
        """Ask the policy for a chunk from an observation at or after ``stamp``."""
        self._request.publish(Header(stamp=stamp, frame_id=self._frame_id))

    def intervention(self, takeover: Takeover, stamp: Time) -> None:
        """Tell who drives."""
        message = Intervention(mode=int(takeover.mode), count=takeover.count, reason=takeover.reason)
        message.header = Header(stamp=stamp, frame_id=self._frame_id)
        self._intervention.publish(message)
