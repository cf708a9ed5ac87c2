# SPDX-License-Identifier: Apache-2.0
"""Checks of what is plugged in: GPU, cameras, SpaceMouse, and whether this user may use it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

from igrft.doctor.findings import Finding, error, ok, skipped, warn

SPACEMOUSE_VENDORS = ('0000046D', '0000256F')
"""Of Logitech and 3Dconnexion, as the kernel writes HID ids; Logitech's only with a SpaceMouse's name."""
SPACEMOUSE_NAMES = ('space', '3dconnexion')


def check_gpu(dev: Path = Path('/dev'), torch_version: str | None = None) -> Iterator[Finding]:
    """A GPU that is there is used."""
    try:
        version = metadata.version('torch') if torch_version is None else torch_version
    except metadata.PackageNotFoundError:
        yield error('gpu', 'torch', 'it is not installed', "pip install './src/igrft[train]'")
        return
    cards = sorted(path.name for path in dev.glob('nvidia[0-9]*')) + (['kfd'] if (dev / 'kfd').exists() else [])
    if not cards:
        yield ok('gpu', 'torch', f'{version}; no GPU, policy and training run on the CPU')
    elif version.endswith('+cpu'):
        yield warn(
            'gpu',
            ', '.join(cards),
            f'there, but torch {version} cannot use it',
            'install torch for your CUDA or ROCm: https://pytorch.org',
        )
    elif any(not os.access(dev / card, os.R_OK | os.W_OK) for card in cards):
        yield error(
            'gpu', ', '.join(cards), 'no permission to use it', 'sudo usermod -aG video,render $USER, then log in again'
        )
    else:
        yield ok('gpu', ', '.join(cards), f'torch {version}')


def check_devices(
    dev: Path = Path('/dev'), sys_folder: Path = Path('/sys'), may: Callable[[Path], bool] | None = None
) -> Iterator[Finding]:
    """Cameras and SpaceMouse may be opened by this user."""
    may = may or (lambda path: os.access(path, os.R_OK | os.W_OK))
    videos = sorted(dev.glob('video[0-9]*'))
    closed = [path.name for path in videos if not may(path)]
    if not videos:
        yield skipped('devices', 'cameras', f'no {dev}/video*: none is plugged in (or none passed into this container)')
    elif closed:
        yield error('devices', ', '.join(closed), 'no permission', 'sudo usermod -aG video $USER, then log in again')
    else:
        yield ok('devices', ', '.join(path.name for path in videos), 'may be opened')
    mice = [
        dev / path.parent.parent.name
        for path in sorted(sys_folder.glob('class/hidraw/*/device/uevent'))
        if _is_spacemouse(path)
    ]
    if not mice:
        yield skipped('devices', 'SpaceMouse', 'none is plugged in (or none passed into this container)')
    for path in mice:
        if may(path):
            yield ok('devices', path.name, 'a SpaceMouse that may be opened')
        else:
            yield error(
                'devices', path.name, 'a SpaceMouse without permission',
                'sudo cp config/udev/70-igrft-spacemouse.rules /etc/udev/rules.d/ && sudo udevadm control --reload && '
                'sudo udevadm trigger, then replug it (docs/devices.md)',
            )  # fmt: skip


def _is_spacemouse(uevent: Path) -> bool:
    fields = dict(line.split('=', 1) for line in uevent.read_text().splitlines() if '=' in line)
    vendor = fields.get('HID_ID', '::').split(':')[1]
    name = fields.get('HID_NAME', '').lower()
    return vendor == SPACEMOUSE_VENDORS[1] or (
        vendor == SPACEMOUSE_VENDORS[0] and any(n in name for n in SPACEMOUSE_NAMES)
    )
