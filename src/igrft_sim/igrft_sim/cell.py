# SPDX-License-Identifier: Apache-2.0
"""The simulated cell in process: reset, advance, look."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
import numpy.typing as npt

from igrft.config import ConfigError, RobotConfig, named, nearest
from igrft_sim import scene
from igrft_sim.appearance import Appearance, geoms_of
from igrft_sim.tasks.base import SPLITS, Float64, Scene, SubtaskLatch, Task, TaskState

SIDES = ('left', 'right')
"""The fingers of a gripper."""

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
    """Arms, their cameras and a task. Time goes on over resets, so stamps stay unique.

    Args:
        task: adds objects and judges them.
        image_size: [px] of the square images.
        cameras: names to render; the robot's by default.
        seed: of the first layout.
        robot: arms, joints and named poses; the one that the task is for by default.
    """

    def __init__(
        self,
        task: Task,
        image_size: int = 128,
        cameras: Sequence[str] | None = None,
        control_dt: float = 0.1,
        seed: int = 0,
        robot: RobotConfig | None = None,
    ) -> None:
        self.task = task
        self.control_dt = control_dt
        needed = named('robots', task.config.robot, RobotConfig)
        self.robot = robot or needed
        if len(self.robot.arms) != len(needed.arms):
            raise ConfigError(
                f"task '{task.name}' needs the {len(needed.arms)} arm(s) of robot '{needed.name}'; "
                f"robot '{self.robot.name}' has {len(self.robot.arms)}"
            )
        self.cameras = tuple(camera.name for camera in self.robot.cameras) if cameras is None else tuple(cameras)
        self.image_size = image_size
        self.model = scene.build(task, mounts_of(self.robot))
        self.data = mujoco.MjData(self.model)
        self._ticks = 0
        for camera in self.cameras:
            self._camera(camera)
        self._renderers: dict[tuple[int, int, bool], mujoco.Renderer] = {}
        self._index()
        self._home = np.asarray(self.robot.poses['home'], np.float64)
        self._appearance = Appearance(self.model, task)
        self._latch = SubtaskLatch(task)
        self._reference = self._home.copy()
        self._opening_reference = np.ones(len(self.robot.arms))
        self.seed = seed
        self.split = 'in'
        self.reset(seed)

    def _index(self) -> None:
        """Where things are in the model's arrays."""
        model = self.model
        joints = [model.joint(name) for name in self.robot.joints]
        self._q = np.array([joint.qposadr[0] for joint in joints])
        self._v = np.array([joint.dofadr[0] for joint in joints])
        self._prefixes = prefixes = tuple(mount.prefix for mount in mounts_of(self.robot))
        fingers = [[model.joint(f'{arm}{side}_finger_joint') for side in SIDES] for arm in prefixes]
        self._finger_q = np.array([[joint.qposadr[0] for joint in pair] for pair in fingers])
        self._drive = np.array([model.actuator(name).id for name in self.robot.joints])
        self._grippers = np.array([model.actuator(f'{arm}gripper').id for arm in prefixes])
        gain, bias = model.actuator_gainprm[self._drive, 0], model.actuator_biasprm[self._drive, 2]
        self._lag = -bias / gain
        self._tools = [model.site(f'{arm}tool0').id for arm in prefixes]
        self._objects = {name: model.body(name).id for name in self.task.objects}
        self._things: dict[int, str] = {}
        for name in self.task.objects:
            self._things |= {geom: name for geom in geoms_of(model, name)}
        for arm in prefixes:
            for body, name in (('hand', 'hand'), ('left_finger', 'left'), ('right_finger', 'right')):
                self._things |= {geom: f'{arm}{name}' for geom in geoms_of(model, f'{arm}{body}')}
        self._things[model.geom('table').id] = 'table'
        bases = [model.body(f'{arm}base_link').id for arm in prefixes]
        self._robot_geoms = np.array([model.body_rootid[body] in bases for body in model.geom_bodyid])

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
        self._reference = self._home + rng.uniform(-START_NOISE, START_NOISE, len(self._home))
        self._opening_reference[:] = 1.0
        data.qpos[self._q] = self._reference
        data.qpos[self._finger_q] = scene.FINGER_TRAVEL
        for name, place in self.task.layout(rng, split).items():
            self._put(name, place)
        self._appearance.draw(rng, split)
        data.ctrl[self._drive] = self._reference
        data.ctrl[self._grippers] = scene.FINGER_TRAVEL
        mujoco.mj_step(self.model, data, round(SETTLING / scene.TIMESTEP))
        data.qvel[:] = 0.0
        mujoco.mj_forward(self.model, data)
        self._latch = SubtaskLatch(self.task)
        self._judge()

    def _put(self, name: str, place: Float64) -> None:
        """Move an object: pose [7] of a free or a fixed body, angle or travel [1] of a hinged or sliding one."""
        body = self._objects[name]
        if self.model.body_jntnum[body]:
            self.data.joint(name).qpos = place
        else:
            self.model.body_pos[body], self.model.body_quat[body] = place[:3], place[3:]

    def advance(self, joint_target: npt.ArrayLike, opening: npt.ArrayLike, dt: float) -> None:
        """Let the drives go to a target in ``dt`` seconds, linearly in joint space, and judge the result.

        Args:
            joint_target: [n_arms * 7] rad.
            opening: [n_arms] in [0, 1].
            dt: [s], a multiple of the physics' time step.

        Raises:
            ValueError: wrong size, not finite, or a ``dt`` that is no multiple.
        """
        target = np.asarray(joint_target, np.float64).ravel()
        aperture = np.asarray(opening, np.float64).ravel()
        if target.shape != self._home.shape or aperture.shape != self._grippers.shape:
            expected = f'{self._home.size} joints and {self._grippers.size} opening(s)'
            raise ValueError(f'expected {expected}, got {target.size} and {aperture.size}')
        if not (np.isfinite(target).all() and np.isfinite(aperture).all()):
            raise ValueError('the joint target or the opening is not finite')
        steps = round(dt / scene.TIMESTEP)
        if steps < 1 or abs(steps * scene.TIMESTEP - dt) > 1e-9:
            raise ValueError(f'dt = {dt:g} s is no multiple of the time step {scene.TIMESTEP:g} s')
        start, velocity = self._reference, (target - self._reference) / dt
        wanted = np.clip(aperture, 0.0, 1.0)
        reach = GRIPPER_SPEED * scene.TIMESTEP
        data = self.data
        for step in range(1, steps + 1):
            self._opening_reference += np.clip(wanted - self._opening_reference, -reach, reach)
            # velocity feed-forward, as a drive's own controller has: without it the arm trails its target
            data.ctrl[self._drive] = start + velocity * (step * scene.TIMESTEP) + velocity * self._lag
            data.ctrl[self._grippers] = self._opening_reference * scene.FINGER_TRAVEL
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
        """[n_arms * 7] rad, where the drives hold the arms."""
        return self._reference.copy()

    @property
    def time(self) -> float:
        """[s] since the cell was built; it goes on over resets."""
        return self._ticks * scene.TIMESTEP

    @property
    def joint_positions(self) -> Float64:
        """[n_arms * 7] rad."""
        return self.data.qpos[self._q].copy()

    @property
    def joint_velocities(self) -> Float64:
        """[n_arms * 7] rad/s."""
        return self.data.qvel[self._v].copy()

    @property
    def openings(self) -> Float64:
        """[n_arms] of the grippers, in [0, 1]."""
        return np.clip(self.data.qpos[self._finger_q].mean(1) / scene.FINGER_TRAVEL, 0.0, 1.0)

    @property
    def tools(self) -> Float64:
        """[n_arms, 7] tool0 in base_link: x y z [m], qw qx qy qz."""
        poses = np.empty((len(self._tools), 7))
        for pose, site in zip(poses, self._tools, strict=True):
            pose[:3] = self.data.site_xpos[site]
            mujoco.mju_mat2Quat(pose[3:], self.data.site_xmat[site])
        return poses

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
            velocities={name: self._speed(name) for name in self.task.objects},
            tools=self.tools,
            openings=self.openings,
            touching=frozenset(touching),
            arms=self._prefixes,
        )

    def _speed(self, name: str) -> float:
        if not self.model.body_jntnum[self._objects[name]]:
            return 0.0
        return float(np.linalg.norm(self.data.joint(name).qvel[:3]))

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


def mounts_of(robot: RobotConfig) -> tuple[scene.ArmMount, ...]:
    """Where the arms of a robot stand; names of several arms prefix what belongs to each."""
    if len(robot.arms) == 1:
        return (scene.ArmMount(position=robot.bases[0] if robot.bases else (0.0, 0.0, 0.0)),)
    if len(robot.bases) != len(robot.arms):
        raise ValueError(f"robot '{robot.name}': bases must say where each of its {len(robot.arms)} arms stands")
    return tuple(scene.ArmMount(f'{arm}_', base) for arm, base in zip(robot.arms, robot.bases, strict=True))
