# SPDX-License-Identifier: Apache-2.0
"""Image messages in any colour encoding as RGB, without ROS. Layouts: ``sensor_msgs/image_encodings.hpp``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from igrft.config import nearest
from igrft.types import UInt8

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp')
"""Image files that OpenCV reads."""

LAYOUTS: dict[str, tuple[type[np.generic], int]] = {
    **{name: (np.uint8, 3) for name in ('rgb8', 'bgr8', '8UC3')},
    **{name: (np.uint8, 4) for name in ('rgba8', 'bgra8')},
    **{name: (np.uint8, 1) for name in ('mono8', '8UC1')},
    **{f'bayer_{order}8': (np.uint8, 1) for order in ('rggb', 'bggr', 'gbrg', 'grbg')},
    **{name: (np.uint8, 2) for name in ('yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv')},
    **{name: (np.uint16, 3) for name in ('rgb16', 'bgr16')},
    **{name: (np.uint16, 4) for name in ('rgba16', 'bgra16')},
    **{name: (np.uint16, 1) for name in ('mono16',)},
}
"""Encoding to the type of a channel and the channels of a pixel."""

TO_RGB: dict[str, int | None] = {
    'rgb8': None,
    '8UC3': cv2.COLOR_BGR2RGB,
    'bgr8': cv2.COLOR_BGR2RGB,
    'rgba8': cv2.COLOR_RGBA2RGB,
    'bgra8': cv2.COLOR_BGRA2RGB,
    'mono8': cv2.COLOR_GRAY2RGB,
    '8UC1': cv2.COLOR_GRAY2RGB,
    # OpenCV names a mosaic by its second row's second and third pixel.
    'bayer_rggb8': cv2.COLOR_BayerBG2RGB,
    'bayer_bggr8': cv2.COLOR_BayerRG2RGB,
    'bayer_gbrg8': cv2.COLOR_BayerGR2RGB,
    'bayer_grbg8': cv2.COLOR_BayerGB2RGB,
    'yuv422': cv2.COLOR_YUV2RGB_UYVY,
    'uyvy': cv2.COLOR_YUV2RGB_UYVY,
    'yuv422_yuy2': cv2.COLOR_YUV2RGB_YUYV,
    'yuyv': cv2.COLOR_YUV2RGB_YUYV,
    'rgb16': None,
    'bgr16': cv2.COLOR_BGR2RGB,
    'rgba16': cv2.COLOR_RGBA2RGB,
    'bgra16': cv2.COLOR_BGRA2RGB,
    'mono16': cv2.COLOR_GRAY2RGB,
}

GENERIC = ('8UC1', '8UC3')
"""Encodings that do not say what their channels mean; taken as mono8 and bgr8, as OpenCV writes them."""


class EncodingError(ValueError):
    """An image that cannot be decoded; the text names where it came from, the field and the remedy."""


class ImageMessage(Protocol):
    """The fields of ``sensor_msgs/Image``, whoever deserialised it."""

    height: int
    width: int
    encoding: str
    is_bigendian: Any
    step: int
    data: Any


def decode(image: ImageMessage, where: str) -> UInt8:
    """[H, W, 3] uint8 RGB: byte for byte what cv_bridge's ``imgmsg_to_cv2(image, 'rgb8')`` gives.

    Args:
        image: the message.
        where: topic or file, for the error.

    Raises:
        EncodingError: another encoding (depth images, for one), or data that does not fit its own step.
    """
    check(image, where)
    kind, channels = LAYOUTS[image.encoding]
    dtype = np.dtype(kind).newbyteorder('>' if image.is_bigendian else '<')
    rows = np.frombuffer(image.data, np.uint8).reshape(image.height, image.step)
    used = np.ascontiguousarray(rows[:, : image.width * channels * dtype.itemsize])
    pixels = used.view(dtype).reshape(image.height, image.width, channels)
    pixels = np.ascontiguousarray(pixels[..., 0] if channels == 1 else pixels, np.dtype(kind))
    code = TO_RGB[image.encoding]
    rgb = pixels if code is None else cv2.cvtColor(pixels, code)
    if rgb.dtype == np.uint16:
        rgb = cv2.convertScaleAbs(rgb, alpha=255.0 / 65535.0)
    return np.asarray(rgb, np.uint8)


def check(image: ImageMessage, where: str) -> None:
    """Refuse a message that does not hold what it says.

    Raises:
        EncodingError: names the field and the remedy.
    """
    if image.encoding not in LAYOUTS:
        raise EncodingError(
            f"{where}: encoding '{image.encoding}' is no colour image; {nearest(image.encoding, LAYOUTS)}"
        )
    kind, channels = LAYOUTS[image.encoding]
    height, width, step = image.height, image.width, image.step
    least = width * channels * np.dtype(kind).itemsize
    if step < least or len(image.data) != step * height or not height * width:
        raise EncodingError(
            f'{where}: {len(image.data)} bytes with step {step} do not make a {width}x{height} {image.encoding} image; '
            'the driver is faulty'
        )


def image_files(folder: Path) -> list[Path]:
    """The image files of a folder in the order of their names."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
