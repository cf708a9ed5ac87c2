# SPDX-License-Identifier: Apache-2.0
"""Input devices and cameras, without ROS."""

from __future__ import annotations

from igrft.config import nearest
from igrft.devices.device import Device, DeviceError
from igrft.devices.mapping import TeleopConfig

DEVICES = ('spacemouse', 'joy', 'keyboard', 'fake_spacemouse')
SOCKET = '.sock'
"""how a fake SpaceMouse's path ends that is no recording"""


def open_device(config: TeleopConfig) -> Device:
    """The device that ``config`` names.

    Raises:
        DeviceError: unknown, or it cannot be used here. (A SpaceMouse that is not plugged in yet is no error.)
    """
    if config.device == 'spacemouse':
        from igrft.devices.spacemouse import SpaceMouse, open_hidraw

        return SpaceMouse(lambda: open_hidraw(config.path, config.model), silence=config.silence)
    if config.device == 'fake_spacemouse':
        return _fake(config)
    if config.device == 'joy':
        from igrft.devices.joy import Joy

        return Joy(config.timeout, config.daemon)
    if config.device == 'keyboard':
        from igrft.devices.keyboard import Keyboard

        return Keyboard()
    raise DeviceError(f"unknown device '{config.device}'; {nearest(config.device, DEVICES)}")


def _fake(config: TeleopConfig) -> Device:
    """A recording, or another process at a socket (which need not be there yet)."""
    from igrft.devices.fake_hid import SocketReports
    from igrft.devices.fake_spacemouse import FakeSpaceMouse, read_recording
    from igrft.devices.spacemouse import SpaceMouse

    if config.path.endswith(SOCKET):
        model = config.model or 'SpaceMouseCompact'
        return SpaceMouse(lambda: SocketReports(config.path, model), retry=0.1, silence=config.silence)
    return SpaceMouse(FakeSpaceMouse(read_recording(config.path), loop=True).open, retry=0.1, silence=config.silence)
