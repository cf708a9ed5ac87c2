# SPDX-License-Identifier: Apache-2.0
"""The servo's status codes, what they mean and what to do: MoveIt Servo's, which the simulated servo speaks, too."""

from __future__ import annotations

from enum import IntEnum


class ServoCode(IntEnum):
    """The values of ``igrft_msgs/ServoStatus``; from INVALID on they are those of ``moveit_msgs/ServoStatus``."""

    UNAVAILABLE = -2
    INVALID = -1
    NO_WARNING = 0
    DECELERATE_FOR_APPROACHING_SINGULARITY = 1
    HALT_FOR_SINGULARITY = 2
    DECELERATE_FOR_LEAVING_SINGULARITY = 3
    DECELERATE_FOR_COLLISION = 4
    HALT_FOR_COLLISION = 5
    JOINT_BOUND = 6


MESSAGES = {
    ServoCode.UNAVAILABLE: 'not there, paused, or not taking twists',
    ServoCode.INVALID: 'the twist is not finite, has a wrong size or a wrong frame; the arm holds',
    ServoCode.NO_WARNING: 'no warning',
    ServoCode.DECELERATE_FOR_APPROACHING_SINGULARITY: 'slowed near a singularity',
    ServoCode.HALT_FOR_SINGULARITY: 'halted at a singularity; move back',
    ServoCode.DECELERATE_FOR_LEAVING_SINGULARITY: 'slowed while leaving a singularity',
    ServoCode.DECELERATE_FOR_COLLISION: 'slowed near a collision',
    ServoCode.HALT_FOR_COLLISION: 'halted before a collision; it takes no twist until the arm is moved away by hand or'
    ' by arm_node/move_to',
    ServoCode.JOINT_BOUND: 'a joint is at its limit; move back',
}

LEVELS = {
    ServoCode.UNAVAILABLE: 'error',
    ServoCode.INVALID: 'error',
    ServoCode.NO_WARNING: 'ok',
    ServoCode.DECELERATE_FOR_APPROACHING_SINGULARITY: 'warn',
    ServoCode.HALT_FOR_SINGULARITY: 'error',
    ServoCode.DECELERATE_FOR_LEAVING_SINGULARITY: 'warn',
    ServoCode.DECELERATE_FOR_COLLISION: 'warn',
    ServoCode.HALT_FOR_COLLISION: 'error',
    ServoCode.JOINT_BOUND: 'warn',
}
"""For diagnostics: ok, warn, error."""


def known(code: int) -> ServoCode:
    """The code; one that nobody has described counts as INVALID."""
    try:
        return ServoCode(code)
    except ValueError:
        return ServoCode.INVALID
