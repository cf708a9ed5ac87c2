# SPDX-License-Identifier: Apache-2.0
"""Input devices and cameras, without ROS."""

from __future__ import annotations

from igrft.config import nearest
from igrft.devices.device import Device, DeviceError
from igrft.devices.mapping import TeleopConfig

DEVICES = ('spacemouse', 'joy', 'keyboard', 'fake_spacemouse')


def open_device(config: TeleopConfig) -> Device:
    """The device that ``config`` names.

    Raises:
        DeviceError: unknown, or it cannot be used here. (A SpaceMouse that is not plugged in yet is no error.)
    """
    if config.device == 'spacemouse':
        from igrft.devices.spacemouse import SpaceMouse, open_hidraw

        return SpaceMouse(lambda: open_hidraw(config.path, config.model))
    if config.device == 'fake_spacemouse':
        from igrft.devices.fake_spacemouse import FakeSpaceMouse, read_recording
        from igrft.devices.spacemouse import SpaceMouse

        return SpaceMouse(FakeSpaceMouse(read_recording(config.path), loop=True).open, retry=0.1)
    if config.device == 'joy':
        from igrft.devices.joy import Joy

        return Joy(config.timeout)
    if config.device == 'keyboard':
        from igrft.devices.keyboard import Keyboard

        return Keyboard()
    raise DeviceError(f"unknown device '{config.device}'; {nearest(config.device, DEVICES)}")
