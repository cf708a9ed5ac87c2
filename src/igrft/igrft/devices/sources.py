# SPDX-License-Identifier: Apache-2.0
"""Where a camera's frames come from, over OpenCV: V4L2, GStreamer, a video file, a folder of images."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from igrft.devices.device import DeviceError
from igrft.perception.encodings import SUFFIXES, image_files
from igrft.types import UInt8

GSTREAMER = 'gstreamer:'
"""Before a pipeline that ends in ``appsink``."""
OLDEST = 2.0
"""[s] age of a driver's stamp beyond which it is of another clock."""
V4L2_MANUAL, V4L2_AUTO = 1.0, 3.0
"""Of V4L2's auto_exposure: manual mode and aperture priority."""


@dataclass(frozen=True, slots=True)
class Shot:
    """image: [H, W, 3] uint8 BGR; age: [s] that have passed since it was taken."""

    image: UInt8
    age: float


class Source(Protocol):
    """Where frames come from."""

    refused: tuple[str, ...]
    """Settings that the device did not take, in words."""

    def read(self) -> Shot | None:
        """The next frame, waiting for it; None when the source is at its end or gone."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class CaptureConfig:
    """What a live camera is asked for. Whatever is locked stays the same from episode to episode.

    Attributes:
        width, height: [px] of capture; 0 leaves the driver's.
        rate: [Hz]
        pixel_format: four letters, e.g. MJPG or YUYV; empty leaves the driver's.
        exposure: [s] locked exposure time; 0 leaves it automatic.
        gain: locked, in the driver's unit; negative leaves it.
        white_balance: [K] locked colour temperature; 0 leaves it automatic.
        focus: locked, in the driver's unit; negative leaves it automatic.
    """

    width: int = 0
    height: int = 0
    rate: float = 30.0
    pixel_format: str = ''
    exposure: float = 0.0
    gain: float = -1.0
    white_balance: float = 0.0
    focus: float = -1.0

    def __post_init__(self) -> None:
        if self.pixel_format and len(self.pixel_format) != 4:
            raise ValueError(f"pixel_format '{self.pixel_format}' must have four letters, e.g. MJPG or YUYV")

    def settings(self) -> Iterator[tuple[str, int, float]]:
        """Name, OpenCV property and value, in the order in which a driver takes them."""
        if self.pixel_format:
            yield 'pixel_format', cv2.CAP_PROP_FOURCC, float(cv2.VideoWriter.fourcc(*self.pixel_format))
        if self.width and self.height:
            yield 'width', cv2.CAP_PROP_FRAME_WIDTH, self.width
            yield 'height', cv2.CAP_PROP_FRAME_HEIGHT, self.height
        yield 'rate', cv2.CAP_PROP_FPS, self.rate
        # An automatic mode must be off before its value is taken.
        yield 'auto exposure', cv2.CAP_PROP_AUTO_EXPOSURE, V4L2_MANUAL if self.exposure else V4L2_AUTO
        if self.exposure:
            yield 'exposure', cv2.CAP_PROP_EXPOSURE, round(self.exposure * 1e4)  # V4L2 counts 100 us
        if self.gain >= 0:
            yield 'gain', cv2.CAP_PROP_GAIN, self.gain
        yield 'auto white balance', cv2.CAP_PROP_AUTO_WB, 0.0 if self.white_balance else 1.0
        if self.white_balance:
            yield 'white balance', cv2.CAP_PROP_WB_TEMPERATURE, self.white_balance
        if self.focus >= 0:
            yield 'autofocus', cv2.CAP_PROP_AUTOFOCUS, 0.0
            yield 'focus', cv2.CAP_PROP_FOCUS, self.focus


class LiveSource:
    """A camera that OpenCV has open: applies the settings, reads them back, and dates every frame.

    Args:
        capture: an opened ``cv2.VideoCapture``.
        config: what is asked of it; None takes it as it is (a pipeline's own caps rule).
        now: the clock of V4L2's stamps (CLOCK_MONOTONIC).
    """

    def __init__(self, capture: Any, config: CaptureConfig | None, now: Callable[[], float] = time.monotonic) -> None:
        self._capture = capture
        self._now = now
        self.refused: tuple[str, ...] = ()
        if config is not None:
            # The driver's queue would add its length to the age of every frame.
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
            self.refused = tuple(_apply(capture, config))

    def read(self) -> Shot | None:
        if not self._capture.grab():
            return None
        # The driver's own stamp of the exposure, where it gives one; dequeued now otherwise.
        grabbed = self._now()
        taken = self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e-3
        waited = grabbed - taken
        good, image = self._capture.retrieve()
        if not good:
            return None
        return Shot(np.asarray(image, np.uint8), self._now() - (taken if 0.0 <= waited <= OLDEST else grabbed))

    def close(self) -> None:
        self._capture.release()


class VideoSource:
    """A video file, played at a rate."""

    refused: tuple[str, ...] = ()

    def __init__(self, capture: Any, rate: float) -> None:
        self._capture = capture
        self._period = 1.0 / rate
        self._due = time.monotonic()

    def read(self) -> Shot | None:
        self._due = _pace(self._due, self._period)
        good, image = self._capture.read()
        return Shot(np.asarray(image, np.uint8), 0.0) if good else None

    def close(self) -> None:
        self._capture.release()


class FolderSource:
    """The images of a folder in the order of their names, at a rate.

    Raises:
        DeviceError: there is none.
    """

    refused: tuple[str, ...] = ()

    def __init__(self, folder: Path, rate: float) -> None:
        self._files: Iterator[Path] = iter(image_files(folder))
        first = next(self._files, None)
        if first is None:
            raise DeviceError(f'{folder}: no image ({", ".join(SUFFIXES)})')
        self._next: Path | None = first
        self._period = 1.0 / rate
        self._due = time.monotonic()

    def read(self) -> Shot | None:
        path, self._next = self._next, next(self._files, None)
        if path is None:
            return None
        self._due = _pace(self._due, self._period)
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise DeviceError(f'{path}: not an image')
        return Shot(np.asarray(image, np.uint8), 0.0)

    def close(self) -> None:
        """Nothing is held."""


def open_source(name: str, config: CaptureConfig) -> Source:
    """A source by name.

    Args:
        name: ``0`` or ``/dev/video0`` (V4L2), ``gstreamer:<pipeline> ! appsink``, a video file, or a folder of images.
        config: what a V4L2 camera is asked for; the rate holds for files, too.

    Raises:
        DeviceError: it cannot be opened; the text says what to do.
    """
    if name.startswith(GSTREAMER):
        return LiveSource(_gstreamer(name.removeprefix(GSTREAMER).strip()), None)
    live = name.isdigit() or name.startswith('/dev/')
    path = Path(name).expanduser()
    if not live and not path.exists():
        raise DeviceError(f"camera source '{name}': no such file, folder or device")
    if path.is_dir():
        return FolderSource(path, config.rate)
    capture = (
        cv2.VideoCapture(int(name), cv2.CAP_V4L2)
        if name.isdigit()
        else cv2.VideoCapture(str(path), cv2.CAP_V4L2 if live else cv2.CAP_ANY)
    )
    if not capture.isOpened():
        hint = 'is it plugged in, free, and are you in group video?' if live else 'is it a video file?'
        raise DeviceError(f"camera '{name}' cannot be opened; {hint}")
    return LiveSource(capture, config) if live else VideoSource(capture, config.rate)


def _gstreamer(pipeline: str) -> Any:
    if 'appsink' not in pipeline:
        raise DeviceError(
            f"GStreamer pipeline '{pipeline}' must end in '! videoconvert ! video/x-raw,format=BGR ! appsink'"
        )
    if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        raise DeviceError(
            f'this OpenCV ({cv2.__version__}) is built without GStreamer, as the one from PyPI is: use the one of your '
            'distribution (apt install python3-opencv), or open the camera as /dev/video…'
        )
    capture = cv2.VideoCapture(pipeline, cv2.CAP_GSTREAMER)
    if not capture.isOpened():
        raise DeviceError(f"GStreamer pipeline '{pipeline}' does not start; try it with gst-launch-1.0")
    return capture


def _apply(capture: Any, config: CaptureConfig) -> Iterator[str]:
    """Set everything; yields what the driver did not take."""
    settings = list(config.settings())
    # All are set before any is read: a driver takes width and height together.
    answers = [capture.set(number, value) for _, number, value in settings]
    for accepted, (name, number, value) in zip(answers, settings, strict=True):
        found = capture.get(number)
        asked_for = not name.startswith('auto') or value in (V4L2_MANUAL, 0.0)
        if asked_for and not (accepted and abs(found - value) <= max(0.5, 0.02 * abs(value))):
            shown = (config.pixel_format, _letters(found)) if name == 'pixel_format' else (f'{value:g}', f'{found:g}')
            yield f'{name}: asked for {shown[0]}, has {shown[1]}'


def _letters(fourcc: float) -> str:
    return int(fourcc).to_bytes(4, 'little', signed=int(fourcc) < 0).decode('ascii', 'replace')


def _pace(due: float, period: float) -> float:
    """Wait until ``due``; returns the next due time, without catching up on what was missed."""
    now = time.monotonic()
    if due > now:
        time.sleep(due - now)
    return max(due, now - period) + period
