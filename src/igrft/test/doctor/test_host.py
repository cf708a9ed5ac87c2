# SPDX-License-Identifier: Apache-2.0
"""The machine's checks, on real files, sockets and limits where that is possible."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from igrft.doctor import devices, host
from igrft.doctor.findings import Finding, Level


def levels(findings) -> list[Level]:
    return [finding.level for finding in findings]


def test_a_disk_with_space(tmp_path: Path) -> None:
    found = list(host.check_disk(tmp_path / 'not' / 'yet', 1.0, 0.0))
    assert levels(found) == [Level.OK, Level.OK]
    assert list(tmp_path.iterdir()) == [], 'nothing is left behind'


def test_a_full_disk(tmp_path: Path) -> None:
    full = lambda path: (100 * host.GIBI, 99 * host.GIBI, host.GIBI // 1000)  # noqa: E731
    space, speed = host.check_disk(tmp_path, 1e6, 5.0, usage=full)
    assert space.level is Level.ERROR and 'at least 5 GiB' in space.text and 'delete old episodes' in space.remedy
    assert speed.level is Level.SKIPPED


def test_a_quota_that_is_used_up(tmp_path: Path) -> None:
    """A real limit of the kernel on a real process: files may grow to 1 MiB."""
    script = (
        'import resource, signal, json, sys; from pathlib import Path; from igrft.doctor import host\n'
        'signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))\n'
        'print(json.dumps([[f.level.value, f.text, f.remedy] for f in host.check_disk(Path(sys.argv[1]), 1.0, 0.0)]))'
    )
    done = subprocess.run([sys.executable, '-c', script, str(tmp_path)], capture_output=True, text=True, check=True)
    _, (level, text, remedy) = json.loads(done.stdout)
    assert level == 'error' and 'File too large' in text and 'quota' in remedy
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_too_slow(tmp_path: Path) -> None:
    found = list(host.check_disk(tmp_path, 1e15, 0.0))
    assert found[1].level is Level.ERROR and 'local SSD' in found[1].remedy


def test_a_clock_that_steps() -> None:
    wall, steady = iter([100.0, 100.0, 105.5]), iter([1.0, 1.0, 6.0])
    with host.ClockWatch(lambda: next(wall), lambda: next(steady)) as watch:
        pass
    assert watch.step == pytest.approx(0.5)
    assert levels(host.check_clock(watch.step, True)) == [Level.ERROR, Level.OK]
    assert levels(host.check_clock(0.001, False)) == [Level.OK, Level.WARN]
    assert levels(host.check_clock(0.001, None)) == [Level.OK, Level.SKIPPED]


def test_the_kernel_tells_whether_it_is_synchronised() -> None:
    assert host.clock_synchronised() in (True, False, None)


def test_a_gpu_that_torch_cannot_use(tmp_path: Path) -> None:
    assert levels(devices.check_gpu(tmp_path, '2.13.0+cpu')) == [Level.OK]
    (tmp_path / 'nvidia0').touch()
    (found,) = devices.check_gpu(tmp_path, '2.13.0+cpu')
    assert found.level is Level.WARN and 'pytorch.org' in found.remedy
    assert levels(devices.check_gpu(tmp_path, '2.13.0+cu130')) == [Level.OK]


def hid(root: Path, number: int, identity: str, name: str) -> None:
    folder = root / f'class/hidraw/hidraw{number}/device'
    folder.mkdir(parents=True)
    (folder / 'uevent').write_text(f'DRIVER=hid-generic\nHID_ID={identity}\nHID_NAME={name}\n')


def test_devices_that_may_not_be_opened(tmp_path: Path) -> None:
    dev = tmp_path / 'dev'
    dev.mkdir()
    assert levels(devices.check_devices(dev, tmp_path)) == [Level.SKIPPED, Level.SKIPPED]
    (dev / 'video0').touch()
    hid(tmp_path, 3, '0003:0000256F:0000C635', '3Dconnexion SpaceMouse Compact')
    hid(tmp_path, 4, '0003:0000046D:0000C52B', 'Logitech USB Receiver')
    hid(tmp_path, 5, '0003:0000046D:0000C626', '3Dconnexion Space Navigator')
    assert levels(devices.check_devices(dev, tmp_path, may=lambda path: True)) == [Level.OK] * 3
    found = list(devices.check_devices(dev, tmp_path, may=lambda path: False))
    assert [f.subject for f in found] == ['video0', 'hidraw3', 'hidraw5']
    assert all(f.level is Level.ERROR for f in found)
    assert 'usermod -aG video' in found[0].remedy and 'udev' in found[1].remedy


def test_a_port_that_is_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        port = taken.getsockname()[1]
        (found,) = host.check_port(port)
        assert found.level is Level.ERROR and f'pid {os.getpid()}' in found.text
        assert f'console_port:={port + 1}' in found.remedy
    assert levels(host.check_port(port)) == [Level.OK]


def of(findings, subject: str) -> Finding:
    return next(finding for finding in findings if finding.subject == subject)


def test_the_environment(tmp_path: Path) -> None:
    found = list(host.check_environment({'RMW_IMPLEMENTATION': 'rmw_fastrtps_cpp', 'ROS_DISTRO': 'jazzy'}))
    assert of(found, 'Python').level is Level.OK
    assert 'jazzy' in of(found, 'ROS').text
    assert of(found, 'middleware').level is Level.WARN
    profiles = {'FASTRTPS_DEFAULT_PROFILES_FILE': str(tmp_path / 'p.xml')}
    assert of(host.check_environment(profiles), 'middleware').level is Level.ERROR
    (tmp_path / 'p.xml').touch()
    assert of(host.check_environment(profiles), 'middleware').level is Level.OK
    assert of(host.check_environment({'RMW_IMPLEMENTATION': 'rmw_zenoh_cpp'}), 'middleware').level is Level.OK
