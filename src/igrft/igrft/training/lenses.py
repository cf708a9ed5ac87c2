# SPDX-License-Identifier: Apache-2.0
"""How the cell's cameras project, as a calibration would say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from igrft.policies.glimpse import Lens

if TYPE_CHECKING:
    from igrft_sim.cell import Cell


def lenses_of(cell: Cell) -> dict[str, Lens]:
    """Every camera of a cell: one that stands somewhere in base_link, one that is on an arm in that arm's tool frame.

    Call it before the first reset, which moves the front camera a little.
    """
    import mujoco

    from igrft_sim.cell import mounts_of

    model: Any = cell.model
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    tools = [data.site(f'{mount.prefix}tool0') for mount in mounts_of(cell.robot)]
    names = ['tool'] if len(tools) == 1 else [f'{arm}.tool' for arm in cell.robot.arms]
    lenses = {}
    for camera in cell.cameras:
        index = model.camera(camera).id
        place, turned = data.cam_xpos[index], data.cam_xmat[index].reshape(3, 3)
        frame, origin, axes = 'base', np.zeros(3), np.eye(3)
        if model.cam_bodyid[index] != 0:
            nearest = int(np.argmin([np.linalg.norm(place - tool.xpos) for tool in tools]))
            frame, origin, axes = names[nearest], tools[nearest].xpos, tools[nearest].xmat.reshape(3, 3)
        # MuJoCo's cameras look along their own −z, y up
        focal = 1 / np.tan(np.radians(model.cam_fovy[index]) / 2)
        image = np.diag([focal, -focal, -1.0]) @ turned.T
        projection = np.column_stack([image @ axes, image @ (origin - place)])
        lenses[camera] = Lens(frame, torch.from_numpy(projection).float())
    return lenses
