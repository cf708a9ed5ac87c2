# SPDX-License-Identifier: Apache-2.0
"""One camera of the robot: publishes `camera/<name>/image_raw` and `camera_info`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.duration import Duration
from sensor_msgs.msg import CameraInfo, Image

from igrft.config import ConfigError, RobotConfig, named, nearest
from igrft.devices.camera import Camera, Frame, fit
from igrft.devices.sources import CaptureConfig, open_source
from igrft.perception.calibration import Calibration, read_calibration
from igrft.ros import messages, qos
from igrft.ros.diagnostics import Diagnostics, Rate, Status
from igrft.ros.images import to_rgb
from igrft.ros.lifecycle import Lifecycle, autostart_parameter
from igrft.ros.parameters import Common, declare, parameter
from igrft.ros.runtime import spin

TOPIC = 'topic:'


@dataclass(frozen=True)
class Parameters(Common):
    camera: str = parameter('front', "name of one of the robot's cameras")
    source: str = parameter(
        '0',
        'V4L2 index or device, gstreamer:<pipeline>, video file, folder of images, or topic:<image topic of a driver>',
    )
    calibration: str = parameter('', 'camera_info YAML file; empty publishes an uncalibrated camera_info')
    frame_id: str = parameter('', 'frame of the images; empty is <camera>_optical')
    retry: float = parameter(1.0, 'between attempts to reopen a lost camera', unit='s', minimum=0.1, maximum=60.0)
    capture_width: int = parameter(
        0, 'of capture, before fitting; 0 is the published one', unit='px', minimum=0, maximum=8192
    )
    capture_height: int = parameter(0, 'of capture; 0 is the published one', unit='px', minimum=0, maximum=8192)
    pixel_format: str = parameter('', 'four letters asked of the device, e.g. MJPG or YUYV; empty leaves it')
    exposure: float = parameter(0.0, 'locked exposure time; 0 is automatic', unit='s', minimum=0.0, maximum=1.0)
    gain: float = parameter(-1.0, "locked gain in the driver's unit; -1 leaves it", minimum=-1.0, maximum=1e6)
    white_balance: float = parameter(
        0.0, 'locked white balance; 0 is automatic', unit='K', minimum=0.0, maximum=20000.0
    )
    focus: float = parameter(-1.0, "locked focus in the driver's unit; -1 is automatic", minimum=-1.0, maximum=1e6)
    autostart: bool = autostart_parameter()


class CameraNode(Lifecycle):
    """Frames are read, stamped and published in the camera's own thread."""

    def __init__(self) -> None:
        super().__init__('camera_node')
        self.parameters = declare(self, Parameters)
        robot = named('robots', self.parameters.robot, RobotConfig)
        cameras = {camera.name: camera for camera in robot.cameras}
        if self.parameters.camera not in cameras:
            hint = nearest(self.parameters.camera, cameras)
            raise ConfigError(f"robot '{robot.name}' has no camera '{self.parameters.camera}'; {hint}")
        self.config = cameras[self.parameters.camera]
        self._frame_id = self.parameters.frame_id or f'{self.config.name}_optical'
        self._camera: Camera | None = None
        self._driver: Any = None
        self._problem = ''
        self._info = CameraInfo()
        self._frames = Rate()
        prefix = f'camera/{self.config.name}'
        self._image = qos.create_publisher(self, Image, f'{prefix}/image_raw', qos.IMAGE)
        self._camera_info = qos.create_publisher(self, CameraInfo, f'{prefix}/camera_info', qos.SENSOR)
        self._diagnostics = Diagnostics(self, self.parameters.source, {self.config.name: self._status})

    def configure(self) -> None:
        """Read the calibration; the camera itself may still be unplugged."""
        path = self.parameters.calibration
        self._info = _camera_info(
            read_calibration(path).scaled(self.config.width, self.config.height) if path else None,
            self.config.width,
            self.config.height,
        )
        self._info.header.frame_id = self._frame_id

    def activate(self) -> None:
        """Begin to read."""
        source = self.parameters.source
        if source.startswith(TOPIC):
            topic = source.removeprefix(TOPIC).strip()
            self._driver = qos.create_subscription(self, Image, topic, self._on_driver, qos.IMAGE)
            return
        size, capture = (self.config.width, self.config.height), self._capture()
        self._camera = Camera(
            lambda: open_source(source, capture), size, self._stamp, self._publish, self.parameters.retry
        )
        self._camera.start()

    def deactivate(self) -> None:
        """Stop reading; returns when the thread has ended."""
        if self._camera is not None:
            self._camera.stop()
            self._camera = None
        if self._driver is not None:
            self.destroy_subscription(self._driver)
            self._driver = None

    def _capture(self) -> CaptureConfig:
        p = self.parameters
        return CaptureConfig(
            width=p.capture_width or self.config.width,
            height=p.capture_height or self.config.height,
            rate=self.config.rate,
            pixel_format=p.pixel_format,
            exposure=p.exposure,
            gain=p.gain,
            white_balance=p.white_balance,
            focus=p.focus,
        )

    def _stamp(self, age: float) -> Time:
        return (self.get_clock().now() - Duration(seconds=age)).to_msg()

    def _on_driver(self, message: Image) -> None:
        """A vendor driver's frame: fitted, and published with the driver's own stamp."""
        try:
            rgb = fit(to_rgb(message, self._driver.topic_name), self.config.width, self.config.height)
        except messages.MessageError as error:
            self._problem = str(error)
            return
        self._problem = ''
        self._publish(Frame(rgb, message.header.stamp))

    def _publish(self, frame: Frame) -> None:
        """In the camera's thread."""
        self._image.publish(messages.image_msg(frame.image, frame.stamp, self._frame_id))
        self._info.header.stamp = frame.stamp
        self._camera_info.publish(self._info)
        self._frames.tick()

    def _status(self) -> Status:
        camera = self._camera
        if camera is None and self._driver is None:
            return Status('ok', 'inactive')
        values = {**self._frames.report('frame'), 'losses': camera.losses if camera else 0}
        problem = camera.problem if camera else self._problem
        if problem:
            return Status('error', problem, values)
        if self._frames.age() > 2.0 / self.config.rate + 1.0:
            return Status('error', f'no frame for {self._frames.age():.1f} s from {self.parameters.source}', values)
        if camera and camera.refused:
            return Status('warn', f'the camera did not take {"; ".join(camera.refused)}', values)
        return Status('ok', 'streaming', values)


def _camera_info(calibration: Calibration | None, width: int, height: int) -> CameraInfo:
    """An all-zero K is ROS's sign of a camera that is not calibrated."""
    info = CameraInfo(width=width, height=height)
    if calibration is not None:
        k = calibration.k
        info.distortion_model, info.d, info.k = calibration.model, list(calibration.d), list(k)
        info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        info.p = [k[0], 0.0, k[2], 0.0, 0.0, k[4], k[5], 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def main(argv: Sequence[str] | None = None) -> int:
    return spin(CameraNode, argv)
