# SPDX-License-Identifier: Apache-2.0
"""The arm as URDF, for RViz, MoveIt and TF, written from the MJCF: ``python -m igrft_sim.urdf``."""

from __future__ import annotations

import argparse
import xml.etree.ElementTree as ET
from pathlib import Path

import mujoco
import numpy as np

from igrft_sim import scene
from igrft_sim.servo import ServoLimits

PATH = scene.MODELS / 'arm.urdf'

SHAPES = {
    mujoco.mjtGeom.mjGEOM_BOX: lambda size: ('box', {'size': _text(2 * size)}),
    mujoco.mjtGeom.mjGEOM_CYLINDER: lambda size: (
        'cylinder',
        {'radius': _text(size[:1]), 'length': _text(2 * size[1:2])},
    ),
    # URDF has no capsule: a cylinder as long as the capsule's middle, its ends are hidden in the joints
    mujoco.mjtGeom.mjGEOM_CAPSULE: lambda size: (
        'cylinder',
        {'radius': _text(size[:1]), 'length': _text(2 * size[1:2])},
    ),
}

EFFORT = {'joint1': 87, 'joint2': 87, 'joint3': 87, 'joint4': 87}
WRIST_EFFORT = 12
FINGER = {'effort': '20', 'velocity': '0.2'}


def _text(values: object) -> str:
    return ' '.join(f'{value:.9g}' for value in np.ravel(np.asarray(values, np.float64)) + 0.0)


def _rpy(quaternion: np.ndarray) -> np.ndarray:
    """Fixed-axis roll, pitch, yaw [rad]."""
    w, x, y, z = quaternion
    roll = np.arctan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
    pitch = np.arcsin(np.clip(2 * (w * y - z * x), -1, 1))
    yaw = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return np.array([roll, pitch, yaw])


def _origin(parent: ET.Element, position: np.ndarray, quaternion: np.ndarray) -> None:
    ET.SubElement(parent, 'origin', xyz=_text(position), rpy=_text(_rpy(quaternion)))


def _link(robot: ET.Element, model: mujoco.MjModel, body: int) -> None:
    link = ET.SubElement(robot, 'link', name=model.body(body).name)
    inertial = ET.SubElement(link, 'inertial')
    _origin(inertial, model.body_ipos[body], model.body_iquat[body])
    ET.SubElement(inertial, 'mass', value=_text(model.body_mass[body]))
    ixx, iyy, izz = (_text(value) for value in model.body_inertia[body])
    ET.SubElement(inertial, 'inertia', ixx=ixx, iyy=iyy, izz=izz, ixy='0', ixz='0', iyz='0')
    for geom in np.flatnonzero(model.geom_bodyid == body):
        colour = f'{model.body(body).name}_{geom}'
        for kind in ('visual', 'collision'):
            element = ET.SubElement(link, kind)
            _origin(element, model.geom_pos[geom], model.geom_quat[geom])
            shape, attributes = SHAPES[mujoco.mjtGeom(model.geom_type[geom])](model.geom_size[geom])
            ET.SubElement(ET.SubElement(element, 'geometry'), shape, attributes)
            if kind == 'visual':
                material = ET.SubElement(element, 'material', name=colour)
                ET.SubElement(material, 'color', rgba=_text(np.float64(model.geom_rgba[geom]).round(3)))


def _joint(robot: ET.Element, model: mujoco.MjModel, body: int) -> None:
    name, parent = model.body(body).name, model.body(model.body_parentid[body]).name
    adr = model.body_jntadr[body]
    if adr < 0:
        joint = ET.SubElement(robot, 'joint', name=f'{name}_joint', type='fixed')
    else:
        hinge = model.jnt_type[adr] == mujoco.mjtJoint.mjJNT_HINGE
        kind = 'revolute' if hinge else 'prismatic'
        joint = ET.SubElement(robot, 'joint', name=model.joint(adr).name, type=kind)
    ET.SubElement(joint, 'parent', link=parent)
    ET.SubElement(joint, 'child', link=name)
    _origin(joint, model.body_pos[body], model.body_quat[body])
    if adr < 0:
        return
    ET.SubElement(joint, 'axis', xyz=_text(model.jnt_axis[adr]))
    lower, upper = (_text(value) for value in model.jnt_range[adr])
    rates = dict(zip((f'joint{i}' for i in range(1, 8)), ServoLimits().joint_velocity, strict=True))
    title = model.joint(adr).name
    limit = FINGER
    if title in rates:
        limit = {'effort': str(EFFORT.get(title, WRIST_EFFORT)), 'velocity': _text(rates[title])}
    ET.SubElement(joint, 'limit', lower=lower, upper=upper, **limit)
    if title == 'right_finger_joint':
        ET.SubElement(joint, 'mimic', joint='left_finger_joint')


def urdf() -> str:
    """The arm's URDF."""
    model = scene.arm_spec().compile()
    robot = ET.Element('robot', name='igrft_arm')
    for body in range(1, model.nbody):
        _link(robot, model, body)
    for body in range(2, model.nbody):
        _joint(robot, model, body)
    site = model.site('tool0')
    ET.SubElement(robot, 'link', name='tool0')
    tool = ET.SubElement(robot, 'joint', name='tool0_joint', type='fixed')
    ET.SubElement(tool, 'parent', link=model.body(model.site_bodyid[site.id]).name)
    ET.SubElement(tool, 'child', link='tool0')
    _origin(tool, site.pos, site.quat)
    ET.indent(robot)
    header = '<?xml version="1.0"?>\n<!-- SPDX-License-Identifier: Apache-2.0 -->\n'
    remark = '<!-- Written from arm.xml by python -m igrft_sim.urdf; change that file instead. -->\n'
    return header + remark + ET.tostring(robot, encoding='unicode') + '\n'


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, default=PATH)
    arguments = parser.parse_args(argv)
    arguments.out.write_text(urdf(), encoding='utf-8')
    print(arguments.out)


if __name__ == '__main__':
    main()
