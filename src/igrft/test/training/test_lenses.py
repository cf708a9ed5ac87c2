# SPDX-License-Identifier: Apache-2.0
"""The cell's lenses: a thing is seen where they say it is."""

from __future__ import annotations

import numpy as np
import pytest

from igrft.training.lenses import lenses_of
from igrft.training.scene_store import make_cell
from igrft.training.targets import rotation

RED = np.array([0.8, 0.2, 0.2])


@pytest.mark.parametrize('camera', ['front', 'wrist'])
def test_the_red_block_is_red_where_it_is_projected_to(camera: str) -> None:
    cell = make_cell('block_stacking', 'sim', 128)
    try:
        lens = lenses_of(cell)[camera]
        cell.reset(3)
        tool = cell.tools[0]
        place = np.array(cell.object_pose('red_block'))[:3]
        if camera == 'wrist':
            assert lens.frame == 'tool'
            # hold it before the lens
            place = tool[:3] + rotation(tool[3:]) @ np.array([0.0, 0.0, 0.06])
            cell.data.joint('red_block').qpos[:3] = place
            place = rotation(tool[3:]).T @ (place - tool[:3])
        else:
            assert lens.frame == 'base'
        import mujoco

        mujoco.mj_forward(cell.model, cell.data)
        x, y, depth = lens.projection.double().numpy() @ [*place, 1.0]
        column, row = (int((1 + along / depth) * 64) for along in (x, y))
        assert depth > 0
        pixel = cell.render(camera)[row, column] / 255
    finally:
        cell.close()
    assert np.argmax(pixel) == 0 and pixel[0] > 2 * pixel[1:].max(), f'{pixel} at {column}, {row}'
