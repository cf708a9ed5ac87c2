# SPDX-License-Identifier: Apache-2.0
"""Pictures as browsers take them."""

from __future__ import annotations

import cv2

from igrft.types import UInt8

QUALITY = 90


def jpeg(pixels: UInt8) -> bytes:
    """An RGB picture [H, W, 3] as a JPEG file.

    Raises:
        RuntimeError: it cannot be encoded, e.g. because it has no pixel.
    """
    height, width = pixels.shape[:2]
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    ok, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not ok:
        raise RuntimeError(f'a picture of {width}x{height} px could not be encoded as JPEG')
    return data.tobytes()
