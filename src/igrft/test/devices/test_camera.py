# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest

from igrft.devices.camera import Camera, Frame, fit
from igrft.devices.device import DeviceError
from igrft.devices.sources import CaptureConfig, LiveSource, Shot, open_source

PATIENCE = 10.0
BLUE = np.full((4, 4, 3), (255, 0, 0), np.uint8)


FAST = CaptureConfig(rate=1000.0)


def test_fit_crops_to_the_aspect_and_scales() -> None:
    image = np.zeros((4, 8, 3), np.uint8)
    image[:, 2:6] = (255, 0, 0)
    out = fit(image, 2, 2)
    assert out.shape == (2, 2, 3)
    assert (out == (255, 0, 0)).all(), 'the middle square alone'


def test_a_folder_is_read_in_order_and_ends(tmp_path) -> None:
    for value in (3, 1, 2):
        cv2.imwrite(str(tmp_path / f'{value}.png'), np.full((4, 4, 3), value, np.uint8))
    source = open_source(str(tmp_path), FAST)
    assert [source.read().image[0, 0, 0] for _ in range(3)] == [1, 2, 3]
    assert source.read() is None


def test_a_video_file_is_read(tmp_path) -> None:
    path = tmp_path / 'v.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, (16, 16))
    for value in (0, 200):
        writer.write(np.full((16, 16, 3), value, np.uint8))
    writer.release()
    source = open_source(str(path), FAST)
    assert [int(source.read().image.mean()) for _ in range(2)] == [pytest.approx(0, abs=8), pytest.approx(200, abs=8)]
    assert source.read() is None
    source.close()


@pytest.mark.parametrize('name', ['/nowhere/at/all', '/dev/video97', '97'])
def test_a_missing_camera_is_named(name: str) -> None:
    with pytest.raises(DeviceError, match=name):
        open_source(name, FAST)


@pytest.mark.parametrize('lost', [DeviceError('not yet'), PermissionError(13, 'not yours')])
def test_a_lost_camera_is_opened_again(lost: Exception) -> None:
    opened = []
    frames: list[Frame] = []
    enough = threading.Event()

    class Flaky:
        refused = ('gain: asked for 3, has 1',)

        def __init__(self) -> None:
            self.left = 2

        def read(self):
            self.left -= 1
            return Shot(BLUE, 0.25) if self.left >= 0 else None

        def close(self) -> None:
            opened.append('closed')

    def opener() -> Flaky:
        opened.append('opened')
        if len(opened) == 3:
            raise lost
        return Flaky()

    def on_frame(frame: Frame) -> None:
        frames.append(frame)
        if len(frames) >= 5:
            enough.set()

    ticks = iter(range(10**6))
    camera = Camera(opener, (2, 2), lambda age: next(ticks) - age, on_frame, retry=0.001)
    camera.start()
    assert enough.wait(PATIENCE)
    camera.stop()
    assert opened[:5] == ['opened', 'closed', 'opened', 'opened', 'closed']
    stamps = [frame.stamp for frame in frames]
    assert stamps == sorted(stamps)
    assert stamps[0] == -0.25, 'a frame is dated by its acquisition'
    assert frames[0].image.shape == (2, 2, 3)
    assert (frames[0].image == (0, 0, 255)).all(), 'BGR became RGB'
    assert camera.refused == Flaky.refused
    assert camera.losses >= 2


def test_a_camera_that_does_not_answer_does_not_hold_up_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('igrft.devices.camera.STOP_TIMEOUT', 0.01)
    reading, answers = threading.Event(), threading.Event()
    frames: list[Frame] = []

    class Stuck:
        refused = ()

        def read(self):
            reading.set()
            assert answers.wait(PATIENCE)
            return Shot(BLUE, 0.0)

        def close(self) -> None:
            pass

    camera = Camera(Stuck, (2, 2), lambda age: age, frames.append)
    camera.start()
    assert reading.wait(PATIENCE)
    with pytest.raises(DeviceError, match='has not answered'):
        camera.stop()
    answers.set()
    camera.stop()
    assert frames == [], 'nothing is handed over after the stop'


class FakeCapture:
    """Plays OpenCV's V4L2 back end, whose driver has its own mind: it takes what it knows, and stamps its buffers."""

    def __init__(self, stamp: float, limits: dict[int, tuple[float, float]] | None = None) -> None:
        self.stamp = stamp
        self.limits = limits or {}
        self.properties: dict[int, float] = {}
        self.order: list[int] = []

    def set(self, number: int, value: float) -> bool:
        self.order.append(number)
        if number == cv2.CAP_PROP_FRAME_WIDTH:
            self.width = value  # it takes effect with the height
            return True
        if number == cv2.CAP_PROP_FRAME_HEIGHT:
            self.properties[cv2.CAP_PROP_FRAME_WIDTH] = self.width
        low, high = self.limits.get(number, (-np.inf, np.inf))
        self.properties[number] = min(max(value, low), high)
        return low != high

    def get(self, number: int) -> float:
        return self.stamp * 1e3 if number == cv2.CAP_PROP_POS_MSEC else self.properties.get(number, 0.0)

    def grab(self) -> bool:
        return True

    def retrieve(self):
        return True, np.zeros((2, 2, 3), np.uint8)

    def release(self) -> None:
        """Nothing is held."""


@pytest.mark.parametrize(
    ('driver', 'age'), [(99.97, 0.03), (0.0, 0.0), (1.7e9, 0.0)], ids=['monotonic stamp', 'no stamp', 'another clock']
)
def test_a_frame_is_as_old_as_its_driver_says(driver: float, age: float) -> None:
    """What the driver stamped counts, where it is a stamp of this clock; the moment of dequeuing otherwise."""
    source = LiveSource(FakeCapture(driver), None, now=lambda: 100.0)
    assert source.read().age == pytest.approx(age)


def test_exposure_and_white_balance_are_locked_and_read_back() -> None:
    config = CaptureConfig(
        width=640, height=480, pixel_format='MJPG', exposure=0.02, white_balance=4600, gain=9, focus=30
    )
    capture = FakeCapture(0.0)
    assert LiveSource(capture, config).refused == ()
    found = capture.properties
    assert (found[cv2.CAP_PROP_AUTO_EXPOSURE], found[cv2.CAP_PROP_EXPOSURE]) == (1, 200), 'manual, 200 times 100 us'
    assert (found[cv2.CAP_PROP_AUTO_WB], found[cv2.CAP_PROP_WB_TEMPERATURE]) == (0, 4600)
    assert found[cv2.CAP_PROP_AUTOFOCUS] == 0
    for automatic, value in (
        (cv2.CAP_PROP_AUTO_EXPOSURE, cv2.CAP_PROP_EXPOSURE),
        (cv2.CAP_PROP_AUTO_WB, cv2.CAP_PROP_WB_TEMPERATURE),
    ):
        assert capture.order.index(automatic) < capture.order.index(value)
    stubborn = FakeCapture(0.0, {cv2.CAP_PROP_EXPOSURE: (0, 100), cv2.CAP_PROP_WB_TEMPERATURE: (0, 0)})
    refused = LiveSource(stubborn, config).refused
    assert refused == ('exposure: asked for 200, has 100', 'white balance: asked for 4600, has 0')


def test_without_locks_everything_stays_automatic() -> None:
    capture = FakeCapture(0.0)
    assert LiveSource(capture, CaptureConfig()).refused == ()
    assert (capture.properties[cv2.CAP_PROP_AUTO_EXPOSURE], capture.properties[cv2.CAP_PROP_AUTO_WB]) == (3, 1)
    assert cv2.CAP_PROP_EXPOSURE not in capture.properties
    with pytest.raises(ValueError, match='four letters'):
        CaptureConfig(pixel_format='MJPEG')


def test_gstreamer_needs_an_appsink_and_an_opencv_that_has_it() -> None:
    with pytest.raises(DeviceError, match='appsink'):
        open_source('gstreamer: videotestsrc ! fakesink', FAST)
    pipeline = 'gstreamer: videotestsrc num-buffers=2 ! video/x-raw,format=BGR,width=32,height=32 ! appsink'
    if 'GStreamer:                   YES' not in cv2.getBuildInformation():
        with pytest.raises(DeviceError, match=r'built without GStreamer.*apt install python3-opencv'):
            open_source(pipeline, FAST)
        return
    source = open_source(pipeline, FAST)
    assert source.read().image.shape == (32, 32, 3)
    source.close()
