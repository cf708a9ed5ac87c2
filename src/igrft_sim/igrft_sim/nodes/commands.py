# SPDX-License-Identifier: Apache-2.0
"""What the cell was last told to do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from trajectory_msgs.msg import JointTrajectory

from igrft.ros.messages import MessageError, nanoseconds_of
from igrft_msgs.msg import GripperCommand
from igrft_sim.nodes.messages import joint_values
from igrft_sim.tasks.base import Float64


class Commands:
    """The last usable joint target and openings; what cannot be used is refused and the last one holds.

    Args:
        joints: names in the cell's order, arm by arm.
        n_arms: number of arms.

    Attributes:
        target: [n_arms * 7] rad.
        openings: [n_arms] in [0, 1].
    """

    def __init__(self, joints: Sequence[str], n_arms: int = 1) -> None:
        self._index = {name: index for index, name in enumerate(joints)}
        self.target: Float64
        self.openings = np.ones(n_arms)
        self._joint_stamps = np.full(len(joints), -1)
        self._gripper_stamp = -1
        self._not_before = 0

    def restart(self, target: Float64, now: int) -> None:
        """Hold ``target``, open; what was commanded before ``now`` [ns] is not wanted any more."""
        self.target, self.openings = target, np.ones_like(self.openings)
        self._joint_stamps[:] = self._gripper_stamp = -1
        self._not_before = now

    def complete(self, tick: int) -> bool:
        """All commands answer the tick of that stamp [ns]."""
        return self._gripper_stamp == tick and bool((self._joint_stamps == tick).all())

    def joints(self, names: Sequence[str], message: JointTrajectory) -> None:
        """Take a target of those joints.

        Raises:
            MessageError: a joint is missing or not finite.
        """
        stamp = nanoseconds_of(message.header.stamp)
        if stamp < self._not_before:
            return
        positions = message.points[-1].positions if message.points else ()
        values = joint_values(message.joint_names, positions, names, 'joint_command')
        where = [self._index[name] for name in names]
        self.target = self.target.copy()  # the cell may still be using the last one
        self.target[where], self._joint_stamps[where] = values, stamp

    def gripper(self, message: GripperCommand) -> None:
        """Take an opening of each arm.

        Raises:
            MessageError: not as many numbers in [0, 1] as there are arms.
        """
        stamp = nanoseconds_of(message.header.stamp)
        if stamp < self._not_before:
            return
        openings = list(message.opening)
        if len(openings) != len(self.openings) or not all(0.0 <= opening <= 1.0 for opening in openings):
            raise MessageError(f'gripper/command: {openings} is not {len(self.openings)} opening(s) in [0, 1]')
        self.openings, self._gripper_stamp = np.array(openings), stamp
