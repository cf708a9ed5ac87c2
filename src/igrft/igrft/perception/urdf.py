# SPDX-License-Identifier: Apache-2.0
"""A robot's URDF: its tree of links, the shapes on them, and forward kinematics."""

from __future__ import annotations

import importlib.util
import os
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from igrft.perception.geometry import Float64, pose

MOVING = ('revolute', 'continuous', 'prismatic')


class UrdfError(ValueError):
    """A robot description that cannot be used; the text names the file, the element and the remedy."""


@dataclass(frozen=True, slots=True)
class Joint:
    """One joint: ``parent_from_child`` at position q is ``origin`` times the motion along ``axis``.

    Attributes:
        origin: [4, 4].
        axis: [3] unit vector.
        limits: lower and upper position [rad or m], (0, 0) where the file has none.
        mimic: (joint, multiplier, offset) whose position it follows, None where it moves by itself.
    """

    name: str
    kind: str
    parent: str
    child: str
    origin: Float64
    axis: Float64
    limits: tuple[float, float]
    mimic: tuple[str, float, float] | None


@dataclass(frozen=True, slots=True)
class Shape:
    """A geometry on a link: kind is box, cylinder, sphere or mesh; ``numbers`` its size [m], or the mesh's scale."""

    kind: str
    origin: Float64
    numbers: tuple[float, ...]
    mesh: str = ''


class Urdf:
    """A robot description.

    Args:
        text: the URDF (xacro already expanded).
        where: file or topic, for errors.

    Raises:
        UrdfError: not a URDF, several roots, a joint of a kind that cannot be followed.
    """

    def __init__(self, text: str, where: str) -> None:
        self.where = where
        try:
            robot = ET.fromstring(text)
        except ET.ParseError as error:
            raise UrdfError(f'{where}: not XML: {error}; a .xacro must be expanded first') from error
        if robot.tag != 'robot':
            raise UrdfError(f"{where}: the root element is <{robot.tag}>, a URDF's is <robot>")
        self._links = {link.get('name', ''): link for link in robot.findall('link')}
        self.joints = {joint.name: joint for joint in map(self._joint, robot.findall('joint'))}
        roots = set(self._links) - {joint.child for joint in self.joints.values()}
        if len(roots) != 1:
            raise UrdfError(f'{where}: a robot has one root link, found {", ".join(sorted(roots)) or "none"}')
        self.root = roots.pop()
        self._order = self._sorted()

    @classmethod
    def read(cls, path: Path | str) -> Urdf:
        """Read a file; ``package://<package>/…`` names one in a package.

        Raises:
            UrdfError: it cannot be read or used.
        """
        file = resolve(str(path), Path())
        try:
            return cls(file.read_text(encoding='utf-8'), str(file))
        except OSError as error:
            raise UrdfError(f'{file}: cannot be read: {error.strerror}') from error

    @property
    def moving(self) -> tuple[str, ...]:
        """Names of the joints that move by themselves."""
        return tuple(j.name for j in self.joints.values() if j.kind in MOVING and j.mimic is None)

    @property
    def links(self) -> tuple[str, ...]:
        return tuple(self._links)

    def frames(self, positions: Mapping[str, float]) -> dict[str, Float64]:
        """``root_from_link`` [4, 4] of every link.

        Args:
            positions: of every moving joint [rad or m].

        Raises:
            UrdfError: one is missing or not finite.
        """
        found = {self.root: np.eye(4)}
        for joint in self._order:
            found[joint.child] = found[joint.parent] @ joint.origin @ self._motion(joint, positions)
        return found

    def fixed_frame(self, link: str) -> Float64:
        """``root_from_link`` [4, 4] of a link that no joint moves, such as the robot's base.

        Raises:
            UrdfError: there is no such link, or a joint moves it.
        """
        if link not in self._links:
            raise UrdfError(f"{self.where}: no link '{link}'; it has {', '.join(self._links)}")
        found, above = np.eye(4), {joint.child: joint for joint in self._order}
        while link in above:
            joint = above[link]
            if joint.kind != 'fixed':
                raise UrdfError(f"{self.where}: joint '{joint.name}' moves link '{link}', which must stand still")
            found, link = joint.origin @ found, joint.parent
        return found

    def shapes(self, prefer: str = 'visual') -> dict[str, list[Shape]]:
        """The shapes of every link that has some: ``prefer`` (visual or collision), else the other.

        Raises:
            UrdfError: a geometry of no known kind.
        """
        kinds = ('visual', 'collision') if prefer == 'visual' else ('collision', 'visual')
        found = {}
        for name, link in self._links.items():
            elements = link.findall(kinds[0]) or link.findall(kinds[1])
            shapes = [self._shape(name, element) for element in elements]
            if shapes:
                found[name] = shapes
        return found

    def _motion(self, joint: Joint, positions: Mapping[str, float]) -> Float64:
        if joint.kind == 'fixed':
            return np.eye(4)
        leader, scale, offset = joint.mimic or (joint.name, 1.0, 0.0)
        if leader not in positions:
            raise UrdfError(f"{self.where}: no position for joint '{leader}'; given are {', '.join(positions)}")
        q = scale * positions[leader] + offset
        if not np.isfinite(q):
            raise UrdfError(f"{self.where}: the position of joint '{leader}' is not finite")
        if joint.kind == 'prismatic':
            return pose(np.eye(3), q * joint.axis)
        return pose(cv2.Rodrigues(q * joint.axis)[0], np.zeros(3))

    def _joint(self, element: ET.Element) -> Joint:
        name, kind = element.get('name', ''), element.get('type', '')
        if kind not in (*MOVING, 'fixed'):
            raise UrdfError(
                f"{self.where}: joint '{name}' is of type '{kind}'; igrft follows fixed, {', '.join(MOVING)}"
            )
        ends = []
        for tag in ('parent', 'child'):
            end = element.find(tag)
            link = '' if end is None else end.get('link', '')
            if link not in self._links:
                raise UrdfError(f"{self.where}: joint '{name}' has no {tag} link that exists: '{link}'")
            ends.append(link)
        axis = _numbers(element.find('axis'), 'xyz', '1 0 0', 3, f"{self.where}: joint '{name}'")
        length = float(np.linalg.norm(axis))
        if kind != 'fixed' and length < 1e-9:
            raise UrdfError(f"{self.where}: joint '{name}' has an axis of no length")
        limit, mimic = element.find('limit'), element.find('mimic')
        follows = None
        if mimic is not None:
            follows = (mimic.get('joint', ''), float(mimic.get('multiplier', 1)), float(mimic.get('offset', 0)))
        bounds = (0.0, 0.0) if limit is None else (float(limit.get('lower', 0)), float(limit.get('upper', 0)))
        origin = _origin(element.find('origin'), f"{self.where}: joint '{name}'")
        unit = np.asarray(axis) / max(length, 1e-9)
        return Joint(name, kind, ends[0], ends[1], origin, unit, bounds, follows)

    def _shape(self, link: str, element: ET.Element) -> Shape:
        where = f"{self.where}: link '{link}'"
        origin = _origin(element.find('origin'), where)
        geometry = element.find('geometry')
        kind = next(iter(geometry), None) if geometry is not None else None
        if kind is None:
            raise UrdfError(f'{where}: a {element.tag} without geometry')
        if kind.tag == 'box':
            return Shape('box', origin, _numbers(kind, 'size', '', 3, where))
        if kind.tag == 'sphere':
            return Shape('sphere', origin, _numbers(kind, 'radius', '', 1, where))
        if kind.tag == 'cylinder':
            size = _numbers(kind, 'radius', '', 1, where) + _numbers(kind, 'length', '', 1, where)
            return Shape('cylinder', origin, size)
        if kind.tag == 'mesh':
            file = resolve(kind.get('filename', ''), Path(self.where).parent)
            return Shape('mesh', origin, _numbers(kind, 'scale', '1 1 1', 3, where), str(file))
        raise UrdfError(f'{where}: geometry <{kind.tag}>; a URDF has box, cylinder, sphere and mesh')

    def _sorted(self) -> list[Joint]:
        """Parents before children."""
        order: list[Joint] = []
        known, waiting = {self.root}, list(self.joints.values())
        while waiting:
            ready = [joint for joint in waiting if joint.parent in known]
            if not ready:
                raise UrdfError(f"{self.where}: joint '{waiting[0].name}' hangs on no tree")
            order += ready
            known |= {joint.child for joint in ready}
            waiting = [joint for joint in waiting if joint not in ready]
        return order


def resolve(name: str, folder: Path) -> Path:
    """The file behind ``package://``, ``file://`` or a path relative to ``folder``.

    Packages are looked for in ``$AMENT_PREFIX_PATH``, then as Python packages.

    Raises:
        UrdfError: no such package.
    """
    if name.startswith('file://'):
        return Path(name.removeprefix('file://'))
    if not name.startswith('package://'):
        return folder / Path(name).expanduser()
    package, _, rest = name.removeprefix('package://').partition('/')
    for prefix in filter(None, os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)):
        if (Path(prefix, 'share', package, rest)).exists():
            return Path(prefix, 'share', package, rest)
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise UrdfError(f"{name}: no package '{package}'; source the workspace that has it")
    return Path(spec.origin).parent / rest


def _numbers(element: ET.Element | None, key: str, default: str, count: int, where: str) -> tuple[float, ...]:
    text = default if element is None else element.get(key, default)
    try:
        values = tuple(float(word) for word in text.split())
    except ValueError as error:
        raise UrdfError(f'{where}: {key}="{text}" are not numbers') from error
    if len(values) != count or not np.isfinite(values).all():
        raise UrdfError(f'{where}: {key}="{text}" must be {count} finite numbers')
    return values


def _origin(element: ET.Element | None, where: str) -> Float64:
    """Fixed-axis roll, pitch, yaw [rad] and a translation [m], as URDF has them."""
    xyz = _numbers(element, 'xyz', '0 0 0', 3, where)
    roll, pitch, yaw = _numbers(element, 'rpy', '0 0 0', 3, where)
    about = [cv2.Rodrigues(np.array(v))[0] for v in ([roll, 0, 0], [0, pitch, 0], [0, 0, yaw])]
    return pose(about[2] @ about[1] @ about[0], xyz)
