# SPDX-License-Identifier: Apache-2.0
"""Cameras over OpenCV: a V4L2 device, a video file, or a folder of images; all end as RGB frames with a stamp."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import yaml

from igrft.devices.device import DeviceError
from igrft.types import UInt8

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp')


@dataclass(frozen=True, slots=True)
class Frame:
    """image: [height, width, 3] uint8 RGB; stamp: of its acquisition, by the given clock."""

    image: UInt8
    stamp: Any


class Source(Protocol):
    """Where frames come from."""

    def read(self) -> UInt8 | None:
        """The next BGR frame [H, W, 3], waiting for it; None when the source is at its end or gone."""
        ...

    def close(self) -> None: ...


class VideoSource:
    """A V4L2 device (index or path) or a video file.

    Raises:
        DeviceError: it cannot be opened.
    """

    def __init__(self, name: str, width: int, height: int, rate: float) -> None:
        live = name.isdigit() or name.startswith('/dev/')
        self._capture = cv2.VideoCapture(int(name) if name.isdigit() else name, cv2.CAP_V4L2 if live else cv2.CAP_ANY)
        if not self._capture.isOpened():
            raise DeviceError(
                f"camera '{name}' cannot be opened; "
                + ('is it plugged in, free, and are you in group video?' if live else 'is it a video file?')
            )
        self._pause = 0.0 if live else 1.0 / rate
        self._due = time.monotonic()
        if live:
            self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
            self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
            self._capture.set(cv2.CAP_PROP_FPS, rate)
            # The driver's queue would add its length to the age of every frame.
            self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    def read(self) -> UInt8 | None:
        if self._pause:
            self._due = _pace(self._due, self._pause)
        good, image = self._capture.read()
        return np.asarray(image, np.uint8) if good else None

    def close(self) -> None:
        self._capture.release()


class FolderSource:
    """The images of a folder in the order of their names, at a rate.

    Raises:
        DeviceError: there is none.
    """

    def __init__(self, folder: Path, rate: float) -> None:
        self._files: Iterator[Path] = iter(
            sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
        )
        first = next(self._files, None)
        if first is None:
            raise DeviceError(f"{folder}: no image ({', '.join(SUFFIXES)})")
        self._next: Path | None = first
        self._pause = 1.0 / rate
        self._due = time.monotonic()

    def read(self) -> UInt8 | None:
        path, self._next = self._next, next(self._files, None)
        if path is None:
            return None
        self._due = _pace(self._due, self._pause)
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise DeviceError(f'{path}: not an image')
        return np.asarray(image, np.uint8)

    def close(self) -> None:
        """Nothing is held."""


def open_source(name: str, width: int, height: int, rate: float) -> Source:
    """A source by name: ``0`` or ``/dev/video0``, a video file, or a folder of images.

    Raises:
        DeviceError: it cannot be opened.
    """
    path = Path(name)
    if not name.isdigit() and not name.startswith('/dev/') and not path.exists():
        raise DeviceError(f"camera source '{name}': no such file, folder or device")
    return FolderSource(path, rate) if path.is_dir() else VideoSource(name, width, height, rate)


def fit(image: UInt8, width: int, height: int) -> UInt8:
    """Crop a BGR image about its centre to the aspect, scale to [height, width, 3], and turn to RGB."""
    rows, columns = image.shape[:2]
    scale = min(columns / width, rows / height)
    crop_width, crop_height = round(width * scale), round(height * scale)
    x, y = (columns - crop_width) // 2, (rows - crop_height) // 2
    cropped = image[y : y + crop_height, x : x + crop_width]
    if cropped.shape[:2] != (height, width):
        shrinks = crop_width > width
        cropped = cv2.resize(
            cropped, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        )
    return np.asarray(cv2.cvtColor(cropped, cv2.COLOR_BGR2RGB), np.uint8)


class Camera:
    """Reads a source in a thread of its own, stamps each frame as it arrives, and reopens what is lost.

    Args:
        opener: opens the source; called again after each loss.
        size: (width, height) of the frames handed over.
        clock: stamps a frame.
        on_frame: called in the camera's thread.
        retry: [s] between attempts to reopen.
    """

    def __init__(
        self,
        opener: Callable[[], Source],
        size: tuple[int, int],
        clock: Callable[[], Any],
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
        self.losses = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when the thread has ended."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                source = self._opener()
            except DeviceError as error:
                self.problem = str(error)
                self._stop.wait(self._retry)
                continue
            try:
                self._stream(source)
            except (DeviceError, cv2.error) as error:
                self.problem = str(error)
            finally:
                source.close()
            if not self._stop.is_set():
                self.losses += 1
                self._stop.wait(self._retry)

    def _stream(self, source: Source) -> None:
        while not self._stop.is_set():
            image = source.read()
            stamp = self._clock()
            if image is None:
                self.problem = 'the source has ended or was unplugged'
                return
            self.problem = ''
            self._on_frame(Frame(fit(image, *self._size), stamp))


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
    d: tuple[float, ...]
    model: str = 'plumb_bob'

    def scaled(self, width: int, height: int) -> Calibration:
        """For images cropped and scaled by :func:`fit`."""
        scale = min(self.width / width, self.height / height)
        fx, _, cx, _, fy, cy, *_ = self.k
        left = (self.width - width * scale) / 2
        top = (self.height - height * scale) / 2
        k = (fx / scale, 0.0, (cx - left) / scale, 0.0, fy / scale, (cy - top) / scale, 0.0, 0.0, 1.0)
        return Calibration(width, height, k, self.d, self.model)


def read_calibration(path: Path | str) -> Calibration:
    """Read a ``camera_info`` YAML file (camera_calibration, image_pipeline).

    Raises:
        DeviceError: naming the file and what is missing.
    """
    text = _read(Path(path))
    try:
        data = yaml.safe_load(text)
        matrix = tuple(float(v) for v in data['camera_matrix']['data'])
        distortion = tuple(float(v) for v in data['distortion_coefficients']['data'])
        model = str(data.get('distortion_model', 'plumb_bob'))
        found = Calibration(int(data['image_width']), int(data['image_height']), matrix, distortion, model)
    except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise DeviceError(f'{path}: not a camera_info file: {error!r}') from error
    if len(found.k) != 9 or found.k[0] <= 0:
        raise DeviceError(f'{path}: camera_matrix.data must be 9 numbers with a positive focal length')
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8')
    except OSError as error:
        raise DeviceError(f'{path}: {error.strerror}') from error


def _pace(due: float, period: float) -> float:
    """Wait until ``due``; returns the next due time, without catching up on what was missed."""
    now = time.monotonic()
    if due > now:
        time.sleep(due - now)
    return max(due, now - period) + period
