# SPDX-License-Identifier: Apache-2.0
"""The SpaceMouse by recorded report bytes through the real parser."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igrft.devices.device import DeviceError
from igrft.devices.fake_spacemouse import FakeSpaceMouse, read_recording
from igrft.devices.spacemouse import (
    SILENCE,
    HidrawReports,
    ReportParser,
    SpaceMouse,
    device_tables,
    find_hidraw,
)

RECORDING = Path(__file__).parent / 'recordings' / 'compact.txt'


def report(identifier: int, *values: int) -> bytes:
    return bytes([identifier]) + b''.join(v.to_bytes(2, 'little', signed=True) for v in values)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ('values', 'axis', 'sign'),
    [((0, -175, 0), 'x', 1), ((-175, 0, 0), 'y', 1), ((0, 0, -175), 'z', 1), ((0, 175, 0), 'x', -1)],
)
def test_translation_is_forward_left_up(values, axis: str, sign: int) -> None:
    axes = ReportParser('SpaceMouseCompact').feed(report(1, *values)).axes
    assert axes[axis] == pytest.approx(sign * 0.5)
    assert sum(v != 0 for v in axes.values()) == 1


def test_rotation_comes_in_its_own_report_and_keeps_the_translation() -> None:
    parser = ReportParser('SpaceMouseCompact')
    parser.feed(report(1, 0, -350, 0))
    axes = parser.feed(report(2, 0, 0, -350)).axes
    assert (axes['x'], axes['yaw']) == (1.0, 1.0)


def test_one_long_report_carries_both_for_wireless_and_for_newer_firmware() -> None:
    for device in ('SpaceMouseWireless', 'SpaceMouseCompact'):
        axes = ReportParser(device).feed(report(1, 0, -350, 0, 0, 0, -70)).axes
        assert axes['x'] == 1.0
        assert axes['yaw'] == pytest.approx(0.2)


def test_buttons_go_down_and_up() -> None:
    parser = ReportParser('SpaceMouseCompact')
    assert parser.feed(bytes([3, 1])).pressed == {'LEFT'}
    assert parser.feed(bytes([3, 3])).pressed == {'LEFT', 'RIGHT'}
    assert parser.feed(bytes([3, 2])).pressed == {'RIGHT'}
    assert parser.feed(bytes([3, 0])).pressed == set()


@given(st.sampled_from(sorted(device_tables())), st.lists(st.binary(max_size=20), max_size=20))
def test_no_bytes_break_it_or_exceed_full_deflection(device: str, reports) -> None:
    parser = ReportParser(device)
    for data in reports:
        state = parser.feed(data)
        assert all(-1.0 <= v <= 1.0 for v in state.axes.values())


def test_an_unknown_device_names_the_nearest() -> None:
    with pytest.raises(DeviceError, match="did you mean 'SpaceMouseCompact'"):
        ReportParser('SpaceMouseCompakt')


def test_a_recording_with_unplug_and_replug() -> None:
    clock = Clock()
    mouse = SpaceMouse(FakeSpaceMouse(read_recording(RECORDING), clock).open, retry=0.1)
    seen = {}
    for tick in range(60):
        clock.now = round(0.02 * tick, 6)
        seen[clock.now] = mouse.poll(clock.now)
    assert seen[0.1].axes['x'] == pytest.approx(280 / 350)
    assert seen[0.12].axes['z'] == pytest.approx(1.0)
    assert seen[0.14].pressed == {'LEFT'}
    assert seen[0.24].pressed == set()
    assert not any(seen[0.26].axes.values())
    assert seen[0.5].axes['x'] == 1.0
    assert not seen[0.52].connected, 'at once'
    assert not seen[0.88].connected
    assert seen[1.0].connected, 'found again without a restart'
    assert not any(seen[1.0].axes.values()), 'what it was before it went counts no more'


def test_a_tap_between_two_polls_is_a_press() -> None:
    clock = Clock()
    mouse = SpaceMouse(FakeSpaceMouse(read_recording(RECORDING), clock).open)
    mouse.poll(0.0)
    clock.now = 0.23
    assert mouse.poll(0.23).pressed == {'LEFT'}
    assert mouse.poll(0.23).pressed == set()


def test_a_deflected_cap_that_falls_silent_is_taken_to_be_at_rest() -> None:
    clock = Clock()
    mouse = SpaceMouse(FakeSpaceMouse(read_recording(RECORDING), clock).open)
    mouse.poll(0.0)
    clock.now = 0.12
    assert any(mouse.poll(0.12).axes.values())
    assert not any(mouse.poll(0.12 + SILENCE + 0.01).axes.values())


def test_the_device_file_is_read_without_waiting(tmp_path) -> None:
    path = tmp_path / 'hidraw0'
    os.mkfifo(path)
    reports = HidrawReports(path, 'SpaceMouseCompact')
    with path.open('wb', buffering=0) as writer:
        assert reports.read() == b''
        writer.write(report(1, 0, -350, 0))
        assert ReportParser('SpaceMouseCompact').feed(reports.read()).axes['x'] == 1.0
    reports.close()
    with pytest.raises(OSError, match='Bad file'):
        reports.read()


def test_finds_the_device_by_its_usb_id(tmp_path) -> None:
    for number, identity in ((0, '0003:0000046D:0000C52B'), (1, '0003:0000256F:0000C635')):
        folder = tmp_path / f'hidraw{number}' / 'device'
        folder.mkdir(parents=True)
        (folder / 'uevent').write_text(f'DRIVER=hid-generic\nHID_ID={identity}\n')
    assert find_hidraw(tmp_path) == (Path('/dev/hidraw1'), 'SpaceMouseCompact')
    with pytest.raises(DeviceError, match='plugged in'):
        find_hidraw(tmp_path / 'none')


@pytest.mark.parametrize(
    ('text', 'word'),
    [('', 'empty'), ('SpaceMouseCompact\n0.0 zz', ":2: write 'seconds"), ('A\n1.0 01\n0.5 01', ':3: the times')],
)
def test_a_bad_recording_names_its_line(tmp_path, text: str, word: str) -> None:
    path = tmp_path / 'r.txt'
    path.write_text(text)
    with pytest.raises(DeviceError, match=word):
        read_recording(path)
