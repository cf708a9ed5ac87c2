# SPDX-License-Identifier: Apache-2.0
"""The robot's silhouette from its URDF, on shapes whose picture is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igrft.perception.calibration import Calibration, CalibrationError
from igrft.perception.geometry import from_vector, pose
from igrft.perception.robot_mask import RobotMask, gripper_positions
from igrft.perception.urdf import Urdf, UrdfError

CAMERA = Calibration(128, 96, (100.0, 0.0, 63.5, 0.0, 100.0, 47.5, 0.0, 0.0, 1.0))
BOX = '<box size="0.2 0.1 0.1"/>'


def urdf(geometry: str = BOX, extra: str = '', kind: str = 'prismatic') -> Urdf:
    return Urdf(
        f"""<robot name="r"><link name="base_link"/>
        <link name="arm"><collision><origin xyz="0 0 0"/><geometry>{geometry}</geometry></collision></link>
        <joint name="slide" type="{kind}"><parent link="base_link"/><child link="arm"/><axis xyz="1 0 0"/>
        <limit lower="-1" upper="1" effort="1" velocity="1"/></joint>{extra}</robot>""",
        'r.urdf',
    )


AHEAD = pose(np.eye(3), [0.0, 0.0, -1.05])
"""base_from_camera: the box's front face is 1 m away."""


def test_a_box_is_where_the_pinhole_puts_it() -> None:
    """0.2 x 0.1 m at 1 m with 100 px: 20 x 10 px about the principal point, and the joint moves it 10 px."""
    for slide, shift in ((0.0, 0), (0.1, 10)):
        rows, columns = np.nonzero(RobotMask(urdf(), CAMERA, AHEAD).draw({'slide': slide}))
        assert (columns.min(), columns.max()) == pytest.approx((53.5 + shift, 73.5 + shift), abs=1)
        assert (rows.min(), rows.max()) == pytest.approx((42.5, 52.5), abs=1)


def test_dilation_grows_it() -> None:
    plain, grown = (RobotMask(urdf(), CAMERA, AHEAD, dilation=d).draw({'slide': 0.0}) > 0 for d in (0.0, 3.0))
    assert grown[plain].all()
    assert np.ptp(np.nonzero(grown)[1]) == np.ptp(np.nonzero(plain)[1]) + 6


@given(st.lists(st.floats(-2, 2), min_size=6, max_size=6), st.floats(-1, 1))
def test_any_view_is_drawn_without_complaint(view, slide: float) -> None:
    """Behind the camera, through it, far outside: a mask of the right size, never an error."""
    mask = RobotMask(urdf(), CAMERA, from_vector(view)).draw({'slide': slide})
    assert mask.shape == (96, 128) and set(np.unique(mask)) <= {0, 255}


def test_what_passes_through_the_camera_fills_the_view_and_what_is_behind_it_is_not_seen() -> None:
    inside = RobotMask(urdf('<box size="0.1 1 4"/>'), CAMERA, pose(np.eye(3), [0.1, 0, 0])).draw({'slide': 0.0})
    assert (inside[:, :20] == 255).all() and not inside[:, 100:].any()
    behind = RobotMask(urdf(), CAMERA, pose(np.eye(3), [0, 0, 2.0])).draw({'slide': 0.0})
    assert not behind.any()


@pytest.mark.parametrize('d', [(-0.3, 0.1, 0, 0, 0), (0.2, 0, 0.01, -0.01, 0)])
def test_distortion_bends_the_mask_as_opencv_bends_points(d) -> None:
    import cv2

    lens = Calibration(128, 96, CAMERA.k, d)
    mask = RobotMask(urdf('<box size="0.02 0.02 0.02"/>'), lens, pose(np.eye(3), [-0.45, 0.35, -1.0])).draw(
        {'slide': 0.0}
    )
    rows, columns = np.nonzero(mask)
    middle, _ = cv2.projectPoints(
        np.array([[0.45, -0.35, 1.0]]), np.zeros(3), np.zeros(3), lens.matrix, np.array(d, float)
    )
    assert (columns.mean(), rows.mean()) == pytest.approx(tuple(middle.ravel()), abs=0.8)


def test_a_lens_that_cannot_be_undone_is_refused() -> None:
    with pytest.raises(CalibrationError, match='distortion'):
        RobotMask(urdf(), Calibration(128, 96, CAMERA.k, (-2.5, 0.0, 0.0, 0.0, 0.0)), AHEAD)


def test_a_mesh_has_the_silhouette_of_its_triangles(tmp_path) -> None:
    """A box as STL gives the box's mask; a U-shaped one keeps its gap, which a hull would fill."""
    trimesh = pytest.importorskip('trimesh')
    box = trimesh.creation.box((0.2, 0.1, 0.1))
    box.export(tmp_path / 'box.stl')
    mesh = f'<mesh filename="file://{tmp_path}/box.stl"/>'
    difference = RobotMask(urdf(), CAMERA, AHEAD).draw({'slide': 0.0}) != RobotMask(urdf(mesh), CAMERA, AHEAD).draw(
        {'slide': 0.0}
    )
    assert not difference.any()
    legs = [trimesh.creation.box((0.05, 0.4, 0.05)).apply_translation([x, 0, 0]) for x in (-0.2, 0.2)]
    trimesh.util.concatenate(legs).export(tmp_path / 'u.obj')
    mask = RobotMask(urdf(f'<mesh filename="file://{tmp_path}/u.obj"/>'), CAMERA, AHEAD).draw({'slide': 0.0})
    assert mask[48, 43] and mask[48, 84] and not mask[:, 60:68].any()
    (tmp_path / 'bad.stl').write_bytes(b'nothing')
    with pytest.raises(UrdfError, match=r'bad\.stl'):
        RobotMask(urdf(f'<mesh filename="file://{tmp_path}/bad.stl"/>'), CAMERA, AHEAD)


@pytest.mark.parametrize(
    ('make', 'words'),
    [
        (lambda: Urdf('<robot', 'a.urdf'), 'a.urdf: not XML'),
        (lambda: Urdf('<mujoco/>', 'a.urdf'), "<mujoco>, a URDF's is <robot>"),
        (lambda: urdf(kind='planar'), "joint 'slide' is of type 'planar'"),
        (lambda: urdf(extra='<link name="loose"/>'), 'one root link, found base_link, loose'),
        (lambda: urdf('<box size="1 x 1"/>').shapes(), 'size="1 x 1" are not numbers'),
        (lambda: urdf('<capsule/>').shapes(), 'geometry <capsule>'),
        (lambda: urdf().frames({}), "no position for joint 'slide'"),
        (lambda: urdf().frames({'slide': float('nan')}), "joint 'slide' is not finite"),
        (lambda: RobotMask(urdf(), CAMERA, AHEAD, ignore=['lnk']), "no link 'lnk' to ignore"),
        (lambda: urdf().fixed_frame('arm'), "joint 'slide' moves link 'arm'"),
        (lambda: urdf().fixed_frame('armm'), "no link 'armm'"),
        (lambda: Urdf.read('package://no_such_package/a.urdf'), "no package 'no_such_package'"),
        (lambda: Urdf.read('/no/such.urdf'), '/no/such.urdf: cannot be read'),
    ],
)
def test_what_cannot_be_used_is_named(make, words: str) -> None:
    with pytest.raises(UrdfError) as caught:
        make()
    assert words in str(caught.value)


def test_the_base_may_stand_on_something() -> None:
    stand = (
        '<link name="world"/><joint name="s" type="fixed"><parent link="world"/><child link="base_link"/>'
        '<origin xyz="0 0 0.7" rpy="0 0 1.5707963"/></joint>'
    )
    robot = urdf(extra=stand)
    assert robot.root == 'world'
    np.testing.assert_allclose(robot.fixed_frame('base_link'), from_vector([0, 0, np.pi / 2, 0, 0, 0.7]), atol=1e-6)
    np.testing.assert_allclose(robot.frames({'slide': 0.5})['arm'][:3, 3], [0, 0.5, 0.7], atol=1e-6)


def test_mimic_joints_follow_and_fingers_follow_the_opening() -> None:
    finger = (
        '<link name="{0}"/><joint name="{0}_joint" type="prismatic"><parent link="arm"/><child link="{0}"/>'
        '<axis xyz="0 1 0"/>'
        '<limit lower="0" upper="0.04" effort="1" velocity="1"/>{1}</joint>'
    )
    robot = urdf(
        extra=finger.format('left', '') + finger.format('right', '<mimic joint="left_joint" multiplier="-1"/>')
    )
    assert robot.moving == ('slide', 'left_joint')
    fingers = gripper_positions(robot, ['slide'], [0.5])
    assert fingers == {'left_joint': pytest.approx(0.02)}
    frames = robot.frames({'slide': 0.3, **fingers})
    assert frames['left'][:3, 3] == pytest.approx([0.3, 0.02, 0])
    assert frames['right'][:3, 3] == pytest.approx([0.3, -0.02, 0])
    with pytest.raises(UrdfError, match='not shared by the arms'):
        gripper_positions(robot, ['slide'], [0.5, 0.5])
