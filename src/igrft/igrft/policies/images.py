# SPDX-License-Identifier: Apache-2.0
"""Camera frames to policy resolution: one function for recording, training and serving."""

from __future__ import annotations

import numpy as np

from igrft.types import UInt8


def to_policy_size(image: UInt8, size: int) -> UInt8:
    """Resize an RGB image [H, W, 3] uint8 to [size, size, 3] by area averaging; the same array where it fits already.

    Raises:
        ValueError: not an RGB uint8 image.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f'expected an RGB image [H, W, 3] uint8, found {image.dtype} {list(image.shape)}')
    if image.shape[:2] == (size, size):
        return image
    import cv2

    resized: UInt8 = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return resized
