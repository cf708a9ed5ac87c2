# SPDX-License-Identifier: Apache-2.0
"""Images of any driver as RGB: by cv_bridge where ROS has it, by NumPy and OpenCV where not, byte for byte the same.

igrft's own streams are rgb8 and mono8 and take the shorter way through :func:`igrft.ros.messages.image_array`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from sensor_msgs.msg import Image

from igrft.perception.encodings import GENERIC, EncodingError, check, decode
from igrft.ros.messages import MessageError
from igrft.types import UInt8


def to_rgb(message: Image, topic: str) -> UInt8:
    """[H, W, 3] uint8 RGB of an image message.

    Raises:
        MessageError: an encoding that is no colour image, or data that does not fit its own step.
    """
    try:
        check(message, topic)
        bridge = cv_bridge()
        if bridge is None or message.encoding in GENERIC:
            return decode(message, topic)
    except EncodingError as error:
        raise MessageError(str(error)) from error
    return np.asarray(bridge(message), np.uint8)


@functools.cache
def cv_bridge() -> Callable[[Image], Any] | None:
    """cv_bridge's conversion to rgb8, None where this ROS has none that works."""
    try:
        from cv_bridge import CvBridge
    except (ImportError, AttributeError):  # the one on PyPI breaks with NumPy 2
        return None
    bridge = CvBridge()
    return lambda message: bridge.imgmsg_to_cv2(message, 'rgb8')
