# SPDX-License-Identifier: Apache-2.0
"""Calibration boards: ChArUco, or a grid of AprilTags; drawn for printing, and found in images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np

from igrft.config import nearest
from igrft.perception.calibration import Calibration, CalibrationError
from igrft.perception.geometry import Float64, pose
from igrft.types import UInt8

KINDS = ('charuco', 'april')
DICTIONARIES = {
    name.removeprefix('DICT_'): value for name, value in vars(cv2.aruco).items() if name.startswith('DICT_')
}
FEWEST = 6
"""Points below which a view says too little."""


@dataclass(frozen=True, kw_only=True)
class BoardConfig:
    """A board as it was printed. Measure it: the printer's scale is the calibration's scale."""

    kind: str = 'charuco'
    """charuco (chessboard with markers), or april (grid of tags)"""
    columns: int = 7
    """squares (charuco) or tags (april) along x"""
    rows: int = 5
    square: float = 0.04
    """[m] side of a square; of a grid of tags the distance from tag to tag"""
    marker: float = 0.03
    """[m] side of a marker's black square"""
    dictionary: str = ''
    """of cv2.aruco, e.g. 5X5_100 or APRILTAG_36h11; empty: the kind's usual one"""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise CalibrationError(f"board kind '{self.kind}'; {nearest(self.kind, KINDS)}")
        if self.dictionary and self.dictionary not in DICTIONARIES:
            raise CalibrationError(f"dictionary '{self.dictionary}'; {nearest(self.dictionary, DICTIONARIES)}")
        if not (0 < self.marker < self.square < 10) or not (2 <= self.columns <= 60 and 2 <= self.rows <= 60):
            raise CalibrationError('a board has 2 to 60 columns and rows, and 0 < marker < square [m]')


@dataclass(frozen=True, slots=True)
class Sighting:
    """A board in one image: [n, 3] points on the board [m] (z = 0) and [n, 2] where they are seen [px]."""

    name: str
    points: Float64
    pixels: Float64


class Board:
    """Finds and draws one board. Its frame: x along the columns, y along the rows, z into the board."""

    def __init__(self, config: BoardConfig) -> None:
        self.config = config
        usual = '5X5_100' if config.kind == 'charuco' else 'APRILTAG_36h11'
        self._dictionary = cv2.aruco.getPredefinedDictionary(DICTIONARIES[config.dictionary or usual])
        size = (config.columns, config.rows)
        needed = config.columns * config.rows // (2 if config.kind == 'charuco' else 1)
        if needed > len(self._dictionary.bytesList):
            raise CalibrationError(
                f'the board has {needed} markers, '
                f'dictionary {config.dictionary or usual} {len(self._dictionary.bytesList)}'
            )
        if config.kind == 'charuco':
            self._board: Any = cv2.aruco.CharucoBoard(size, config.square, config.marker, self._dictionary)
        else:
            self._board = cv2.aruco.GridBoard(size, config.marker, config.square - config.marker, self._dictionary)

    @property
    def size(self) -> tuple[float, float]:
        """[m] along x and y."""
        config = self.config
        gap = 0.0 if config.kind == 'charuco' else config.square - config.marker
        return config.columns * config.square - gap, config.rows * config.square - gap

    def draw(self, dots_per_metre: float, margin: float = 0.0) -> UInt8:
        """The board for printing [H, W] grey, with a white ``margin`` [m] around it."""
        width, height = (round((side + 2 * margin) * dots_per_metre) for side in self.size)
        return np.asarray(
            self._board.generateImage((width, height), marginSize=round(margin * dots_per_metre)), np.uint8
        )

    def find(self, image: UInt8, name: str = 'image') -> Sighting | None:
        """The board in an image [H, W] or [H, W, 3] RGB; None where too little of it is seen."""
        gray = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        if self.config.kind == 'charuco':
            corners, ids, _, _ = self._charuco.detectBoard(gray)
        else:
            corners, ids, _ = self._tags.detectMarkers(gray)
        if ids is None or not len(ids):
            return None
        points, pixels = self._board.matchImagePoints(corners, ids)
        if points is None or len(points) < FEWEST:
            return None
        flat = np.asarray(points, np.float64).reshape(-1, 3)
        if np.linalg.matrix_rank(flat[:, :2] - flat[:, :2].mean(0), tol=1e-9) < 2:
            return None  # one row of corners: its pose is not determined
        return Sighting(name, flat, np.asarray(pixels, np.float64).reshape(-1, 2))

    @cached_property
    def _charuco(self) -> Any:
        return cv2.aruco.CharucoDetector(self._board)

    @cached_property
    def _tags(self) -> Any:
        parameters = cv2.aruco.DetectorParameters()
        parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
        return cv2.aruco.ArucoDetector(self._dictionary, parameters)


def locate(sighting: Sighting, calibration: Calibration) -> tuple[Float64, float]:
    """``camera_from_board`` [4, 4] and its RMS reprojection error [px].

    Raises:
        CalibrationError: no pose explains what is seen.
    """
    distortion = np.asarray(calibration.d, np.float64)
    good, rotation, translation = cv2.solvePnP(
        sighting.points, sighting.pixels, calibration.matrix, distortion, flags=cv2.SOLVEPNP_IPPE
    )
    if not good:
        raise CalibrationError(f'{sighting.name}: no pose of the board explains its corners')
    rotation, translation = cv2.solvePnPRefineLM(
        sighting.points, sighting.pixels, calibration.matrix, distortion, rotation, translation
    )
    found = pose(cv2.Rodrigues(rotation)[0], translation)
    return found, rms(project(sighting.points, found, calibration) - sighting.pixels)


def project(points: Float64, camera_from_points: Float64, calibration: Calibration) -> Float64:
    """[n, 2] px of points [n, 3] m."""
    rotation = cv2.Rodrigues(camera_from_points[:3, :3])[0]
    distortion = np.asarray(calibration.d, np.float64)
    pixels, _ = cv2.projectPoints(points, rotation, camera_from_points[:3, 3], calibration.matrix, distortion)
    return np.asarray(pixels, np.float64).reshape(-1, 2)


def rms(residuals: Float64) -> float:
    """Root mean square length of [n, 2] residuals."""
    return float(np.sqrt(np.mean(np.sum(residuals**2, -1))))
