# SPDX-License-Identifier: Apache-2.0
"""Bytes to RGB, worked out by hand from sensor_msgs/image_encodings.hpp; and against cv_bridge where it is."""

from __future__ import annotations

import struct
from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import Image

from igrft.perception.encodings import GENERIC, LAYOUTS, EncodingError, decode
from igrft.ros.images import cv_bridge, to_rgb
from igrft.ros.messages import MessageError

PIXEL = (10, 130, 250)
"""red, green, blue"""

BYTES = {
    'rgb8': bytes([10, 130, 250]),
    'bgr8': bytes([250, 130, 10]),
    '8UC3': bytes([250, 130, 10]),
    'rgba8': bytes([10, 130, 250, 77]),
    'bgra8': bytes([250, 130, 10, 77]),
    'rgb16': struct.pack('<3H', 10 * 257, 130 * 257, 250 * 257),
    'bgr16': struct.pack('<3H', 250 * 257, 130 * 257, 10 * 257),
    'rgba16': struct.pack('<4H', 10 * 257, 130 * 257, 250 * 257, 9),
    'bgra16': struct.pack('<4H', 250 * 257, 130 * 257, 10 * 257, 9),
}
"""One pixel of each encoding that says a colour by itself."""

GREY = {'mono8': bytes([77]), '8UC1': bytes([77]), 'mono16': struct.pack('<H', 77 * 257)}


def message(encoding: str, data: bytes, width: int, height: int, bigendian: bool = False, padding: int = 0) -> Image:
    step = len(data) // height
    rows = [data[i * step : (i + 1) * step] + bytes(padding) for i in range(height)]
    return Image(
        encoding=encoding, width=width, height=height, step=step + padding, is_bigendian=bigendian,
        data=array('B', b''.join(rows)),
    )  # fmt: skip


@pytest.mark.parametrize('encoding', BYTES)
@pytest.mark.parametrize('padding', [0, 6])
def test_colours(encoding: str, padding: int) -> None:
    rgb = to_rgb(message(encoding, BYTES[encoding] * 6, 3, 2, padding=padding), 't')
    assert rgb.shape == (2, 3, 3) and rgb.dtype == np.uint8
    assert (rgb == PIXEL).all()


@pytest.mark.parametrize('encoding', GREY)
def test_grey(encoding: str) -> None:
    assert (to_rgb(message(encoding, GREY[encoding] * 6, 3, 2), 't') == 77).all()


def test_sixteen_bits_of_either_byte_order() -> None:
    big = struct.pack('>3H', 10 * 257, 130 * 257, 250 * 257)
    assert (to_rgb(message('rgb16', big * 4, 2, 2, bigendian=True), 't') == PIXEL).all()


def test_mosaics() -> None:
    """A colour that is the same everywhere comes out of its mosaic as it is, away from the edge."""
    red, green, blue = PIXEL
    cells = {
        'bayer_rggb8': [red, green, green, blue],
        'bayer_bggr8': [blue, green, green, red],
        'bayer_gbrg8': [green, blue, red, green],
        'bayer_grbg8': [green, red, blue, green],
    }
    for encoding, cell in cells.items():
        mosaic = np.tile(np.array(cell, np.uint8).reshape(2, 2), (4, 4))
        assert (to_rgb(message(encoding, mosaic.tobytes(), 8, 8), 't')[2:-2, 2:-2] == PIXEL).all(), encoding


@pytest.mark.parametrize(
    ('encoding', 'order'), [('yuv422', 'UYVY'), ('uyvy', 'UYVY'), ('yuv422_yuy2', 'YUYV'), ('yuyv', 'YUYV')]
)
def test_yuv(encoding: str, order: str) -> None:
    """BT.601 video range: Y = 16 is black, 235 white; Y 81, U 90, V 240 is pure red."""
    for (y, u, v), rgb in (
        ((16, 128, 128), (0, 0, 0)),
        ((235, 128, 128), (255, 255, 255)),
        ((81, 90, 240), (255, 0, 0)),
    ):
        pair = bytes({'Y': y, 'U': u, 'V': v}[letter] for letter in order)
        found = to_rgb(message(encoding, pair * 2, 2, 2), 't').astype(int)
        assert np.abs(found - rgb).max() <= 2


@given(encoding=st.sampled_from(sorted(set(LAYOUTS) - set(GENERIC))), seed=st.integers(0, 2**32 - 1))
def test_the_same_bytes_as_cv_bridge(encoding: str, seed: int) -> None:
    bridge = cv_bridge()
    if bridge is None:
        pytest.skip('cv_bridge is not installed here; the tables above hold without it')
    kind, channels = LAYOUTS[encoding]
    data = np.random.default_rng(seed).integers(0, 256, 8 * 6 * channels * np.dtype(kind).itemsize, np.uint8)
    image = message(encoding, data.tobytes(), 8, 6)
    np.testing.assert_array_equal(decode(image, 't'), bridge(image))


@pytest.mark.parametrize(
    ('image', 'words'),
    [
        (message('32FC1', bytes(16), 2, 2), "t: encoding '32FC1' is no colour image"),
        (message('rgb88', bytes(12), 2, 2), "did you mean 'rgb8'"),
        (message('rgb8', bytes(11), 2, 1), '11 bytes with step 11 do not make'),
        (message('rgb16', bytes(12), 2, 2), 'do not make a 2x2 rgb16'),
    ],
)
def test_bad_images_are_named(image: Image, words: str) -> None:
    if image.encoding == 'rgb8':
        image.height = 2
    with pytest.raises(MessageError, match=words):
        to_rgb(image, 't')
    with pytest.raises(EncodingError):
        decode(image, 't')
