# SPDX-License-Identifier: Apache-2.0
"""Where a camera is mounted, from views of a board and the tool poses they were taken at.

Camera in the hand, board fixed beside the robot: ``base_from_board`` and ``tool_from_camera`` are unknown.
Camera fixed, board in the hand: ``base_from_camera`` and ``tool_from_board`` are. Both are AX = ZB in other words;
OpenCV's closed form (``calibrateRobotWorldHandEye``, Shah 2013) begins, minimising the reprojection error ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import cv2
import numpy as np

from igrft.perception.board import Sighting, locate, project, rms
from igrft.perception.calibration import Calibration, CalibrationError
from igrft.perception.geometry import Float64, angle_between, from_vector, inverse, pose, to_vector

FEWEST_VIEWS = 6
LEAST_TURN = math.radians(20)
"""[rad] between some two tool poses."""
LEAST_AXES = 0.15
"""Second singular value of the axes that the tool was turned about, relative to the first: 0 where all are parallel."""
WORST_ERROR = 5.0
"""[px] RMS above which tool poses and views cannot belong together."""


class Mount(str, Enum):
    """What the camera is fixed to."""

    HAND = 'hand'
    BASE = 'base'


@dataclass(frozen=True, slots=True)
class View:
    """One view: the board as seen, and ``base_from_tool`` [4, 4] at that moment."""

    sighting: Sighting
    base_from_tool: Float64


@dataclass(frozen=True, slots=True)
class HandEye:
    """The result.

    Attributes:
        camera: ``tool_from_camera`` of a camera in the hand, ``base_from_camera`` of a fixed one.
        board: ``base_from_board``, or ``tool_from_board``.
        error: RMS reprojection error over all corners [px].
        view_errors: the same by view.
        spread: 1-sigma of the camera's translation [m] and rotation [rad], as far as the residuals tell.
    """

    camera: Float64
    board: Float64
    error: float
    view_errors: dict[str, float]
    spread: tuple[float, float]


def calibrate_hand_eye(views: Sequence[View], calibration: Calibration, mount: Mount) -> HandEye:
    """Where the camera is mounted.

    Raises:
        CalibrationError: too few views, too little rotation, rotations about one axis only, or views and poses that
            do not belong together; each by name.
    """
    tools = [view.base_from_tool for view in views]
    _refuse_degenerate(tools)
    boards = [locate(view.sighting, calibration)[0] for view in views]
    # A fixed camera sees a board in the hand as a camera in the hand sees a fixed board, with base and tool swapped.
    references = tools if mount is Mount.HAND else [inverse(tool) for tool in tools]
    start = _closed_form(boards, references)
    camera, board, spread = _refine(start, views, references, calibration)
    residuals = _residuals(camera, board, views, references, calibration)
    error = rms(np.concatenate(residuals))
    if not error <= WORST_ERROR:
        worst = max(zip(map(rms, residuals), (v.sighting.name for v in views), strict=True))
        raise CalibrationError(
            f'the reprojection error is {error:.1f} px, at most {WORST_ERROR:g} can be right; worst is {worst[1]} with '
            f'{worst[0]:.1f} px; were the poses taken while the arm stood still, is the board fixed, and is the mount '
            f"'{mount.value}' the right one?"
        )
    errors = {v.sighting.name: rms(r) for v, r in zip(views, residuals, strict=True)}
    return HandEye(camera, board, error, errors, spread)


def _refuse_degenerate(tools: Sequence[Float64]) -> None:
    if len(tools) < FEWEST_VIEWS:
        raise CalibrationError(f'too few views: {len(tools)} with a board and a pose, {FEWEST_VIEWS} are needed')
    turns = [angle_between(a, b) for a in tools for b in tools]
    if max(turns) < LEAST_TURN:
        raise CalibrationError(
            f'too little rotation: the tool turned by {math.degrees(max(turns)):.0f} deg at most, '
            f'{math.degrees(LEAST_TURN):.0f} are needed, better 60; turn the wrist between the views'
        )
    axes = np.array([to_vector(inverse(tools[0]) @ tool)[:3] for tool in tools[1:]])
    sizes = np.linalg.svd(axes, compute_uv=False)
    if sizes[1] < LEAST_AXES * sizes[0]:
        raise CalibrationError(
            'rotation about one axis only: along it the camera may sit anywhere; turn the wrist about a second axis too'
        )


def _closed_form(boards: Sequence[Float64], references: Sequence[Float64]) -> tuple[Float64, Float64]:
    """``reference_from_camera`` and ``world_from_board``, from ``camera_from_board`` and ``world_from_reference``."""
    back = [inverse(reference) for reference in references]
    turn_bw, shift_bw, turn_gc, shift_gc = cv2.calibrateRobotWorldHandEye(
        [b[:3, :3] for b in boards],
        [b[:3, 3] for b in boards],
        [r[:3, :3] for r in back],
        [r[:3, 3] for r in back],
        method=cv2.CALIB_ROBOT_WORLD_HAND_EYE_SHAH,
    )
    board_from_world, camera_from_reference = pose(turn_bw, shift_bw), pose(turn_gc, shift_gc)
    return inverse(camera_from_reference), inverse(board_from_world)


def _residuals(
    camera: Float64, board: Float64, views: Sequence[View], references: Sequence[Float64], calibration: Calibration
) -> list[Float64]:
    """[n, 2] px of each view: predicted less seen."""
    to_camera = inverse(camera)
    return [
        project(view.sighting.points, to_camera @ inverse(reference) @ board, calibration) - view.sighting.pixels
        for view, reference in zip(views, references, strict=True)
    ]


def _refine(
    start: tuple[Float64, Float64], views: Sequence[View], references: Sequence[Float64], calibration: Calibration
) -> tuple[Float64, Float64, tuple[float, float]]:
    """Levenberg-Marquardt over both unknown poses, [12] in their local coordinates."""
    camera, board = start

    def at(step: Float64) -> tuple[Float64, Float64]:
        return camera @ from_vector(step[:6]), board @ from_vector(step[6:])

    def errors(step: Float64) -> Float64:
        return np.concatenate(_residuals(*at(step), views, references, calibration)).ravel()

    damping, now = 1e-3, errors(np.zeros(12))
    normal = np.eye(12)
    for _ in range(30):
        nudges: list[Float64] = [np.asarray(1e-6 * row) for row in np.eye(12)]
        jacobian = np.stack([(errors(nudge) - errors(-nudge)) / 2e-6 for nudge in nudges], 1)
        normal, gradient = jacobian.T @ jacobian, jacobian.T @ now
        damped = normal + damping * np.diag(np.diag(normal) + 1e-12)
        step = np.asarray(-np.linalg.solve(damped, gradient), np.float64)
        trial = errors(step)
        better = float(now @ now - trial @ trial)
        if better <= 0:
            damping *= 10
            if damping > 1e6:
                break
            continue
        camera, board = at(step)
        done, now, damping = better < 1e-10 * float(now @ now), trial, damping / 10
        if done:
            break
    variance = float(now @ now) / max(len(now) - 12, 1)
    covariance = np.linalg.pinv(normal) * variance
    sigma = np.sqrt(np.abs(np.diag(covariance)))
    return camera, board, (float(np.linalg.norm(sigma[3:6])), float(np.linalg.norm(sigma[:3])))
