# SPDX-License-Identifier: Apache-2.0
"""The simulated cell in process: reset, advance, look."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
import numpy.typing as npt

from igrft.config import RobotConfig, named, nearest
from igrft_sim import scene
from igrft_sim.tasks.base import SPLITS, Float64, Scene, SubtaskLatch, Task, TaskState

N_JOINTS = 7

GRIPPER_SPEED = 5.0
"""[1/s] of the opening: 0.2 s from closed to open."""

START_NOISE = 0.05
"""[rad] each way, of the arm's start."""

SETTLING = 0.05
"""[s] of physics after a reset, until the objects rest."""

GEOM = int(mujoco.mjtObj.mjOBJ_GEOM)
"""As a number: numpy compares an enum element by element."""

RESET_PAUSE = 1.0
"""[s] by which the time jumps at a reset: whoever integrates sees that the arm was put elsewhere."""


class Cell:
    """One arm, its cameras and a task. Time goes on over resets, so stamps stay unique.

    Args:
        task: adds objects and judges them.
        image_size: [px] of the square images.
        cameras: names to render.
        seed: of the first layout.
        robot: named poses and joints; the shipped ``sim`` by default.
    """

    def __init__(
        self,
        task: Task,
        image_size: int = 128,
        cameras: Sequence[str] = ('front', 'wrist'),
        control_dt: float = 0.1,
        seed: int = 0,
        robot: RobotConfig | None = None,
    ) -> None:
        self.task = task
        self.cameras = tuple(cameras)
        self.control_dt = control_dt
        self.robot = robot or named('robots', 'sim', RobotConfig)
        self.image_size = image_size
        self.model = scene.build(task)
        self.data = mujoco.MjData(self.model)
        self._ticks = 0
        for camera in self.cameras:
            self._camera(camera)
        self._renderers: dict[tuple[int, int, bool], mujoco.Renderer] = {}
        self._index()
        self._home = np.asarray(self.robot.poses['home'], np.float64)
        self._appearance = _Appearance(self.model, task.objects)
        self._latch = SubtaskLatch(task)
        self._reference = self._home.copy()
        self._opening_reference = 1.0
        self.seed = seed
        self.split = 'in'
        self.reset(seed)

    def _index(self) -> None:
        """Where things are in the model's arrays."""
        model = self.model
        joints = [model.joint(name) for name in self.robot.joints]
        self._q = np.array([joint.qposadr[0] for joint in joints])
        self._v = np.array([joint.dofadr[0] for joint in joints])
        fingers = [model.joint(f'{side}_finger_joint') for side in ('left', 'right')]
        self._finger_q = np.array([joint.qposadr[0] for joint in fingers])
        self._drive = np.array([model.actuator(name).id for name in self.robot.joints])
        self._gripper = model.actuator('gripper').id
        gain, bias = model.actuator_gainprm[self._drive, 0], model.actuator_biasprm[self._drive, 2]
        self._lag = -bias / gain
        self._tool = model.site('tool0').id
        self._objects = {name: model.body(name).id for name in self.task.objects}
        self._things: dict[int, str] = {}
        for name in self.task.objects:
            self._things |= {geom: name for geom in _geoms_of(model, name)}
        for body, name in (('hand', 'hand'), ('left_finger', 'left'), ('right_finger', 'right')):
            self._things |= {geom: name for geom in _geoms_of(model, body)}
        self._things[model.geom('table').id] = 'table'
        base = model.body('base_link').id
        self._robot_geoms = np.array([model.body_rootid[body] == base for body in model.geom_bodyid])

    def _camera(self, name: str) -> int:
        known = [self.model.camera(index).name for index in range(self.model.ncam)]
        if name not in known:
            raise ValueError(f"the cell has no camera '{name}'; {nearest(name, known)}")
        return known.index(name)

    def reset(self, seed: int, split: str = 'in') -> None:
        """Draw a new start: objects, arm, light and colours.

        Raises:
            ValueError: unknown split.
        """
        if split not in SPLITS:
            raise ValueError(f"unknown split '{split}'; {nearest(split, SPLITS)}")
        rng = np.random.default_rng((seed, SPLITS.index(split)))
        self._ticks += round(RESET_PAUSE / scene.TIMESTEP)
        self.seed, self.split = seed, split
        data = self.data
        mujoco.mj_resetData(self.model, data)
        self._reference = self._home + rng.uniform(-START_NOISE, START_NOISE, N_JOINTS)
        self._opening_reference = 1.0
        data.qpos[self._q] = self._reference
        data.qpos[self._finger_q] = scene.FINGER_TRAVEL
        for name, pose in self.task.layout(rng, split).items():
            data.joint(name).qpos = pose
        self._appearance.draw(rng)
        data.ctrl[self._drive] = self._reference
        data.ctrl[self._gripper] = scene.FINGER_TRAVEL
        mujoco.mj_step(self.model, data, round(SETTLING / scene.TIMESTEP))
        data.qvel[:] = 0.0
        mujoco.mj_forward(self.model, data)
        self._latch = SubtaskLatch(self.task)
        self._judge()

    def advance(self, joint_target: npt.ArrayLike, opening: npt.ArrayLike, dt: float) -> None:
        """Let the drives go to a target in ``dt`` seconds, linearly in joint space, and judge the result.

        Args:
            joint_target: [7] rad.
            opening: [1] in [0, 1].
            dt: [s], a multiple of the physics' time step.

        Raises:
            ValueError: wrong size, not finite, or a ``dt`` that is no multiple.
        """
        target = np.asarray(joint_target, np.float64).ravel()
        aperture = np.asarray(opening, np.float64).ravel()
        if target.shape != (N_JOINTS,) or aperture.shape != (1,):
            raise ValueError(f'expected 7 joints and 1 opening, got {target.size} and {aperture.size}')
        if not (np.isfinite(target).all() and np.isfinite(aperture).all()):
            raise ValueError('the joint target or the opening is not finite')
        steps = round(dt / scene.TIMESTEP)
        if steps < 1 or abs(steps * scene.TIMESTEP - dt) > 1e-9:
            raise ValueError(f'dt = {dt:g} s is no multiple of the time step {scene.TIMESTEP:g} s')
        start, velocity = self._reference, (target - self._reference) / dt
        wanted = float(np.clip(aperture[0], 0.0, 1.0))
        reach = GRIPPER_SPEED * scene.TIMESTEP
        data = self.data
        for step in range(1, steps + 1):
            self._opening_reference += float(np.clip(wanted - self._opening_reference, -reach, reach))
            # velocity feed-forward, as a drive's own controller has: without it the arm trails its target
            data.ctrl[self._drive] = start + velocity * (step * scene.TIMESTEP) + velocity * self._lag
            data.ctrl[self._gripper] = self._opening_reference * scene.FINGER_TRAVEL
            mujoco.mj_step(self.model, data)
        mujoco.mj_forward(self.model, data)
        self._reference = target
        self._ticks += steps
        self._judge()

    def wait(self, dt: float) -> None:
        """Let ``dt`` seconds pass in which nothing moves."""
        self._ticks += round(dt / scene.TIMESTEP)

    @property
    def joint_target(self) -> Float64:
        """[7] rad, where the drives hold the arm."""
        return self._reference.copy()

    @property
    def time(self) -> float:
        """[s] since the cell was built; it goes on over resets."""
        return self._ticks * scene.TIMESTEP

    @property
    def joint_positions(self) -> Float64:
        """[7] rad."""
        return self.data.qpos[self._q].copy()

    @property
    def joint_velocities(self) -> Float64:
        """[7] rad/s."""
        return self.data.qvel[self._v].copy()

    @property
    def opening(self) -> float:
        """Of the gripper in [0, 1]."""
        return float(np.clip(self.data.qpos[self._finger_q].mean() / scene.FINGER_TRAVEL, 0.0, 1.0))

    @property
    def ee_pose(self) -> Float64:
        """[7] tool0 in base_link: x y z [m], qw qx qy qz."""
        quaternion = np.empty(4)
        mujoco.mju_mat2Quat(quaternion, self.data.site_xmat[self._tool])
        return np.concatenate([self.data.site_xpos[self._tool], quaternion])

    def object_pose(self, name: str) -> Float64:
        """[7] of one object in base_link."""
        body = self._objects[name]
        return np.concatenate([self.data.xpos[body], self.data.xquat[body]])

    def task_state(self) -> TaskState:
        """Ground truth as of the last reset or advance."""
        return self._state

    def _judge(self) -> None:
        now = self._scene()
        self._state = TaskState(
            objects=self.task.objects,
            poses=np.stack([now.poses[name] for name in self.task.objects]),
            subtasks=self._latch.update(now),
            contact=self.task.contact(now),
            success=self.task.success(now),
        )

    def _scene(self) -> Scene:
        touching = set()
        for first, second in self.data.contact.geom[: self.data.ncon]:
            pair = self._things.get(int(first)), self._things.get(int(second))
            if pair[0] is not None and pair[1] is not None:
                touching |= {(pair[0], pair[1]), (pair[1], pair[0])}
        return Scene(
            poses={name: self.object_pose(name) for name in self.task.objects},
            velocities={name: float(np.linalg.norm(self.data.joint(name).qvel[:3])) for name in self.task.objects},
            tool=self.ee_pose,
            opening=self.opening,
            touching=frozenset(touching),
        )

    def render(self, camera: str, width: int = 0, height: int = 0) -> npt.NDArray[np.uint8]:
        """RGB image [H, W, 3]; of ``image_size`` unless a size is given."""
        renderer = self._renderer(width or self.image_size, height or self.image_size, segments=False)
        renderer.update_scene(self.data, self._camera(camera))
        return renderer.render()

    def robot_mask(self, camera: str, width: int = 0, height: int = 0) -> npt.NDArray[np.uint8]:
        """[H, W] uint8, 255 where the robot is seen."""
        renderer = self._renderer(width or self.image_size, height or self.image_size, segments=True)
        renderer.update_scene(self.data, self._camera(camera))
        segments = renderer.render()
        ids, kinds = segments[..., 0], segments[..., 1]
        seen = (kinds == GEOM) & self._robot_geoms[np.maximum(ids, 0)]
        return np.where(seen & (ids >= 0), 255, 0).astype(np.uint8)

    def _renderer(self, width: int, height: int, segments: bool) -> mujoco.Renderer:
        key = (width, height, segments)
        if key not in self._renderers:
            try:
                renderer = mujoco.Renderer(self.model, height, width)
            except mujoco.FatalError as error:
                raise RuntimeError(
                    'MuJoCo cannot render: import igrft_sim before mujoco or set MUJOCO_GL=egl (or osmesa), '
                    "and install Debian's libegl1 and libgl1-mesa-dri (or libosmesa6)"
                ) from error
            if segments:
                renderer.enable_segmentation_rendering()
            self._renderers[key] = renderer
        return self._renderers[key]

    def close(self) -> None:
        """Free the renderers."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()


def _geoms_of(model: mujoco.MjModel, body: str) -> list[int]:
    return [int(geom) for geom in np.flatnonzero(model.geom_bodyid == model.body(body).id)]


class _Appearance:
    """Light and colours that differ a little from episode to episode."""

    def __init__(self, model: mujoco.MjModel, objects: Sequence[str]) -> None:
        self._model = model
        self._geoms = [
            model.geom('table').id,
            *(g for name in objects for g in _geoms_of(model, name)),
        ]
        self._colours = model.geom_rgba[self._geoms, :3].copy()
        self._diffuse, self._direction = model.light_diffuse.copy(), model.light_dir.copy()
        self._ambient = np.array(model.vis.headlight.ambient)

    def draw(self, rng: np.random.Generator) -> None:
        colours = self._colours + rng.uniform(-0.03, 0.03, self._colours.shape)
        self._model.geom_rgba[self._geoms, :3] = np.clip(colours, 0.0, 1.0)
        self._model.light_diffuse[:] = self._diffuse * rng.uniform(0.9, 1.1)
        direction = self._direction + rng.uniform(-0.1, 0.1, self._direction.shape)
        self._model.light_dir[:] = direction / np.linalg.norm(direction, axis=1, keepdims=True)
        self._model.vis.headlight.ambient[:] = self._ambient * rng.uniform(0.92, 1.08)
