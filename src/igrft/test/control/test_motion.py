# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from igrft.control.motion import JointMotion, MotionError, MotionLimits

LIMITS = MotionLimits(velocity=1.0, acceleration=2.0, jerk=10.0)
DT = 0.02


def run(motion: JointMotion, brake_at: int = -1) -> list:
    points = []
    while not points or not points[-1].done:
        assert len(points) < 2000
        if len(points) == brake_at:
            motion.brake()
        points.append(motion.step())
    return points


def test_arrives_within_the_limits() -> None:
    start, target = np.zeros(7), np.linspace(-2, 2, 7)
    points = run(JointMotion(start, target, LIMITS, DT))
    np.testing.assert_allclose(points[-1].positions, target, atol=1e-6)
    velocities = np.array([p.velocities for p in points])
    assert np.abs(velocities).max() <= LIMITS.velocity + 1e-6
    assert np.abs(np.diff(velocities, axis=0)).max() <= LIMITS.acceleration * DT + 1e-6
    assert [p.progress for p in points] == sorted(p.progress for p in points)


def test_braking_ends_at_rest_short_of_the_target() -> None:
    points = run(JointMotion(np.zeros(2), np.full(2, 3.0), LIMITS, DT), brake_at=40)
    np.testing.assert_allclose(points[-1].velocities, 0, atol=1e-6)
    assert points[-1].positions[0] < 2.0


def test_bad_positions_are_refused() -> None:
    with pytest.raises(MotionError, match='6 joint positions for an arm with 7'):
        JointMotion(np.zeros(7), np.zeros(6), LIMITS, DT)
    with pytest.raises(MotionError, match='finite'):
        JointMotion(np.zeros(1), [np.nan], LIMITS, DT)
