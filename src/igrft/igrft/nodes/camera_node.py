# SPDX-License-Identifier: Apache-2.0
"""One camera of the robot: publishes `camera/<name>/image_raw` and `camera_info`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, Image

from igrft.config import ConfigError, RobotConfig, named, nearest
from igrft.devices.camera import Calibration, Camera, Frame, open_source, read_calibration
from igrft.ros import messages, qos
from igrft.ros.diagnostics import Diagnostics, Rate, Status
from igrft.ros.lifecycle import Lifecycle, autostart_parameter
from igrft.ros.parameters import Common, declare, parameter
from igrft.ros.runtime import spin


@dataclass(frozen=True)
class Parameters(Common):
    camera: str = parameter('front', "name of one of the robot's cameras")
    source: str = parameter('0', 'V4L2 index or device, video file, or folder of images')
    calibration: str = parameter('', 'camera_info YAML file; empty publishes an uncalibrated camera_info')
    frame_id: str = parameter('', 'frame of the images; empty is <camera>_optical')
    retry: float = parameter(1.0, 'between attempts to reopen a lost camera', unit='s', minimum=0.1, maximum=60.0)
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
        size = (self.config.width, self.config.height)
        source, rate = self.parameters.source, self.config.rate
        self._camera = Camera(
            lambda: open_source(source, *size, rate), size, self._stamp, self._publish, self.parameters.retry
        )
        self._camera.start()

    def deactivate(self) -> None:
        """Stop reading; returns when the thread has ended."""
        if self._camera is not None:
            self._camera.stop()
            self._camera = None

    def _stamp(self) -> Time:
        return self.get_clock().now().to_msg()

    def _publish(self, frame: Frame) -> None:
        """In the camera's thread."""
        self._image.publish(messages.image_msg(frame.image, frame.stamp, self._frame_id))
        self._info.header.stamp = frame.stamp
        self._camera_info.publish(self._info)
        self._frames.tick()

    def _status(self) -> Status:
        camera = self._camera
        if camera is None:
            return Status('ok', 'inactive')
        values = {**self._frames.report('frame'), 'losses': camera.losses}
        if camera.problem:
            return Status('error', camera.problem, values)
        if self._frames.age() > 2.0 / self.config.rate + 1.0:
            return Status('error', f'no frame for {self._frames.age():.1f} s', values)
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
