# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest

from igrft.devices.camera import Camera, Frame, fit, open_source, read_calibration
from igrft.devices.device import DeviceError

PATIENCE = 10.0


def test_fit_crops_to_the_aspect_scales_and_turns_to_rgb() -> None:
    image = np.zeros((4, 8, 3), np.uint8)
    image[:, 2:6] = (255, 0, 0)  # blue, in BGR
    out = fit(image, 2, 2)
    assert out.shape == (2, 2, 3)
    assert (out == (0, 0, 255)).all(), 'the middle square alone'


def test_a_folder_is_read_in_order_and_ends(tmp_path) -> None:
    for value in (3, 1, 2):
        cv2.imwrite(str(tmp_path / f'{value}.png'), np.full((4, 4, 3), value, np.uint8))
    source = open_source(str(tmp_path), 4, 4, 1000.0)
    assert [source.read()[0, 0, 0] for _ in range(3)] == [1, 2, 3]
    assert source.read() is None


def test_a_video_file_is_read(tmp_path) -> None:
    path = tmp_path / 'v.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, (16, 16))
    for value in (0, 200):
        writer.write(np.full((16, 16, 3), value, np.uint8))
    writer.release()
    source = open_source(str(path), 16, 16, 1000.0)
    assert [int(source.read().mean()) for _ in range(2)] == [pytest.approx(0, abs=8), pytest.approx(200, abs=8)]
    assert source.read() is None
    source.close()


@pytest.mark.parametrize('name', ['/nowhere/at/all', '/dev/video97', '97'])
def test_a_missing_camera_is_named(name: str) -> None:
    with pytest.raises(DeviceError, match=name):
        open_source(name, 4, 4, 10.0)


def test_a_lost_camera_is_opened_again() -> None:
    opened = []
    frames: list[Frame] = []
    enough = threading.Event()

    class Flaky:
        def __init__(self) -> None:
            self.left = 2

        def read(self):
            self.left -= 1
            return np.zeros((4, 4, 3), np.uint8) if self.left >= 0 else None

        def close(self) -> None:
            opened.append('closed')

    def opener() -> Flaky:
        opened.append('opened')
        if len(opened) == 3:
            raise DeviceError('not yet')
        return Flaky()

    def on_frame(frame: Frame) -> None:
        frames.append(frame)
        if len(frames) >= 5:
            enough.set()

    ticks = iter(range(10**6))
    camera = Camera(opener, (2, 2), lambda: next(ticks), on_frame, retry=0.001)
    camera.start()
    assert enough.wait(PATIENCE)
    camera.stop()
    assert opened[:5] == ['opened', 'closed', 'opened', 'opened', 'closed']
    stamps = [frame.stamp for frame in frames]
    assert stamps == sorted(stamps)
    assert frames[0].image.shape == (2, 2, 3)
    assert camera.losses >= 2


def test_calibration_follows_crop_and_scale(tmp_path) -> None:
    path = tmp_path / 'c.yaml'
    path.write_text(
        'image_width: 640\nimage_height: 480\ndistortion_model: plumb_bob\n'
        'camera_matrix: {rows: 3, cols: 3, data: [600, 0, 320, 0, 600, 240, 0, 0, 1]}\n'
        'distortion_coefficients: {rows: 1, cols: 5, data: [0.1, 0, 0, 0, 0]}\n'
    )
    scaled = read_calibration(path).scaled(120, 120)
    assert scaled.k == pytest.approx((150, 0, 60, 0, 150, 60, 0, 0, 1))
    path.write_text('image_width: 640\n')
    with pytest.raises(DeviceError, match=r'c\.yaml: not a camera_info file'):
        read_calibration(path)
