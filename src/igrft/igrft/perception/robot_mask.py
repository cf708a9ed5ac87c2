# SPDX-License-Identifier: Apache-2.0
"""Where the robot is in a camera's image, drawn from its URDF at measured joint positions.

The silhouette of a convex shape is the convex hull of its projected corners, that of a mesh the union of its
triangles, so neither a renderer nor a GPU is needed. What stands in front of the robot is not known and counts as
robot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from igrft.perception.calibration import FISHEYE, Calibration, CalibrationError
from igrft.perception.geometry import Float64, inverse
from igrft.perception.shapes import points_of
from igrft.perception.urdf import Urdf, UrdfError
from igrft.types import UInt8

NEAR = 0.02
"""[m] in front of the camera; what is nearer is cut off."""
SHIFT = 4
"""Bits of a pixel's fraction that OpenCV fills polygons with."""
WIDEST = 4.0
"""Pictures without distortion at most so many times as wide and high as the camera's."""


class RobotMask:
    """Draws the robot as one camera sees it.

    Args:
        urdf: the robot.
        calibration: of the camera, at the size of the masks.
        root_from_camera: [4, 4], the optical frame in the URDF's root frame.
        geometry: which shapes to draw, collision (simple, a little larger) or visual.
        dilation: [px] by which the mask grows: the lag between joints and image, and the errors of both calibrations.
        ignore: links that are not drawn, e.g. a table that the URDF has.

    Raises:
        UrdfError: nothing to draw, a mesh cannot be read, or an ignored link does not exist.
        CalibrationError: the camera is not calibrated for such a view.
    """

    def __init__(
        self,
        urdf: Urdf,
        calibration: Calibration,
        root_from_camera: Float64,
        *,
        geometry: str = 'collision',
        dilation: float = 0.0,
        ignore: Sequence[str] = (),
    ) -> None:
        self.urdf = urdf
        self.calibration = calibration
        self._camera_from_root = inverse(root_from_camera)
        unknown = sorted(set(ignore) - set(urdf.links))
        if unknown:
            raise UrdfError(f"{urdf.where}: no link '{unknown[0]}' to ignore; it has {', '.join(urdf.links)}")
        shapes = {name: found for name, found in urdf.shapes(geometry).items() if name not in ignore}
        if not shapes:
            raise UrdfError(f'{urdf.where}: no link has a shape, so there is nothing to mask')
        self._links = tuple(shapes)
        parts = [(i, points_of(shape)) for i, name in enumerate(self._links) for shape in shapes[name]]
        self._vertices = np.concatenate([np.c_[p.vertices, np.ones(len(p.vertices))] for _, p in parts])
        self._link_of = np.concatenate([np.full(len(p.vertices), i) for i, p in parts])
        ends = np.cumsum([len(p.vertices) for _, p in parts])
        self._parts = [
            (slice(end - len(p.vertices), end), p.triangles) for end, (_, p) in zip(ends, parts, strict=True)
        ]
        self._canvas = _Canvas(calibration)
        radius = round(dilation)
        self._kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2) if radius else None

    def draw(self, positions: Mapping[str, float]) -> UInt8:
        """[height, width] uint8, 255 where the robot is.

        Args:
            positions: of every moving joint of the URDF [rad or m].

        Raises:
            UrdfError: one is missing or not finite.
        """
        frames = self.urdf.frames(positions)
        links = np.stack([self._camera_from_root @ frames[name] for name in self._links])
        points = np.einsum('nij,nj->ni', links[self._link_of, :3], self._vertices)
        canvas = self._canvas.empty()
        for part, triangles in self._parts:
            self._fill(canvas, points[part], triangles)
        mask = self._canvas.image(canvas)
        return mask if self._kernel is None else np.asarray(cv2.dilate(mask, self._kernel), np.uint8)

    def _fill(self, canvas: UInt8, points: Float64, triangles: np.ndarray | None) -> None:
        """One shape; points [n, 3] in the optical frame."""
        visible = points[:, 2] >= NEAR
        if not visible.any():
            return
        if triangles is None:
            corners = points if visible.all() else _cut(points, visible)
            hull = cv2.convexHull(self._canvas.project(corners))
            cv2.fillConvexPoly(canvas, hull, 255, shift=SHIFT)
            return
        pixels = self._canvas.project(np.where(visible[:, None], points, 1.0))
        for triangle in pixels[triangles[visible[triangles].all(1)]]:
            cv2.fillConvexPoly(canvas, triangle, 255, shift=SHIFT)


class _Canvas:
    """A picture without distortion that the mask is drawn in, and its way into the camera's image.

    Points far outside the view would be folded into the image by a distortion polynomial; looking up each pixel's
    ray, once, has no such trap.
    """

    def __init__(self, calibration: Calibration) -> None:
        width, height = calibration.width, calibration.height
        self._matrix = calibration.matrix.copy()
        self._size, self._map = (height, width), None
        if not any(calibration.d):
            return
        rays = _rays(calibration)
        fx, fy, cx, cy = self._matrix[0, 0], self._matrix[1, 1], self._matrix[0, 2], self._matrix[1, 2]
        u, v = fx * rays[..., 0] + cx, fy * rays[..., 1] + cy
        left, top, right, bottom = np.floor(u.min()), np.floor(v.min()), np.ceil(u.max()), np.ceil(v.max())
        if right - left > WIDEST * width or bottom - top > WIDEST * height:
            raise CalibrationError(
                f'the distortion {calibration.d} bends the edge of the {width}x{height} image too far; calibrate with '
                'the board in the corners of the image too'
            )
        self._matrix[0, 2] -= left
        self._matrix[1, 2] -= top
        self._size = (int(bottom - top) + 1, int(right - left) + 1)
        self._map = (np.asarray(u - left, np.float32), np.asarray(v - top, np.float32))

    def empty(self) -> UInt8:
        return np.zeros(self._size, np.uint8)

    def project(self, points: Float64) -> np.ndarray:
        """[n, 2] int32 of pixels with a fraction, from [n, 3] in front of the camera."""
        uv = (points[:, :2] / points[:, 2:]) @ self._matrix[:2, :2].T + self._matrix[:2, 2]
        # Beyond this a fixed-point coordinate would overflow; nothing so far outside is seen.
        return np.rint(np.clip(uv, -1e5, 1e5) * (1 << SHIFT)).astype(np.int32)

    def image(self, canvas: UInt8) -> UInt8:
        if self._map is None:
            return canvas
        return np.asarray(cv2.remap(canvas, *self._map, cv2.INTER_NEAREST), np.uint8)


def _rays(calibration: Calibration) -> Float64:
    """[height, width, 2]: x / z and y / z of what each pixel sees."""
    grid = np.mgrid[0 : calibration.height, 0 : calibration.width]
    pixels = np.stack([grid[1], grid[0]], -1).reshape(-1, 1, 2).astype(np.float64)
    distortion = np.asarray(calibration.d, np.float64)
    if calibration.model == FISHEYE:
        rays = cv2.fisheye.undistortPoints(pixels, calibration.matrix, distortion)
    else:
        rays = cv2.undistortPoints(pixels, calibration.matrix, distortion)
    found = np.asarray(rays, np.float64).reshape(calibration.height, calibration.width, 2)
    if not np.isfinite(found).all():
        raise CalibrationError(f'the distortion {calibration.d} cannot be undone over the whole image; calibrate again')
    return found


def _cut(points: Float64, visible: np.ndarray) -> Float64:
    """The corners of a convex shape in front of the near plane: those that are, and where lines to the others cross."""
    front, back = points[visible], points[~visible]
    share = (front[:, None, 2] - NEAR) / (front[:, None, 2] - back[None, :, 2])
    crossing = front[:, None] + share[..., None] * (back[None] - front[:, None])
    return np.concatenate([front, crossing.reshape(-1, 3)])


def gripper_positions(urdf: Urdf, joints: Sequence[str], openings: Sequence[float]) -> dict[str, float]:
    """Positions of the joints that ``joint_states`` does not name: fingers, between their limits by the opening.

    Args:
        urdf: the robot.
        joints: names that are known otherwise.
        openings: [n_arms] in [0, 1]; of several arms' fingers, each arm's joints follow its own in the URDF's order.

    Raises:
        UrdfError: the fingers cannot be divided among the arms.
    """
    fingers = [urdf.joints[name] for name in urdf.moving if name not in joints]
    if not fingers:
        return {}
    each, left_over = divmod(len(fingers), len(openings))
    if left_over:
        names = ', '.join(joint.name for joint in fingers)
        raise UrdfError(f'{urdf.where}: joints {names} are named by no joint_states and not shared by the arms')
    found = {}
    for index, joint in enumerate(fingers):
        low, high = joint.limits
        found[joint.name] = low + float(openings[index // each]) * (high - low)
    return found
