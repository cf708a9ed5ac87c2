# SPDX-License-Identifier: Apache-2.0
"""One camera: reads its source in a thread, dates and fits every frame, and opens again what is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from igrft.devices.device import DeviceError
from igrft.devices.sources import Source
from igrft.types import UInt8

STOP_TIMEOUT = 5.0
"""[s] that a read may take when the camera is stopped."""


@dataclass(frozen=True, slots=True)
class Frame:
    """image: [height, width, 3] uint8 RGB; stamp: of its acquisition, by the given clock."""

    image: UInt8
    stamp: Any


def fit(image: UInt8, width: int, height: int) -> UInt8:
    """Crop an image [H, W, 3] about its centre to the aspect, and scale it to [height, width, 3]."""
    rows, columns = image.shape[:2]
    scale = min(columns / width, rows / height)
    crop_width, crop_height = round(width * scale), round(height * scale)
    x, y = (columns - crop_width) // 2, (rows - crop_height) // 2
    cropped = image[y : y + crop_height, x : x + crop_width]
    if cropped.shape[:2] == (height, width):
        return cropped
    shrinks = crop_width > width
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(cropped, (width, height), interpolation=way), np.uint8)


class Camera:
    """Reads a source in a thread of its own, dates each frame by its acquisition, and reopens what is lost.

    Args:
        opener: opens the source; called again after each loss.
        size: (width, height) of the frames handed over.
        clock: the stamp of a frame that is so many seconds old.
        on_frame: called in the camera's thread.
        retry: [s] between attempts to reopen.
    """

    def __init__(
        self,
        opener: Callable[[], Source],
        size: tuple[int, int],
        clock: Callable[[float], Any],
        on_frame: Callable[[Frame], None],
        retry: float = 1.0,
    ) -> None:
        self._opener = opener
        self._size = size
        self._clock = clock
        self._on_frame = on_frame
        self._retry = retry
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name='camera', daemon=True)
        self.problem = 'not started'
        """Why there are no frames now, '' while there are."""
        self.refused: tuple[str, ...] = ()
        """Settings that the device did not take."""
        self.losses = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when the thread has ended.

        Raises:
            DeviceError: it has not within :data:`STOP_TIMEOUT`; what it still reads is not handed over.
        """
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT)
        if self._thread.is_alive():
            raise DeviceError(f'the camera has not answered for {STOP_TIMEOUT:g} s; unplug it, or restart the node')

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                source = self._opener()
            except (DeviceError, OSError) as error:
                self.problem = str(error)
                self._stop.wait(self._retry)
                continue
            self.refused = source.refused
            try:
                self._stream(source)
            except (DeviceError, OSError, cv2.error) as error:
                self.problem = str(error)
            finally:
                source.close()
            if not self._stop.is_set():
                self.losses += 1
                self._stop.wait(self._retry)

    def _stream(self, source: Source) -> None:
        while not self._stop.is_set():
            shot = source.read()
            if self._stop.is_set():
                return
            if shot is None:
                self.problem = 'the source has ended or was unplugged'
                return
            stamp = self._clock(shot.age)
            self.problem = ''
            rgb = np.asarray(cv2.cvtColor(fit(shot.image, *self._size), cv2.COLOR_BGR2RGB), np.uint8)
            self._on_frame(Frame(rgb, stamp))
