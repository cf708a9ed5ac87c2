# SPDX-License-Identifier: Apache-2.0
"""The graph's time for a node that is asked for it rarely.

Simulated time wakes a node fifty times a second and more: most of what an idle console would cost.
"""

from __future__ import annotations

from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from rosgraph_msgs.msg import Clock

from igrft.ros.messages import seconds_of


class WatchedClock:
    """The node's clock, which listens to simulated time only while somebody needs it.

    Takes ``use_sim_time`` over from the node: the node itself stays on system time.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._simulated = bool(node.get_parameter('use_sim_time').value)
        self._subscription: Subscription | None = None
        self._stamp: Time | None = None
        if self._simulated:
            node.set_parameters([Parameter('use_sim_time', value=False)])

    def follow(self, wanted: bool) -> None:
        """Begin or cease to listen. Called in the executor's thread."""
        if not self._simulated or wanted is (self._subscription is not None):
            return
        if wanted:
            qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
            self._subscription = self._node.create_subscription(Clock, '/clock', self._on_clock, qos)
        else:
            self._node.destroy_subscription(self._subscription)
            self._subscription = self._stamp = None

    def _on_clock(self, message: Clock) -> None:
        self._stamp = message.clock

    def stamp(self) -> Time | None:
        """Now, None while simulated time is not listened to or not there."""
        return self._stamp if self._simulated else self._node.get_clock().now().to_msg()

    def seconds(self) -> float | None:
        """Now [s], or None likewise."""
        stamp = self.stamp()
        return None if stamp is None else seconds_of(stamp)
