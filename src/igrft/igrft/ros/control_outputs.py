# SPDX-License-Identifier: Apache-2.0
"""What the arbiter and the safety node send, made into messages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TwistStamped
from rclpy.duration import Duration
from rclpy.node import Node
from std_msgs.msg import Header

from igrft.control import inputs
from igrft.control.chunks import ChunkExecutor
from igrft.control.takeover import Takeover
from igrft.ros import messages, qos
from igrft.ros.clocks import Silence
from igrft.types import Float32
from igrft_msgs.msg import ChunkRequest, Command, GripperCommand, Intervention

GRIPPER_REPEAT = 0.2
"""[s] between repetitions of an unchanged gripper command in real time"""
DELIVERY = 1.0
"""[s] at most for the last twist to arrive"""


class ArbiterOutputs:
    """`command`, `policy/request` and `intervention`, and the newest command for saying it again."""

    def __init__(self, node: Node, frame_id: str) -> None:
        self._frame_id = frame_id
        self._command = qos.create_publisher(node, Command, 'command', qos.COMMAND)
        self._request = qos.create_publisher(node, ChunkRequest, 'policy/request', qos.COMMAND)
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

    def request(self, stamp: Time, chunks: ChunkExecutor) -> None:
        """Ask the policy for a chunk from an observation at or after ``stamp``, to go on from the one that runs."""
        message = ChunkRequest(header=Header(stamp=stamp, frame_id=self._frame_id), latency=chunks.latency)
        if chunks.running is not None:
            message.running = messages.time_msg(chunks.running)
        self._request.publish(message)

    def intervention(self, takeover: Takeover, stamp: Time) -> None:
        """Tell who drives."""
        message = Intervention(mode=int(takeover.mode), count=takeover.count, reason=takeover.reason)
        message.header = Header(stamp=stamp, frame_id=self._frame_id)
        self._intervention.publish(message)


class SafetyOutputs:
    """The twists, the grippers and `executed_action`.

    Args:
        node: publishes.
        frame_id: of the twists.
        prefixes: of the arms' topics, '' where there is one arm.
        gripper_silence: since the grippers were told; None tells them every time (lock-step).
    """

    def __init__(self, node: Node, frame_id: str, prefixes: Sequence[str], gripper_silence: Silence | None) -> None:
        self._frame_id = frame_id
        self._silence = gripper_silence
        self._told: Float32 | None = None
        self._executed = qos.create_publisher(node, Command, 'executed_action', qos.EVENT)
        self._gripper = qos.create_publisher(node, GripperCommand, 'gripper/command', qos.COMMAND)
        self._twists = [
            qos.create_publisher(node, TwistStamped, f'{prefix}servo_node/delta_twist_cmds', qos.COMMAND)
            for prefix in prefixes
        ]

    def executed(self, command: inputs.Command, stamp: Time) -> None:
        """What goes to the robot, for the record."""
        self._executed.publish(messages.command_msg(command, stamp, self._frame_id))

    def twists(self, action: Float32, stamp: Time) -> None:
        """One twist an arm."""
        for publisher, twist in zip(self._twists, inputs.twists_of(action), strict=True):
            publisher.publish(messages.twist_msg(twist, stamp, self._frame_id))

    def delivered(self) -> bool:
        """Wait until every servo has the last twist: a publisher that goes at once takes it along."""
        patience = Duration(seconds=DELIVERY)
        return all(publisher.wait_for_all_acked(patience) for publisher in self._twists)

    def grippers(self, action: Float32, stamp: Time) -> None:
        """The openings; in real time only news is sent at once.

        A gripper keeps its target, and every message wakes all who listen.
        """
        openings = inputs.openings_of(action)
        same = self._told is not None and bool(np.abs(openings - self._told).max() <= 1e-4)
        if self._silence is not None:
            if same and self._silence.seconds() < GRIPPER_REPEAT:
                return
            self._silence.beat()
        self._told = np.array(openings)
        self._gripper.publish(messages.gripper_msg(openings, stamp))
