# SPDX-License-Identifier: Apache-2.0
"""The interaction signal on frames whose motion is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from igrft.reward.interaction import InteractionConfig, InteractionDetector, moving_pixels


def scene(object_at: float, robot_at: float, width: int = 128, robot: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """A frame with a square object and a disc-shaped robot, and the robot's mask; positions as shares of the width."""
    rows, columns = np.mgrid[0:width, 0:width]
    frame = np.full((width, width, 3), 90, np.uint8)
    frame[..., 1] = 90 + (20 * np.sin(columns / width * 12)).astype(np.uint8)
    side = width // 10
    left, top = round(object_at * width), round(0.7 * width)
    frame[top : top + side, left : left + side] = (210, 40, 40)
    disc = (rows - 0.3 * width) ** 2 + (columns - robot_at * width) ** 2 < (0.1 * width) ** 2
    mask = np.where(disc, 255, 0).astype(np.uint8)
    if robot:
        frame[disc] = (240, 240, 230)
    return frame, mask


def signal(
    objects: list[float],
    robots: list[float],
    masked: bool = True,
    width: int = 128,
    dt: float = 0.1,
    config: InteractionConfig | None = None,
) -> list[bool]:
    detector = InteractionDetector(config)
    result = []
    for step, (o, r) in enumerate(zip(objects, robots, strict=True)):
        frame, mask = scene(o, r, width)
        result.append(detector.update(frame, mask if masked else None, step * dt).interacting)
    return result


STILL = [0.4] * 12
MOVING = [0.4] * 4 + [0.4 + 0.02 * k for k in range(4)] + [0.46] * 4
SWEEP = [0.2 + 0.03 * k for k in range(12)]


def test_a_moving_robot_alone_is_no_interaction() -> None:
    assert not any(signal(STILL, SWEEP))


def test_without_its_mask_the_robot_would_be_one() -> None:
    assert any(signal(STILL, SWEEP, masked=False))


def test_a_moving_object_is() -> None:
    on = signal(MOVING, SWEEP)
    assert on[5:8] == [True] * 3
    assert not any(on[:5])
    assert not any(on[10:])


@pytest.mark.parametrize(('width', 'dt'), [(64, 0.1), (128, 0.1), (256, 0.1), (128, 0.05)])
def test_thresholds_hold_for_other_sizes_and_rates(width: int, dt: float) -> None:
    speed = 0.02 * dt / 0.1
    objects = [0.4] * 4 + [0.4 + speed * k for k in range(1, 9)]
    on = signal(objects, [0.5] * 12, width=width, dt=dt)
    assert not any(on[:4])
    assert all(on[5:])


def test_minimum_duration_and_hysteresis() -> None:
    jump = [0.4] * 3 + [0.43] * 9
    short = signal(jump, [0.8] * 12, config=InteractionConfig(min_duration=0.0))
    held = signal(jump, [0.8] * 12, config=InteractionConfig(min_duration=0.5))
    assert sum(short) < sum(held) == 5


def test_a_repeated_stamp_changes_nothing() -> None:
    detector = InteractionDetector()
    detector.update(*scene(0.4, 0.2), 0.0)
    first = detector.update(*scene(0.42, 0.2), 0.1)
    again = detector.update(*scene(0.60, 0.2), 0.1)
    assert again is first


def test_reset_begins_anew() -> None:
    detector = InteractionDetector()
    detector.update(*scene(0.4, 0.2), 0.0)
    assert detector.update(*scene(0.44, 0.2), 0.1).interacting
    detector.reset()
    assert detector.stamp is None
    sample = detector.update(*scene(0.5, 0.2), 0.0)
    assert (sample.interacting, sample.moving_pixels) == (False, 0)


def test_frames_far_apart_are_not_compared() -> None:
    detector = InteractionDetector()
    detector.update(*scene(0.4, 0.2), 0.0)
    assert not detector.update(*scene(0.6, 0.2), 1.0).interacting
    assert detector.update(*scene(0.62, 0.2), 1.1).interacting


def test_moving_pixels_counts_outside_the_robot_only() -> None:
    flow = np.zeros((4, 5, 2), np.float32)
    flow[0, 0] = (3.0, 4.0)
    flow[1, 1] = (0.1, 0.0)
    flow[2, 2] = (3.0, 4.0)
    robot = np.zeros((4, 5), np.bool_)
    robot[2, 2] = True
    assert moving_pixels(flow, robot, 0.05) == (1, pytest.approx(5.0))
    assert moving_pixels(flow, ~robot & False, 0.005) == (3, pytest.approx((5 + 5 + 0.1) / 3))


def test_sizes_that_do_not_fit_are_refused() -> None:
    detector = InteractionDetector()
    frame, mask = scene(0.4, 0.2)
    with pytest.raises(ValueError, match='robot mask of'):
        detector.update(frame, cv2.resize(mask, (64, 64)), 0.0)
    detector.update(frame, mask, 0.0)
    with pytest.raises(ValueError, match='after frames of'):
        detector.update(*scene(0.4, 0.2, width=64), 0.1)


@pytest.mark.parametrize('bad', [{'delta_flow': 0.0}, {'release_ratio': 0.0}, {'min_duration': -1.0}])
def test_impossible_thresholds_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        InteractionConfig(**bad)
