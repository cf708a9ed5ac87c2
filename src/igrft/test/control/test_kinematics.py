# SPDX-License-Identifier: Apache-2.0
"""A URDF's chain: where its tip is, and what is said of one that cannot be used."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igrft.control.kinematics import KinematicsError, chain_from_urdf

PLANAR = """<robot name="planar">
  <link name="base"/><link name="upper"/><link name="lower"/><link name="tool"/><link name="elsewhere"/>
  <joint name="shoulder" type="revolute">
    <parent link="base"/><child link="upper"/><origin xyz="0 0 0.5"/><axis xyz="0 0 2"/>
  </joint>
  <joint name="slide" type="prismatic"><parent link="upper"/><child link="lower"/><axis xyz="1 0 0"/></joint>
  <joint name="flange" type="fixed">
    <parent link="lower"/><child link="tool"/><origin xyz="0.1 0 0" rpy="0 1.5707963267948966 0"/>
  </joint>
</robot>"""


@given(st.floats(-7.0, 7.0), st.floats(-1.0, 1.0))
def test_the_tip_is_where_geometry_says(angle: float, reach: float) -> None:
    chain = chain_from_urdf(PLANAR, 'base', 'tool')
    assert chain.joints == ('shoulder', 'slide')
    position, quaternion = chain.pose({'shoulder': angle, 'slide': reach, 'another': 9.0})
    radius = reach + 0.1
    np.testing.assert_allclose(position, [radius * math.cos(angle), radius * math.sin(angle), 0.5], atol=1e-9)
    half, eighth = angle / 2, math.pi / 4  # about z by the angle, then about y by a quarter turn
    expected = np.array(
        [
            math.cos(half) * math.cos(eighth),
            -math.sin(half) * math.sin(eighth),
            math.cos(half) * math.sin(eighth),
            math.sin(half) * math.cos(eighth),
        ]
    )
    assert abs(float(quaternion @ expected)) == pytest.approx(1.0) and np.linalg.norm(quaternion) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ('urdf', 'tip', 'reason'),
    [
        ('<robot', 'tool', 'not XML'),
        (PLANAR, 'tol', "no link 'tol'; it has base"),
        (PLANAR, 'elsewhere', "no chain from 'base' to 'elsewhere'"),
        (PLANAR.replace('prismatic', 'floating'), 'tool', "joint 'slide' of the chain is floating"),
        (PLANAR.replace('0 0 2', '0 0 0'), 'tool', "joint 'shoulder' has an axis of no length"),
        (PLANAR.replace('0 0 2', '0 z 0'), 'tool', "'shoulder': '0 z 0' are not three numbers"),
        (
            PLANAR.replace('<link name="elsewhere"/>', '').replace('parent link="base"', 'parent link="lower"'),
            'tool',
            'no chain',
        ),
    ],
)
def test_what_has_no_such_chain_is_refused_by_name(urdf: str, tip: str, reason: str) -> None:
    with pytest.raises(KinematicsError, match=reason.replace('(', r'\(')):
        chain_from_urdf(urdf, 'base', tip)
