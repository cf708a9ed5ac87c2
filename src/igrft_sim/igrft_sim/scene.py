# SPDX-License-Identifier: Apache-2.0
"""Builds the cell's MuJoCo model: table, lights, cameras and arms, to which a task adds its objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import mujoco

if TYPE_CHECKING:
    from igrft_sim.tasks.base import Task

MODELS = Path(__file__).parent / 'models'

TIMESTEP = 0.005
"""[s] of the physics; 20 of them make a policy step."""

CLUTTER = 4
"""Things that no task needs; an episode shows some of them."""

FINGER_TRAVEL = 0.04
"""[m] of one finger; the opening in [0, 1] is the share of it."""


@dataclass(frozen=True, slots=True)
class ArmMount:
    """Where an arm stands: its base_link in the world."""

    prefix: str = ''
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    quaternion: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)


def arm_spec() -> mujoco.MjSpec:
    """The arm alone, for kinematics."""
    return mujoco.MjSpec.from_file(str(MODELS / 'arm.xml'))


def build(task: Task | None, arms: Sequence[ArmMount] = (ArmMount(),), beautiful: bool = False) -> mujoco.MjModel:
    """Compile the cell.

    Args:
        task: adds its objects; None leaves the table empty.
        arms: one arm without a prefix is the default; two arms need prefixes.
        beautiful: shadows and anti-aliasing, for pictures. They cost a factor of 50 in software
            rendering, so the cell itself runs without.
    """
    spec = _with_arms(arms)
    spec.modelname = 'cell'
    spec.compiler.degree = False
    spec.option.timestep = TIMESTEP
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10
    quality = spec.visual.quality
    quality.shadowsize, quality.offsamples = (8192, 8) if beautiful else (0, 0)
    # a coarse tessellation halves the time of an image and cannot be seen at policy resolution
    quality.numslices, quality.numstacks, quality.numquads = (64, 32, 8) if beautiful else (16, 8, 2)
    spec.visual.global_.offwidth = 1920
    spec.visual.global_.offheight = 1080
    spec.visual.headlight.ambient = [0.36, 0.36, 0.38]
    spec.visual.headlight.diffuse = [0.28, 0.28, 0.28]
    spec.visual.headlight.specular = [0.05, 0.05, 0.05]
    spec.stat.extent = 1.2
    spec.stat.center = [0.4, 0, 0.1]
    spec.visual.map.shadowclip = 0.8
    spec.visual.map.znear = 0.01
    spec.visual.map.zfar = 10.0
    _surroundings(spec, beautiful, wide=len(arms) > 1)
    _front_camera(spec, wide=len(arms) > 1)
    _clutter(spec)
    if task is not None:
        task.add_objects(spec)
    return spec.compile()


def _with_arms(arms: Sequence[ArmMount]) -> mujoco.MjSpec:
    if len(arms) == 1 and not arms[0].prefix:
        spec = arm_spec()
        base = spec.body('base_link')
        base.pos, base.quat = arms[0].position, arms[0].quaternion
        return spec
    if len({arm.prefix for arm in arms}) < len(arms) or not all(arm.prefix for arm in arms):
        raise ValueError('several arms need a prefix each')
    spec = mujoco.MjSpec()
    for arm in arms:
        frame = spec.worldbody.add_frame(pos=arm.position, quat=arm.quaternion)
        spec.attach(arm_spec(), prefix=arm.prefix, frame=frame)
    return spec


def _surroundings(spec: mujoco.MjSpec, beautiful: bool, wide: bool) -> None:
    """Table (its top is z = 0 of base_link), floor, sky and lights; two arms need a wider table."""
    width = 0.72 if wide else 0.60
    spec.add_texture(
        name='sky',
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.80, 0.86, 0.91],
        rgb2=[0.55, 0.63, 0.70],
        width=64,
        height=384,
    )
    world = spec.worldbody
    world.add_geom(
        name='table',
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[0.50, width, 0.02],
        pos=[0.36, 0, -0.02],
        rgba=[0.70, 0.66, 0.60, 1],
        friction=[1.0, 0.01, 0.0005],
        solref=[0.01, 1],
    )
    for x in (-0.08, 0.80):
        for y in (0.06 - width, width - 0.06):
            world.add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX,
                size=[0.025, 0.025, 0.33],
                pos=[x, y, -0.37],
                rgba=[0.33, 0.36, 0.40, 1],
                contype=0,
                conaffinity=0,
            )
    world.add_geom(
        name='floor',
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=[30, 30, 0.1],
        pos=[0, 0, -0.7],
        rgba=[0.74, 0.77, 0.79, 1],
        contype=0,
        conaffinity=0,
    )
    world.add_light(
        name='key',
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        pos=[0.9, -0.8, 1.8],
        dir=[-0.35, 0.45, -1.0],
        diffuse=[0.52, 0.51, 0.48],
        specular=[0.22, 0.22, 0.22],
        castshadow=beautiful,
    )


def _front_camera(spec: mujoco.MjSpec, wide: bool) -> None:
    """Opposite the robot; two arms need a wider view."""
    fovy = 44 if wide else 31
    spec.worldbody.add_camera(name='front', pos=[1.02, 0, 0.62], xyaxes=[0, 1, 0, -0.691, 0, 0.7229], fovy=fovy)


def _clutter(spec: mujoco.MjSpec) -> None:
    """A flask, a ball, a carton and a can, below the floor until wanted; a hand that grasps passes over them."""
    kinds = mujoco.mjtGeom
    shapes = [
        (kinds.mjGEOM_CYLINDER, [0.016, 0.032, 0]),
        (kinds.mjGEOM_SPHERE, [0.022, 0, 0]),
        (kinds.mjGEOM_BOX, [0.020, 0.030, 0.025]),
        (kinds.mjGEOM_CYLINDER, [0.026, 0.030, 0]),
    ]
    for index, (kind, size) in enumerate(shapes):
        height = size[0] if kind == kinds.mjGEOM_SPHERE else size[2] or size[1]
        body = spec.worldbody.add_body(name=f'clutter{index}', pos=[0, 0, -2])
        body.add_geom(type=kind, size=size, pos=[0, 0, height])
