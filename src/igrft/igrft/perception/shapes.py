# SPDX-License-Identifier: Apache-2.0
"""The points of URDF shapes: corners of convex primitives, vertices and triangles of meshes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from igrft.perception.geometry import Float64
from igrft.perception.urdf import Shape, UrdfError

AROUND = 24
"""Corners of a circle. They lie outside it, so that a silhouette is never too small."""
RINGS = 9
FORMATS = ('.stl', '.obj', '.ply', '.dae')


@dataclass(frozen=True, slots=True)
class Points:
    """A shape in its link's frame.

    Attributes:
        vertices: [n, 3] m.
        triangles: [m, 3] indices into the vertices; None for a convex shape, whose hull is its silhouette.
    """

    vertices: Float64
    triangles: npt.NDArray[np.int32] | None = None


def points_of(shape: Shape) -> Points:
    """The points of a shape.

    Raises:
        UrdfError: a mesh that cannot be read; names the file and the remedy.
    """
    triangles = None
    if shape.kind == 'mesh':
        local, triangles = _mesh(Path(shape.mesh))
        local = local * np.asarray(shape.numbers)
    elif shape.kind == 'box':
        local = np.stack(np.meshgrid(*[(-s / 2, s / 2) for s in shape.numbers]), -1).reshape(-1, 3)
    elif shape.kind == 'cylinder':
        radius, length = shape.numbers
        ring = _circle(radius)
        local = np.concatenate([np.c_[ring, np.full(AROUND, z)] for z in (-length / 2, length / 2)])
    else:
        local = _sphere(shape.numbers[0])
    return Points(local @ shape.origin[:3, :3].T + shape.origin[:3, 3], triangles)


def _circle(radius: float) -> Float64:
    angles = np.arange(AROUND) * (2 * np.pi / AROUND)
    return np.asarray(radius / np.cos(np.pi / AROUND) * np.stack([np.cos(angles), np.sin(angles)], 1))


def _sphere(radius: float) -> Float64:
    outside = 1 / np.cos(np.pi / (2 * (RINGS - 1)))
    rings = []
    for angle in np.linspace(-np.pi / 2, np.pi / 2, RINGS):
        rings.append(
            np.c_[_circle(radius * outside * np.cos(angle)), np.full(AROUND, radius * outside * np.sin(angle))]
        )
    return np.concatenate(rings)


def _mesh(path: Path) -> tuple[Float64, npt.NDArray[np.int32]]:
    if path.suffix.lower() not in FORMATS:
        raise UrdfError(f'{path}: igrft reads meshes as {", ".join(FORMATS)}; convert it, or use the other geometry')
    try:
        import trimesh
    except ImportError as error:
        raise UrdfError(f"{path}: reading a mesh needs trimesh: pip install './src/igrft[meshes]'") from error
    try:
        mesh = trimesh.load_mesh(path, process=False, skip_materials=True)
    except Exception as error:  # its readers raise whatever their parsers raise
        raise UrdfError(
            f'{path}: not read as a mesh: {error!r}; a .dae needs pycollada, an STL or OBJ needs nothing more'
        ) from error
    vertices = np.asarray(getattr(mesh, 'vertices', ()), np.float64)
    triangles = np.asarray(getattr(mesh, 'faces', ()), np.int32)
    if not len(triangles) or not np.isfinite(vertices).all():
        raise UrdfError(f'{path}: the mesh has no triangles, or vertices that are not finite')
    return vertices, triangles
