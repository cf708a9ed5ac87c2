# SPDX-License-Identifier: Apache-2.0
"""Boards that were rendered with a known camera: it is found again, and what cannot be known is refused by name."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igrft.perception import geometry
from igrft.perception.board import Board, BoardConfig, Sighting, locate, project
from igrft.perception.calibration import (
    Calibration,
    CalibrationError,
    Extrinsics,
    read_calibration,
    read_extrinsics,
)
from igrft.perception.geometry import angle_between, from_vector, inverse, pose, to_vector
from igrft.perception.hand_eye import Mount, View, calibrate_hand_eye
from igrft.perception.intrinsics import calibrate_intrinsics

from .conftest import CAMERA, look_at

CENTRE = [0.14, 0.10, 0.0]
"""[m] middle of the default board"""


def board_views(count: int, spread: float = 0.5) -> list[np.ndarray]:
    """``camera_from_board`` of cameras around the board: it faces them from its back side, z into the board."""
    rng = np.random.default_rng(1)
    views = []
    for index in range(count):
        angle = 2 * np.pi * index / count
        eye = np.array(CENTRE) + [
            spread * 0.6 * np.cos(angle),
            spread * 0.5 * np.sin(angle),
            -0.38 - 0.15 * rng.random(),
        ]
        # The board's z points away from the viewer, so the camera stands at negative z.
        target = np.array(CENTRE) + rng.uniform(-0.05, 0.05, 3)
        views.append(inverse(look_at(list(eye), list(target), roll=rng.uniform(-0.4, 0.4))))
    return views


def test_a_rendered_board_is_found_where_it_is(board, photograph) -> None:
    for truth in board_views(4):
        sighting = board.find(photograph(truth))
        assert sighting is not None
        found, error = locate(sighting, CAMERA)
        assert error < 0.3
        assert np.linalg.norm(found[:3, 3] - truth[:3, 3]) < 0.002
        assert angle_between(found, truth) < np.radians(0.4)
    assert board.find(np.full((480, 640), 128, np.uint8)) is None


def test_a_grid_of_apriltags_is_found_too(photograph) -> None:
    tags = Board(BoardConfig(kind='april', columns=5, rows=4, square=0.05, marker=0.04))
    truth = board_views(4)[1]
    sighting = tags.find(photograph(truth, of=tags))
    assert sighting is not None and len(sighting.points) >= 4 * 12
    found, error = locate(sighting, CAMERA)
    assert error < 0.5
    assert np.linalg.norm(found[:3, 3] - truth[:3, 3]) < 0.003


def test_intrinsics_of_rendered_views(board, photograph) -> None:
    sightings = [board.find(photograph(view), str(i)) for i, view in enumerate(board_views(12))]
    found = calibrate_intrinsics([s for s in sightings if s], 640, 480)
    assert found.error < 0.3
    k = found.calibration.k
    assert k[0] == pytest.approx(600, rel=0.01) and k[4] == pytest.approx(605, rel=0.01)
    assert k[2] == pytest.approx(320.5, abs=5) and k[5] == pytest.approx(236, abs=5)
    with pytest.raises(CalibrationError, match='too few views: 3'):
        calibrate_intrinsics([s for s in sightings if s][:3], 640, 480)


def synthetic(poses: list[np.ndarray], noise: float = 0.0, camera: Calibration = CAMERA) -> list[Sighting]:
    """Sightings without an image: the corners of the default board, projected."""
    grid = np.stack(np.meshgrid(np.arange(1, 7), np.arange(1, 5), indexing='ij'), -1).reshape(-1, 2) * 0.04
    points = np.c_[grid, np.zeros(len(grid))]
    rng = np.random.default_rng(0)
    return [
        Sighting(str(i), points, project(points, p, camera) + rng.normal(0, noise, (len(points), 2)) if noise
                 else project(points, p, camera))
        for i, p in enumerate(poses)
    ]  # fmt: skip


def test_intrinsics_of_views_that_do_not_tell_are_refused() -> None:
    flat = [pose(np.eye(3), [x, y, 0.5]) for x in (-0.3, -0.14, 0.05) for y in (-0.25, -0.1, 0.05)]
    with pytest.raises(CalibrationError, match='too little tilt'):
        calibrate_intrinsics(synthetic(flat), 640, 480)
    far = [pose(cv2.Rodrigues(np.array([0.5 * (i % 2), 0.1 * i, 0]))[0], [0, 0, 2.0]) for i in range(9)]
    with pytest.raises(CalibrationError, match='too little cover'):
        calibrate_intrinsics(synthetic(far), 640, 480)
    mixed = synthetic(board_views(9))
    mixed[4] = Sighting('other', mixed[4].points, np.roll(mixed[4].pixels, 5, axis=0))
    with pytest.raises(CalibrationError, match=r'reprojection error.*worst is other'):
        calibrate_intrinsics(mixed, 640, 480)


def test_distortion_is_found() -> None:
    lens = Calibration(640, 480, CAMERA.k, (-0.25, 0.08, 0.001, -0.0005, 0.0))
    found = calibrate_intrinsics(synthetic(board_views(16), camera=lens), 640, 480)
    assert found.error < 1e-3
    assert found.calibration.d[:4] == pytest.approx(lens.d[:4], abs=5e-3)


def tool_poses(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    return [
        from_vector([*rng.uniform(-0.6, 0.6, 3), *rng.uniform(-0.08, 0.08, 3) + [0.4, 0.0, 0.4]]) for _ in range(count)
    ]


@settings(max_examples=15)
@given(
    turn=st.tuples(*[st.floats(-0.3, 0.3)] * 3),
    shift=st.tuples(*[st.floats(-0.1, 0.1)] * 3),
    mount=st.sampled_from(Mount),
)
def test_hand_eye_finds_both_unknowns(turn, shift, mount: Mount) -> None:
    """Exact views: the camera's pose and the board's come out, whatever they are."""
    camera = from_vector([*turn, *shift])
    tools = tool_poses(10)
    references = tools if mount is Mount.HAND else [inverse(tool) for tool in tools]
    # Put the board half a metre in front of the camera at the first view, wherever that is.
    board = references[0] @ camera @ from_vector([0.1, 0.0, 0.2, -0.1, -0.1, 0.6])
    views = [inverse(camera) @ inverse(reference) @ board for reference in references]
    usable = [(v, t) for v, t in zip(views, tools, strict=True) if v[2, 3] > 0.25]
    if len(usable) < 6:
        return
    sightings = synthetic([v for v, _ in usable])
    found = calibrate_hand_eye([View(s, t) for s, (_, t) in zip(sightings, usable, strict=True)], CAMERA, mount)
    assert found.error < 1e-2
    assert np.linalg.norm(found.camera[:3, 3] - camera[:3, 3]) < 1e-4
    assert angle_between(found.camera, camera) < 1e-4
    assert np.linalg.norm(found.board[:3, 3] - board[:3, 3]) < 1e-4


def test_hand_eye_on_rendered_boards(board, photograph) -> None:
    """A fixed camera beside the robot, the board in the hand; half a pixel of everything between print and corner."""
    base_from_camera = look_at([1.0, 0.1, 0.6], [0.4, 0.0, 0.3])
    tool_from_board = from_vector([0.0, 0.0, 0.2, -0.14, -0.1, 0.02])
    rng = np.random.default_rng(3)
    views = []
    for index in range(12):
        facing = base_from_camera @ from_vector([*rng.uniform(-0.5, 0.5, 2), rng.uniform(-1, 1), 0, 0, 0.55])
        facing[:3, 3] += rng.uniform(-0.04, 0.04, 3)
        base_from_board = facing @ from_vector([0, 0, 0, -0.14, -0.1, 0])
        sighting = board.find(photograph(inverse(base_from_camera) @ base_from_board), str(index))
        if sighting is not None:
            views.append(View(sighting, base_from_board @ inverse(tool_from_board)))
    assert len(views) >= 8
    found = calibrate_hand_eye(views, CAMERA, Mount.BASE)
    assert found.error < 0.5
    assert np.linalg.norm(found.camera[:3, 3] - base_from_camera[:3, 3]) < 0.004
    assert angle_between(found.camera, base_from_camera) < np.radians(0.4)
    assert 0 < found.spread[0] < 0.004


def test_hand_eye_refuses_what_does_not_tell() -> None:
    board = from_vector([0.1, 0, 0, -0.1, -0.1, 0.5])

    def views(tools: list[np.ndarray]) -> list[View]:
        seen = [inverse(tool) @ tools[0] @ board for tool in tools]
        return [View(s, t) for s, t in zip(synthetic(seen), tools, strict=True)]

    few = [from_vector([0.1 * i, 0.05 * i, 0, 0, 0, 0]) for i in range(4)]
    with pytest.raises(CalibrationError, match='too few views: 4'):
        calibrate_hand_eye(views(few), CAMERA, Mount.HAND)
    still = [from_vector([0.01 * i, 0, 0.02 * i, 0.01 * i, 0, 0]) for i in range(8)]
    with pytest.raises(CalibrationError, match='too little rotation'):
        calibrate_hand_eye(views(still), CAMERA, Mount.HAND)
    one_axis = [from_vector([0, 0, 0.1 * i, 0, 0.01 * i, 0]) for i in range(8)]
    with pytest.raises(CalibrationError, match='one axis only'):
        calibrate_hand_eye(views(one_axis), CAMERA, Mount.HAND)
    tools = [from_vector([0.1 * np.cos(i), 0.2 * np.sin(i), 0.1 * (i % 3), 0, 0.01 * i, 0]) for i in range(8)]
    good = views(tools)
    shuffled = [View(v.sighting, w.base_from_tool) for v, w in zip(good, good[3:] + good[:3], strict=True)]
    with pytest.raises(CalibrationError, match=r'reprojection error.*stood still'):
        calibrate_hand_eye(shuffled, CAMERA, Mount.HAND)


def test_files_come_back_and_bad_ones_are_named(tmp_path) -> None:
    path = tmp_path / 'front.yaml'
    lens = Calibration(640, 480, CAMERA.k, (-0.25, 0.08, 0.001, -0.0005, 0.0))
    path.write_text(lens.yaml('front', 'a note\nof two lines'))
    assert read_calibration(path) == lens
    half = lens.scaled(320, 240)
    assert (half.k[0], half.k[2], half.d) == (300.0, 160.25, lens.d)
    for text, words in (
        ('image_width: 640\n', 'not a camera_info file'),
        ('[1, 2]\n', 'no keys'),
        (lens.yaml('front').replace('600.0', '-1.0'), 'positive focal'),
        (lens.yaml('front').replace('plumb_bob', 'plum'), "model 'plum'"),
        (lens.yaml('front').replace('-0.25', '.nan'), 'not finite'),
    ):
        path.write_text(text)
        with pytest.raises(CalibrationError, match=rf'front\.yaml: .*{words}'):
            read_calibration(path)
    with pytest.raises(CalibrationError, match='cannot be read'):
        read_calibration(tmp_path / 'none.yaml')
    mounted = Extrinsics('base_link', 'front_optical', from_vector([0.3, 2.0, -0.1, 1, 2, 3]))
    path.write_text(mounted.yaml('a note'))
    found = read_extrinsics(path)
    assert (found.parent, found.child) == ('base_link', 'front_optical')
    np.testing.assert_allclose(found.parent_from_child, mounted.parent_from_child, atol=1e-8)
    path.write_text('parent: a\nchild: b\ntranslation: [0, 0]\nrotation_wxyz: [1, 0, 0, 0]\n')
    with pytest.raises(CalibrationError, match='translation has 3'):
        read_extrinsics(path)


@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6))
def test_transforms_and_quaternions_come_back(values) -> None:
    matrix = from_vector(values)
    again = geometry.from_quaternion(matrix[:3, 3], geometry.quaternion_of(matrix))
    np.testing.assert_allclose(again, matrix, atol=1e-5)  # OpenCV calls a turn below 1e-5 rad none
    np.testing.assert_allclose(inverse(matrix) @ matrix, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(from_vector(to_vector(matrix)), matrix, atol=1e-5)


def test_boards_that_cannot_be_are_refused() -> None:
    with pytest.raises(CalibrationError, match="did you mean 'charuco'"):
        BoardConfig(kind='charucco')
    with pytest.raises(CalibrationError, match='marker < square'):
        BoardConfig(marker=0.05)
    with pytest.raises(CalibrationError, match='dictionary'):
        Board(BoardConfig(columns=30, rows=30))
