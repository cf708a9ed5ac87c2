# SPDX-License-Identifier: Apache-2.0
"""The URDF is the same arm as the MJCF."""

import mujoco
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from igrft_sim.servo import Servo
from igrft_sim.urdf import PATH, urdf

# MuJoCo fuses what a fixed joint connects unless told otherwise
MODEL = mujoco.MjModel.from_xml_string(
    PATH.read_text(encoding='utf-8').replace(
        '<robot name="igrft_arm">',
        '<robot name="igrft_arm"><mujoco><compiler fusestatic="false" discardvisual="true"/></mujoco>',
    )
)
DATA = mujoco.MjData(MODEL)
SERVO = Servo()
RANGE = SERVO._model.jnt_range


@settings(max_examples=50, deadline=None)
@given(share=st.lists(st.floats(0, 1), min_size=7, max_size=7))
def test_forward_kinematics_are_the_same(share):
    joints = RANGE[:, 0] + np.array(share) * (RANGE[:, 1] - RANGE[:, 0])
    for index, value in enumerate(joints, start=1):
        DATA.joint(f'joint{index}').qpos = value
    mujoco.mj_kinematics(MODEL, DATA)
    pose = SERVO.forward(joints)
    tool = DATA.body('tool0')
    np.testing.assert_allclose(tool.xpos, pose[:3], atol=1e-7)
    assert abs(abs(tool.xquat @ pose[3:]) - 1) < 1e-9


def test_joints_limits_and_masses_are_the_same():
    names = [MODEL.joint(index).name for index in range(MODEL.njnt)]
    assert names[:7] == [f'joint{index}' for index in range(1, 8)] and len(names) == 9
    for index in range(7):
        np.testing.assert_allclose(MODEL.jnt_range[index], RANGE[index])
    assert abs(MODEL.body_mass.sum() - SERVO._model.body_mass.sum()) < 1e-6


def test_the_kinematics_are_the_pandas():
    """Tool positions of the Franka Panda with its hand, from its published link offsets (modified DH)."""
    a = [0, 0, 0, 0.0825, -0.0825, 0, 0.088]
    d = [0.333, 0, 0.316, 0, 0.384, 0, 0]
    alpha = [0, -np.pi / 2, np.pi / 2, np.pi / 2, -np.pi / 2, np.pi / 2, np.pi / 2]
    rng = np.random.default_rng(0)
    for _ in range(20):
        joints = rng.uniform(RANGE[:, 0], RANGE[:, 1])
        pose = np.eye(4)
        for ai, di, alphai, q in zip(a, d, alpha, joints, strict=True):
            c, s, ca, sa = np.cos(q), np.sin(q), np.cos(alphai), np.sin(alphai)
            pose = pose @ np.array(
                [[c, -s, 0, ai], [s * ca, c * ca, -sa, -di * sa], [s * sa, c * sa, ca, di * ca], [0, 0, 0, 1]]
            )
        tip = pose @ np.array([0, 0, 0.107 + 0.1034, 1])
        np.testing.assert_allclose(SERVO.forward(joints)[:3], tip[:3], atol=1e-7)


def test_the_file_is_up_to_date():
    assert PATH.read_text(encoding='utf-8') == urdf(), 'run python -m igrft_sim.urdf'
