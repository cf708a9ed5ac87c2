# SPDX-License-Identifier: Apache-2.0
"""Boards as a camera would see them: drawn by warping the printed board with the true projection."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from igrft.perception.board import Board, BoardConfig
from igrft.perception.calibration import Calibration
from igrft.perception.geometry import Float64, pose
from igrft.types import UInt8

CAMERA = Calibration(640, 480, (600.0, 0.0, 320.5, 0.0, 605.0, 236.0, 0.0, 0.0, 1.0))
DOTS_PER_METRE = 4000.0


def look_at(eye: list[float], target: list[float], roll: float = 0.0) -> Float64:
    """``world_from_camera`` of an optical frame at ``eye`` that looks at ``target``."""
    forward = np.subtract(target, eye)
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right = right / np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward], 1)
    return pose(rotation @ cv2.Rodrigues(np.array([0, 0, roll]))[0], eye)


@pytest.fixture(scope='session')
def board() -> Board:
    return Board(BoardConfig())


@pytest.fixture(scope='session')
def photograph(board: Board) -> Callable[..., UInt8]:
    """The board at ``camera_from_board``, with perspective, in grey surroundings, as the camera sees it [480, 640]."""
    drawn = {}

    def take(camera_from_board: Float64, camera: Calibration = CAMERA, of: Board = board) -> UInt8:
        if id(of) not in drawn:
            drawn[id(of)] = of.draw(DOTS_PER_METRE, margin=0.02)
        print_ = drawn[id(of)]
        # A pixel of the print → the plane z = 0 of the board → the image.
        to_plane = np.array([[1 / DOTS_PER_METRE, 0, -0.02], [0, 1 / DOTS_PER_METRE, -0.02], [0, 0, 1.0]])
        to_plane[:2, 2] += 0.5 / DOTS_PER_METRE  # a pixel is where its middle is
        homography = camera.matrix @ camera_from_board[:3, [0, 1, 3]] @ to_plane
        size = (camera.width, camera.height)
        # Four samples a pixel each way, or a slanted board has edges that no lens would make.
        fine = np.array([[4.0, 0, 1.5], [0, 4.0, 1.5], [0, 0, 1]]) @ homography
        large = cv2.warpPerspective(
            print_,
            fine,
            (4 * size[0], 4 * size[1]),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=128,
        )
        return np.asarray(cv2.resize(large, size, interpolation=cv2.INTER_AREA), np.uint8)

    return take
