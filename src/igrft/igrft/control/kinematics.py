# SPDX-License-Identifier: Apache-2.0
"""Forward kinematics of a serial chain read from a URDF: where the tool is, at the stamp of the joints themselves."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

MOVABLE = ('revolute', 'continuous', 'prismatic')


class KinematicsError(ValueError):
    """A robot description that has no such chain; the text names the link or joint."""


@dataclass(frozen=True, slots=True)
class Joint:
    """A joint of the chain: fixed transform [4, 4] to it, then a motion along ``axis`` [3]; name '' where fixed."""

    name: str
    origin: Float64
    axis: Float64
    prismatic: bool = False


@dataclass(frozen=True, slots=True)
class Chain:
    """The joints from ``base`` to ``tip`` in order."""

    base: str
    tip: str
    segments: tuple[Joint, ...]

    @property
    def joints(self) -> tuple[str, ...]:
        """Names of those that move."""
        return tuple(joint.name for joint in self.segments if joint.name)

    def pose(self, positions: Mapping[str, float]) -> tuple[Float64, Float64]:
        """Position [3] m and unit quaternion [4] (w, x, y, z) of ``tip`` in ``base``.

        Args:
            positions: of every joint of the chain [rad] or [m], by name; others are ignored.
        """
        transform = np.eye(4)
        for joint in self.segments:
            transform = transform @ joint.origin
            if not joint.name:
                continue
            value, motion = positions[joint.name], np.eye(4)
            if joint.prismatic:
                motion[:3, 3] = joint.axis * value
            else:
                motion[:3, :3] = _about(joint.axis, value)
            transform = transform @ motion
        return transform[:3, 3].copy(), _quaternion(transform[:3, :3])


def chain_from_urdf(urdf: str, base: str, tip: str) -> Chain:
    """Read the chain from link ``base`` to link ``tip``.

    Raises:
        KinematicsError: not XML, no such link, no path between them, or a joint that is neither fixed, revolute,
            continuous nor prismatic, or that mimics another.
    """
    try:
        robot = ET.fromstring(urdf)
    except ET.ParseError as error:
        raise KinematicsError(f'the robot description is not XML: {error}') from error
    links = {link.get('name', '') for link in robot.findall('link')}
    for link in (base, tip):
        if link not in links:
            raise KinematicsError(f"the robot description has no link '{link}'; it has {', '.join(sorted(links))}")
    above = {_named(joint, 'child', 'link'): joint for joint in robot.findall('joint')}
    segments: list[Joint] = []
    link = tip
    while link != base:
        if link not in above or len(segments) > len(above):
            raise KinematicsError(f"the robot description has no chain from '{base}' to '{tip}'; it ends at '{link}'")
        segments.append(_joint(above[link]))
        link = _named(above[link], 'parent', 'link')
    return Chain(base, tip, tuple(reversed(segments)))


def _joint(element: ET.Element) -> Joint:
    name, kind = element.get('name', ''), element.get('type', '')
    origin = _origin(element.find('origin'))
    if kind == 'fixed':
        return Joint('', origin, np.zeros(3))
    if kind not in MOVABLE or element.find('mimic') is not None:
        raise KinematicsError(f"joint '{name}' of the chain is {kind or 'of no type'} or mimics another")
    axis = element.find('axis')
    vector = _vector(axis.get('xyz', '1 0 0') if axis is not None else '1 0 0', name)
    length = float(np.linalg.norm(vector))
    if not length > 0:
        raise KinematicsError(f"joint '{name}' has an axis of no length")
    return Joint(name, origin, vector / length, kind == 'prismatic')


def _named(element: ET.Element, tag: str, attribute: str) -> str:
    found = element.find(tag)
    return found.get(attribute, '') if found is not None else ''


def _vector(text: str, where: str) -> Float64:
    try:
        values = np.array([float(word) for word in text.split()], np.float64)
    except ValueError as error:
        raise KinematicsError(f"'{where}': {text!r} are not three numbers") from error
    if values.shape != (3,) or not np.isfinite(values).all():
        raise KinematicsError(f"'{where}': {text!r} are not three numbers")
    return values


def _origin(element: ET.Element | None) -> Float64:
    transform = np.eye(4)
    if element is not None:
        roll, pitch, yaw = _vector(element.get('rpy', '0 0 0'), 'origin')
        x, y, z = np.eye(3)
        transform[:3, :3] = _about(z, yaw) @ _about(y, pitch) @ _about(x, roll)
        transform[:3, 3] = _vector(element.get('xyz', '0 0 0'), 'origin')
    return transform


def _about(axis: Float64, angle: float) -> Float64:
    """Rotation [3, 3] about a unit axis (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    rotation: Float64 = np.eye(3) + math.sin(angle) * cross + (1.0 - math.cos(angle)) * (cross @ cross)
    return rotation


def _quaternion(rotation: Float64) -> Float64:
    """(w, x, y, z) of a rotation [3, 3], by the largest of the four (Shepperd)."""
    trace, diagonal = float(np.trace(rotation)), np.diag(rotation)
    squares = np.array([trace, *(2.0 * diagonal - trace)])
    largest = int(np.argmax(squares))
    skew = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]])
    if largest == 0:
        values = np.array([1.0 + trace, *skew])
    else:
        i = largest - 1
        values = np.empty(4)
        values[0] = skew[i]
        values[1:] = rotation[i] + rotation[:, i]
        values[1 + i] = 1.0 + squares[largest]
    found: Float64 = values / np.linalg.norm(values)
    return found if found[0] >= 0 else -found
