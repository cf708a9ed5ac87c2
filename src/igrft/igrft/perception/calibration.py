# SPDX-License-Identifier: Apache-2.0
"""What is known of a camera, as files: intrinsics in ROS's ``camera_info`` YAML, and where it is mounted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from igrft.perception.geometry import Float64, from_quaternion, quaternion_of

FISHEYE = 'equidistant'
MODELS = ('plumb_bob', 'rational_polynomial', FISHEYE)
"""Distortion models of ``sensor_msgs/CameraInfo``."""


class CalibrationError(ValueError):
    """A calibration that cannot be read, made or used; the text names the file or the set, and the remedy."""


@dataclass(frozen=True)
class Calibration:
    """Intrinsics as ROS's ``camera_info`` files have them.

    Attributes:
        width, height: [px] they were made at.
        k: [9] row-major camera matrix.
        d: distortion coefficients.
        model: plumb_bob, rational_polynomial, equidistant.
    """

    width: int
    height: int
    k: tuple[float, ...]
    d: tuple[float, ...] = ()
    model: str = 'plumb_bob'

    def __post_init__(self) -> None:
        if len(self.k) != 9 or not np.isfinite(self.k).all() or self.k[0] <= 0 or self.k[4] <= 0:
            raise CalibrationError(f'K must be 9 finite numbers with positive focal lengths, got {self.k}')
        if self.model not in MODELS:
            raise CalibrationError(f"distortion model '{self.model}'; known are: {', '.join(MODELS)}")
        if not np.isfinite(self.d).all():
            raise CalibrationError(f'the distortion coefficients {self.d} are not finite')

    @property
    def matrix(self) -> Float64:
        """[3, 3]"""
        return np.asarray(self.k, np.float64).reshape(3, 3)

    def scaled(self, width: int, height: int) -> Calibration:
        """For images cropped about their centre to an aspect and scaled (:func:`igrft.devices.camera.fit`)."""
        scale = min(self.width / width, self.height / height)
        fx, _, cx, _, fy, cy, *_ = self.k
        left = (self.width - width * scale) / 2
        top = (self.height - height * scale) / 2
        k = (fx / scale, 0.0, (cx - left) / scale, 0.0, fy / scale, (cy - top) / scale, 0.0, 0.0, 1.0)
        return Calibration(width, height, k, self.d, self.model)

    def yaml(self, camera_name: str, note: str = '') -> str:
        """A ``camera_info`` file as camera_calibration writes it; ``note`` becomes a comment."""
        k = [float(value) for value in self.k]
        projection = [k[0], 0.0, k[2], 0.0, 0.0, k[4], k[5], 0.0, 0.0, 0.0, 1.0, 0.0]
        rectification = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        data = {
            'image_width': self.width,
            'image_height': self.height,
            'camera_name': camera_name,
            'camera_matrix': {'rows': 3, 'cols': 3, 'data': k},
            'distortion_model': self.model,
            'distortion_coefficients': {'rows': 1, 'cols': len(self.d), 'data': [float(value) for value in self.d]},
            'rectification_matrix': {'rows': 3, 'cols': 3, 'data': rectification},
            'projection_matrix': {'rows': 3, 'cols': 4, 'data': projection},
        }
        return _comment(note) + yaml.safe_dump(data, sort_keys=False, default_flow_style=None)


@dataclass(frozen=True)
class Extrinsics:
    """Where a camera is mounted.

    Attributes:
        parent: frame it is fixed to: the robot's base (a camera beside it) or its tool (a camera in the hand).
        child: the camera's optical frame (x right, y down, z into the scene).
        parent_from_child: [4, 4], takes coordinates of the optical frame to the parent frame, metres.
    """

    parent: str
    child: str
    parent_from_child: Float64 = field(repr=False)

    def yaml(self, note: str = '') -> str:
        """The file that :func:`read_extrinsics` reads."""
        quaternion = quaternion_of(self.parent_from_child)
        data = {
            'parent': self.parent,
            'child': self.child,
            'translation': [round(float(x), 9) for x in self.parent_from_child[:3, 3]],
            'rotation_wxyz': [round(float(x), 12) for x in quaternion],
        }
        return _comment(note) + yaml.safe_dump(data, sort_keys=False, default_flow_style=None)


def read_calibration(path: Path | str) -> Calibration:
    """Read a ``camera_info`` YAML file (camera_calibration, image_pipeline, ``igrft calibrate``).

    Raises:
        CalibrationError: naming the file and what is missing.
    """
    data = _mapping(Path(path), 'a camera_info file')
    try:
        return Calibration(
            width=int(data['image_width']),
            height=int(data['image_height']),
            k=_floats(data['camera_matrix']['data']),
            d=_floats(data['distortion_coefficients']['data']),
            model=str(data.get('distortion_model', 'plumb_bob')),
        )
    except CalibrationError as error:
        raise CalibrationError(f'{path}: {error}') from error
    except (KeyError, TypeError, ValueError) as error:
        raise CalibrationError(f'{path}: not a camera_info file: {error!r}') from error


def read_extrinsics(path: Path | str) -> Extrinsics:
    """Read an extrinsics file of ``igrft calibrate``.

    Raises:
        CalibrationError: naming the file and what is missing.
    """
    data = _mapping(Path(path), 'an extrinsics file')
    try:
        translation, rotation = _floats(data['translation']), _floats(data['rotation_wxyz'])
        if len(translation) != 3 or len(rotation) != 4:
            raise ValueError('translation has 3 numbers [m], rotation_wxyz has 4')
        return Extrinsics(str(data['parent']), str(data['child']), from_quaternion(translation, rotation))
    except (KeyError, TypeError, ValueError) as error:
        raise CalibrationError(
            f'{path}: not an extrinsics file (parent, child, translation, rotation_wxyz): {error!r}'
        ) from error


def _floats(values: Sequence[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _mapping(path: Path, what: str) -> Mapping[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise CalibrationError(f'{path}: cannot be read: {error.strerror}') from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CalibrationError(f'{path}: not {what}: {error}') from error
    if not isinstance(data, Mapping):
        raise CalibrationError(f'{path}: not {what}: it holds no keys')
    return data


def _comment(note: str) -> str:
    return ''.join(f'# {line}\n' for line in note.splitlines())
