# SPDX-License-Identifier: Apache-2.0
"""A picture of the cell: ``python -m igrft_sim.snapshot --out docs/images/cell.png``."""

from __future__ import annotations

import argparse
from pathlib import Path

import mujoco
import numpy as np
import numpy.typing as npt
from PIL import Image

from igrft.types import Kind
from igrft_sim import scene
from igrft_sim.cell import Cell, mounts_of
from igrft_sim.env import CellEnv
from igrft_sim.operator import Habits, Operator
from igrft_sim.tasks import TASKS, make_task


def picture(
    cell: Cell, width: int, height: int, camera: mujoco.MjvCamera | str, insets: bool = True
) -> npt.NDArray[np.uint8]:
    """The cell as it is now with shadows and anti-aliasing [H, W, 3]; the policy's views as insets."""
    model = scene.build(cell.task, mounts_of(cell.robot), beautiful=True)
    model.geom_rgba[:], model.light_diffuse[:] = cell.model.geom_rgba, cell.model.light_diffuse
    # fixed bodies and clutter stand elsewhere in every episode
    model.body_pos[:], model.body_quat[:] = cell.model.body_pos, cell.model.body_quat
    data = mujoco.MjData(model)
    data.qpos[:] = cell.data.qpos
    mujoco.mj_forward(model, data)
    image = _render(model, data, width, height, camera)
    if insets:
        side, gap = height // (len(cell.cameras) + 1), height // 30
        for row, name in enumerate(cell.cameras):
            view = _render(model, data, side, side, name)
            top, left = gap + row * (side + gap), width - side - gap
            image[top - 3 : top + side + 3, left - 3 : left + side + 3] = 250
            image[top : top + side, left : left + side] = view
    return image


def _render(
    model: mujoco.MjModel, data: mujoco.MjData, width: int, height: int, camera: mujoco.MjvCamera | str
) -> npt.NDArray[np.uint8]:
    with mujoco.Renderer(model, height, width) as renderer:
        renderer.update_scene(data, camera)
        return renderer.render()


def bystander() -> mujoco.MjvCamera:
    """Where one would stand to watch."""
    camera = mujoco.MjvCamera()
    camera.lookat[:] = 0.36, 0.16, 0.20
    camera.distance, camera.azimuth, camera.elevation = 1.62, 142, -17
    return camera


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--task', default='block_stacking', choices=sorted(TASKS))
    parser.add_argument('--seed', type=int, default=5)
    parser.add_argument('--step', type=int, default=13, help='of the expert, at which the picture is taken')
    parser.add_argument('--size', type=int, nargs=2, default=(960, 540), metavar=('W', 'H'))
    arguments = parser.parse_args(argv)
    env = CellEnv(Cell(make_task(arguments.task)))
    cell = env.cell
    env.reset(arguments.seed)
    operator = Operator(cell.task, Kind.DEMONSTRATION, arguments.seed, Habits(noise=0.0))
    for _ in range(arguments.step):
        env.step(operator.tick(cell.task_state(), cell.tools, cell.openings).action)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(cell, *arguments.size, bystander())).save(arguments.out, optimize=True)
    print(arguments.out)


if __name__ == '__main__':
    main()
