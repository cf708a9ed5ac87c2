# SPDX-License-Identifier: Apache-2.0
"""The mask that a robot would draw from its URDF is the cell's own segmentation, but for its edge."""

import mujoco
import numpy as np
import pytest

from igrft.bench.robot_mask import CAMERA, CellMasks, overlap
from igrft.config import locate
from igrft.perception.calibration import read_extrinsics
from igrft.perception.geometry import pose
from igrft_sim import scene
from igrft_sim.cell import Cell
from igrft_sim.env import CellEnv
from igrft_sim.tasks import make_task

POSES = 60


def test_the_shipped_extrinsics_are_those_of_the_cell():
    camera = scene.build(None).camera(CAMERA)
    data = mujoco.MjData(scene.build(None))
    mujoco.mj_forward(scene.build(None), data)
    right, up, back = data.cam_xmat[camera.id].reshape(3, 3).T
    shipped = read_extrinsics(locate('extrinsics', 'sim'))
    assert shipped.parent == 'base_link'
    optical = pose(np.stack([right, -up, -back], 1), data.cam_xpos[camera.id])
    np.testing.assert_allclose(shipped.parent_from_child, optical, atol=1e-4)


def test_over_many_poses_the_drawn_mask_is_the_segmentation():
    """Random arm poses and openings, the episodes' own camera jitter; the objects are out of the way."""
    cell = Cell(make_task('block_stacking'), cameras=(CAMERA,))
    env = CellEnv(cell)
    rng = np.random.default_rng(0)
    try:
        ious, recalls = [], []
        masks = CellMasks(cell.image_size, float(cell.model.camera(CAMERA).fovy[0]), dilation=1.0)
        for index in range(POSES):
            if index % 12 == 0:
                env.reset(index)
                for name in cell.task.objects:
                    cell._put(name, np.array([0.0, 0.0, -2.0, 1.0, 0.0, 0.0, 0.0]))
            cell.data.qpos[cell._q] = cell._home + rng.uniform(-0.5, 0.5, 7)
            cell.data.qpos[cell._finger_q] = rng.uniform(0, scene.FINGER_TRAVEL)
            mujoco.mj_forward(cell.model, cell.data)
            truth = cell.robot_mask(CAMERA)
            assert np.count_nonzero(truth) > 500
            positions = masks.positions(env)
            ious.append(overlap(masks.plain.draw(positions), truth))
            recalls.append(np.count_nonzero((masks.grown.draw(positions) > 0) & (truth > 0)) / np.count_nonzero(truth))
    finally:
        cell.close()
    assert np.mean(ious) > 0.88 and np.min(ious) > 0.8, (np.mean(ious), np.min(ious))
    assert np.mean(recalls) > 0.995, np.mean(recalls)


def test_a_wrong_pose_would_be_noticed():
    cell = Cell(make_task('block_stacking'), cameras=(CAMERA,))
    env = CellEnv(cell)
    try:
        env.reset(0)
        masks = CellMasks(cell.image_size, float(cell.model.camera(CAMERA).fovy[0]), dilation=0.0)
        positions = masks.positions(env)
        right = overlap(masks.plain.draw(positions), cell.robot_mask(CAMERA))
        wrong = overlap(masks.plain.draw({**positions, 'joint1': positions['joint1'] + 0.1}), cell.robot_mask(CAMERA))
    finally:
        cell.close()
    assert right > 0.85
    assert wrong < right - 0.1
    with pytest.raises(ValueError, match='joint2'):
        masks.plain.draw({name: q for name, q in positions.items() if name != 'joint2'})
