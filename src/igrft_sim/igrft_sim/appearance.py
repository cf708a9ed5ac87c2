# SPDX-License-Identifier: Apache-2.0
"""What differs from episode to episode without mattering: light, colours, the front camera's pose, clutter."""

from __future__ import annotations

import mujoco
import numpy as np
import numpy.typing as npt

from igrft_sim import scene
from igrft_sim.tasks.base import Task

CLUTTER_AREA = ((0.16, 0.66), (-0.30, 0.30))
"""[m] x and y of base_link, as far as the front camera sees the table."""

CLUTTER_COUNT = {'in': (0, 2), 'held_out': (2, scene.CLUTTER)}
"""Things on the table that do not matter, fewest and most."""

CLUTTER_APART = 0.07
"""[m] between their middles at least."""

CAMERA_SHIFT = {'in': 0.002, 'held_out': 0.004}
"""[m] each way and axis."""

CAMERA_TURN = {'in': 0.002, 'held_out': 0.004}
"""[rad] each way and axis."""

COLOUR = {'in': 0.03, 'held_out': 0.08}
"""each way and channel, of the table and the objects"""

LIGHT = {'in': 0.10, 'held_out': 0.20}
"""share each way"""


class Appearance:
    """Changes the model's looks; held-out episodes look different from any in-distribution one.

    Args:
        model: changed by :meth:`draw`.
        task: whose objects change colour and whose area stays free of clutter.
    """

    def __init__(self, model: mujoco.MjModel, task: Task) -> None:
        self._model = model
        self._area = task.area
        self._geoms = [model.geom('table').id, *(g for name in task.objects for g in geoms_of(model, name))]
        self._colours = model.geom_rgba[self._geoms, :3].copy()
        self._diffuse, self._direction = model.light_diffuse.copy(), model.light_dir.copy()
        self._ambient = np.array(model.vis.headlight.ambient)
        self._camera = model.camera('front').id
        self._position, self._rotation = model.cam_pos[self._camera].copy(), model.cam_quat[self._camera].copy()
        self._clutter = [model.body(f'clutter{index}').id for index in range(scene.CLUTTER)]
        self._clutter_geoms = [geoms_of(model, f'clutter{index}') for index in range(scene.CLUTTER)]

    def draw(self, rng: np.random.Generator, split: str) -> None:
        """A new look."""
        model = self._model
        colours = self._colours + rng.uniform(-COLOUR[split], COLOUR[split], self._colours.shape)
        model.geom_rgba[self._geoms, :3] = np.clip(colours, 0.0, 1.0)
        model.light_diffuse[:] = self._diffuse * rng.uniform(1 - LIGHT[split], 1 + LIGHT[split])
        direction = self._direction + rng.uniform(-0.1, 0.1, self._direction.shape)
        model.light_dir[:] = direction / np.linalg.norm(direction, axis=1, keepdims=True)
        model.vis.headlight.ambient[:] = self._ambient * rng.uniform(0.92, 1.08)
        shift, turn = (rng.uniform(-size, size, 3) for size in (CAMERA_SHIFT[split], CAMERA_TURN[split]))
        model.cam_pos[self._camera] = self._position + shift
        quaternion = self._rotation.copy()
        mujoco.mju_quatIntegrate(quaternion, turn, 1.0)
        model.cam_quat[self._camera] = quaternion
        self._scatter(rng, split)

    def _scatter(self, rng: np.random.Generator, split: str) -> None:
        """Put clutter beside the task's area; what is not wanted goes below the floor."""
        few, many = CLUTTER_COUNT[split]
        places: list[npt.NDArray[np.float64]] = []
        for _ in range(int(rng.integers(few, many + 1))):
            for _ in range(50):  # a task that needs the whole table gets none
                place = np.array([rng.uniform(*span) for span in CLUTTER_AREA])
                inside = all(low <= x <= high for x, (low, high) in zip(place, self._area, strict=True))
                if not inside and all(np.linalg.norm(place - other) > CLUTTER_APART for other in places):
                    places.append(place)
                    break
        for index, (body, geoms) in enumerate(zip(self._clutter, self._clutter_geoms, strict=True)):
            used = index < len(places)
            where = places[index] if used else (0.0, 0.0)
            self._model.body_pos[body] = [*where, 0.0 if used else -2.0]
            self._model.geom_rgba[geoms, :3] = rng.uniform(0.1, 0.9, 3)


def geoms_of(model: mujoco.MjModel, body: str) -> list[int]:
    """Geoms of one body."""
    return [int(geom) for geom in np.flatnonzero(model.geom_bodyid == model.body(body).id)]
