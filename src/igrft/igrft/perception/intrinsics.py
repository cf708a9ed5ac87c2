# SPDX-License-Identifier: Apache-2.0
"""Intrinsics from views of a board (Zhang 2000, by OpenCV), refused where the views do not determine them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from igrft.perception.board import Sighting, project, rms
from igrft.perception.calibration import Calibration, CalibrationError
from igrft.perception.geometry import angle_between, pose

FEWEST_VIEWS = 8
LEAST_TILT = math.radians(15)
"""[rad] between some two views: of parallel boards focal length and distance cannot be told apart."""
LEAST_COVER = 0.35
"""Share of the image's width and height that all corners together must span."""
WORST_ERROR = 2.0
"""[px] RMS above which something is wrong: the board's size, a blurred image, another camera's."""


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """Reprojection errors are RMS [px], over all corners and by view; spread is the 1-sigma of fx, fy, cx, cy [px]."""

    calibration: Calibration
    error: float
    view_errors: dict[str, float]
    spread: tuple[float, float, float, float]


def calibrate_intrinsics(sightings: Sequence[Sighting], width: int, height: int) -> Intrinsics:
    """Camera matrix and plumb_bob distortion (k1 k2 p1 p2 k3).

    Args:
        sightings: of one board, one an image.
        width, height: [px] of every image.

    Raises:
        CalibrationError: too few views, too little tilt or cover, or a result that cannot be right; each by name.
    """
    if len(sightings) < FEWEST_VIEWS:
        raise CalibrationError(f'too few views: {len(sightings)} with a board, {FEWEST_VIEWS} are needed')
    pixels = np.concatenate([s.pixels for s in sightings])
    cover = np.ptp(pixels, axis=0) / (width, height)
    if cover.min() < LEAST_COVER:
        raise CalibrationError(
            f'too little cover: the corners of all views span {cover[0]:.0%} x {cover[1]:.0%} of the image, '
            f'{LEAST_COVER:.0%} are needed each way; bring the board to the edges of the image, and nearer'
        )
    points = [s.points.astype(np.float32) for s in sightings]
    seen = [s.pixels.astype(np.float32) for s in sightings]
    try:
        _, matrix, distortion, turns, shifts, spread, _, _ = cv2.calibrateCameraExtended(
            points,
            seen,
            (width, height),
            None,
            None,  # type: ignore[call-overload]
        )
    except cv2.error as error:
        raise CalibrationError(
            f'no camera explains these views: {error.err}; the board or an image is wrong'
        ) from error
    poses = [pose(cv2.Rodrigues(r)[0], t) for r, t in zip(turns, shifts, strict=True)]
    tilt = max(angle_between(_tilt(a), _tilt(b)) for a in poses for b in poses)
    if tilt < LEAST_TILT:
        raise CalibrationError(
            f'too little tilt: the boards differ by {math.degrees(tilt):.0f} deg at most, '
            f'{math.degrees(LEAST_TILT):.0f} are needed; hold the board at a slant, about both axes'
        )
    found = Calibration(width, height, tuple(map(float, matrix.ravel())), tuple(map(float, distortion.ravel())))
    residuals = [project(s.points, p, found) - s.pixels for s, p in zip(sightings, poses, strict=True)]
    total = rms(np.concatenate(residuals))
    if not total <= WORST_ERROR:
        worst = max(zip(map(rms, residuals), (s.name for s in sightings), strict=True))
        raise CalibrationError(
            f'the reprojection error is {total:.2f} px, at most {WORST_ERROR:g} can be right; worst is {worst[1]} with '
            f"{worst[0]:.2f} px; check the board's columns and rows, and that all images are this camera's"
        )
    errors = {s.name: rms(r) for s, r in zip(sightings, residuals, strict=True)}
    fx, fy, cx, cy = (float(v) for v in np.ravel(spread)[:4])
    return Intrinsics(found, total, errors, (fx, fy, cx, cy))


def _tilt(board: np.ndarray) -> np.ndarray:
    """A pose without its turn about the board's normal, which tells nothing about focal length."""
    normal = board[:3, 2]
    axis = np.cross([0.0, 0.0, 1.0], normal)
    angle = math.acos(float(np.clip(normal[2], -1.0, 1.0)))
    length = float(np.linalg.norm(axis))
    turn = axis / length * angle if length > 1e-9 else np.zeros(3)
    return pose(cv2.Rodrigues(turn)[0], np.zeros(3))
