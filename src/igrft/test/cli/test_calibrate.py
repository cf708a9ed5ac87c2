# SPDX-License-Identifier: Apache-2.0
"""`igrft calibrate` on pictures of its own board: files are right, or not written at all."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from igrft.cli.main import app
from igrft.perception.calibration import Calibration, read_calibration, read_extrinsics
from igrft.perception.geometry import angle_between, from_vector, inverse, quaternion_of

K = np.array([[600.0, 0, 320], [0, 600.0, 240], [0, 0, 1]])
DPI = 100.0
PER_METRE = DPI / 0.0254


def calibrate(*words: object):
    return CliRunner().invoke(app, ['calibrate', *map(str, words)])


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    """A folder of views of the printed board from a camera in the hand, with the tool's poses."""
    folder = tmp_path_factory.mktemp('views')
    board = folder / 'print.bmp.board.png'
    result = calibrate('board', board, '--dpi', DPI)
    assert result.exit_code == 0, result.output
    print_ = cv2.imread(str(board), cv2.IMREAD_GRAYSCALE)
    board.unlink()
    tool_from_camera = from_vector([0.02, -0.03, 0.5, 0.03, 0.0, 0.06])
    base_from_board = from_vector([3.1, 0.1, 0, 0.5, 0.1, 0.0])
    rng = np.random.default_rng(5)
    listed = []
    for index in range(12):
        turn = [*rng.uniform(-0.45, 0.45, 2), rng.uniform(-0.6, 0.6)]
        camera_from_board = from_vector([*turn, 0, 0, 0.42]) @ from_vector([0, 0, 0, -0.14, -0.1, 0])
        camera_from_board[:3, 3] += [*rng.uniform(-0.08, 0.08, 2), rng.uniform(-0.05, 0.08)]
        margin = 0.02 - 0.5 / PER_METRE
        to_board = np.array([[1 / PER_METRE, 0, -margin], [0, 1 / PER_METRE, -margin], [0, 0, 1]])
        homography = K @ camera_from_board[:3, [0, 1, 3]] @ to_board
        fine = np.array([[3.0, 0, 1], [0, 3.0, 1], [0, 0, 1]]) @ homography
        large = cv2.warpPerspective(print_, fine, (1920, 1440), borderMode=cv2.BORDER_CONSTANT, borderValue=128)
        cv2.imwrite(str(folder / f'{index}.png'), cv2.resize(large, (640, 480), interpolation=cv2.INTER_AREA))
        tool = base_from_board @ inverse(camera_from_board) @ inverse(tool_from_camera)
        listed.append(
            {'image': f'{index}.png', 'tool_pose': [*map(float, tool[:3, 3]), *map(float, quaternion_of(tool))]}
        )
    (folder / 'views.yaml').write_text(yaml.safe_dump(listed))
    return folder, tool_from_camera


def test_intrinsics_then_hand_eye(pictures, tmp_path) -> None:
    folder, tool_from_camera = pictures
    intrinsics, extrinsics = tmp_path / 'wrist.yaml', tmp_path / 'wrist_extrinsics.yaml'
    result = calibrate('intrinsics', folder, '-o', intrinsics, '--camera', 'wrist')
    assert result.exit_code == 0, result.output
    assert 'reprojection error' in result.output
    found = read_calibration(intrinsics)
    assert found.k[0] == pytest.approx(600, rel=0.015)
    assert 'views of' in intrinsics.read_text().splitlines()[0]
    result = calibrate(
        'extrinsics',
        folder,
        '-o',
        extrinsics,
        '--intrinsics',
        intrinsics,
        '--mount',
        'hand',
        '--child',
        'wrist_optical',
    )
    assert result.exit_code == 0, result.output
    mounted = read_extrinsics(extrinsics)
    assert (mounted.parent, mounted.child) == ('tool0', 'wrist_optical')
    assert np.linalg.norm(mounted.parent_from_child[:3, 3] - tool_from_camera[:3, 3]) < 0.006
    assert angle_between(mounted.parent_from_child, tool_from_camera) < np.radians(0.5)


def test_what_is_refused_leaves_the_old_file(pictures, tmp_path) -> None:
    folder, _ = pictures
    out = tmp_path / 'out.yaml'
    out.write_text('old')
    few = tmp_path / 'few'
    few.mkdir()
    for index in range(3):
        (few / f'{index}.png').write_bytes((folder / f'{index}.png').read_bytes())
    result = calibrate('intrinsics', few, '-o', out)
    assert result.exit_code == 1 and 'too few views: 3' in result.output
    truth = tmp_path / 'k.yaml'
    truth.write_text(Calibration(640, 480, tuple(K.ravel())).yaml('front'))
    result = calibrate('extrinsics', few, '-o', out, '--intrinsics', truth)
    assert result.exit_code == 1 and 'no tool pose' in result.output
    result = calibrate('intrinsics', folder, '-o', out, '--square', 0.03)
    assert result.exit_code == 1 and 'marker < square' in result.output
    assert out.read_text() == 'old'
    assert sorted(path.name for path in tmp_path.iterdir()) == ['few', 'k.yaml', 'out.yaml']
