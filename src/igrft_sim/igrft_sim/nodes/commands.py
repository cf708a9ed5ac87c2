# SPDX-License-Identifier: Apache-2.0
"""What the cell was last told to do."""

from __future__ import annotations

from collections.abc import Sequence

from trajectory_msgs.msg import JointTrajectory

from igrft.ros.messages import MessageError, nanoseconds_of
from igrft_msgs.msg import GripperCommand
from igrft_sim.nodes.messages import joint_values
from igrft_sim.tasks.base import Float64


class Commands:
    """The last usable joint target and opening; what cannot be used is refused and the last one holds.

    Args:
        joints: names in the cell's order.

    Attributes:
        target: [7] rad.
        opening: in [0, 1].
    """

    def __init__(self, joints: Sequence[str]) -> None:
        self._joints = joints
        self.target: Float64
        self.opening: float
        self._stamps = [-1, -1]
        self._not_before = 0

    def restart(self, target: Float64, now: int) -> None:
        """Hold ``target``, open; what was commanded before ``now`` [ns] is not wanted any more."""
        self.target, self.opening = target, 1.0
        self._stamps = [-1, -1]
        self._not_before = now

    def complete(self, tick: int) -> bool:
        """Both commands answer the tick of that stamp [ns]."""
        return self._stamps == [tick, tick]

    def joints(self, message: JointTrajectory) -> None:
        """Take a joint target.

        Raises:
            MessageError: a joint is missing or not finite.
        """
        stamp = nanoseconds_of(message.header.stamp)
        if stamp < self._not_before:
            return
        positions = message.points[-1].positions if message.points else ()
        self.target = joint_values(message.joint_names, positions, self._joints, 'joint_command')
        self._stamps[0] = stamp

    def gripper(self, message: GripperCommand) -> None:
        """Take an opening.

        Raises:
            MessageError: not one number in [0, 1].
        """
        stamp = nanoseconds_of(message.header.stamp)
        if stamp < self._not_before:
            return
        opening = list(message.opening)
        if len(opening) != 1 or not 0.0 <= opening[0] <= 1.0:
            raise MessageError(f'gripper/command: {opening} is not one opening in [0, 1]')
        self.opening = opening[0]
        self._stamps[1] = stamp
