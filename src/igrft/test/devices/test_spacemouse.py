# SPDX-License-Identifier: Apache-2.0
"""The SpaceMouse by recorded report bytes through the real parser."""

from __future__ import annotations

import os
import select
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igrft.devices.device import GONE, DeviceError
from igrft.devices.fake_hid import FakeHid, ReportWriter, SocketReports
from igrft.devices.fake_spacemouse import FakeSpaceMouse, read_recording
from igrft.devices.spacemouse import (
    AXES,
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


LAYOUTS = {
    # translation and rotation in two reports, or in one
    'SpaceMouseCompact': (['01 5e 00 00 00 a2 fe', '02 00 00 00 00 af 00'], '03 02', 'RIGHT'),
    'SpaceMousePro': (['01 5e 00 00 00 a2 fe', '02 00 00 00 00 af 00'], '03 00 00 80 00', 'ALT'),
    'SpaceMouseWireless': (['01 5e 00 00 00 a2 fe 00 00 00 00 af 00'], '03 01', 'LEFT'),
    'SpaceMouseEnterprise': (['01 5e 00 00 00 a2 fe 00 00 00 00 af 00'], '03 00 10 00 00', 'BTN_1'),
    'UniversalReceiver': (['01 5e 00 00 00 a2 fe 00 00 00 00 af 00'], '03 00 00 40 00', 'ESC'),
}
"""Report bytes: the cap pushed a little to the right (94 of 350), fully up, and turned half clockwise; one button."""


@pytest.mark.parametrize('device', LAYOUTS)
def test_every_model_s_layout(device: str) -> None:
    motion, buttons, name = LAYOUTS[device]
    parser = ReportParser(device)
    for data in motion:
        axes = parser.feed(bytes.fromhex(data)).axes
    expected = {'x': 0.0, 'y': -94 / 350, 'z': 1.0, 'roll': 0.0, 'pitch': 0.0, 'yaw': -0.5}
    assert axes == pytest.approx(expected)
    assert parser.feed(bytes.fromhex(buttons)).pressed == {name}


@given(
    st.sampled_from(sorted(device_tables())),
    st.lists(st.floats(-1, 1), min_size=6, max_size=6),
    st.data(),
)
def test_what_the_fake_writes_the_parser_reads(device: str, values, data) -> None:
    axes = dict(zip(AXES, values, strict=True))
    names = device_tables()[device].button_names
    pressed = data.draw(st.sets(st.sampled_from(names)) if names else st.just(set()))
    writer, parser = ReportWriter(device), ReportParser(device)
    for written in (*writer.motion(axes), writer.buttons(pressed)):
        state = parser.feed(written)
    assert state.axes == pytest.approx(axes, abs=0.5 / 350 + 1e-9)
    assert state.pressed == pressed


def test_reports_of_another_process_and_its_cable(tmp_path) -> None:
    path = tmp_path / 'hid.sock'
    mouse = SpaceMouse(lambda: SocketReports(path, 'SpaceMousePro'), retry=0.0)
    assert not mouse.poll(0.0).connected
    with FakeHid(path, 'SpaceMousePro') as hid:
        assert mouse.poll(1.0).connected
        hid.wait_for_reader(10.0)
        hid.hold({'x': 0.5, 'yaw': -1.0}, ['FIT'])
        assert mouse.fileno() is not None
        select.select([mouse.fileno()], [], [], 10.0)
        seen = mouse.poll(1.1)
        assert (seen.axes['x'], seen.axes['yaw'], seen.pressed) == (pytest.approx(0.5), -1.0, {'FIT'})
        hid.unplug()
        assert mouse.poll(1.2) == GONE, 'at once'
        assert 'unplugged' in mouse.problem
        assert not mouse.poll(1.3).connected
        assert mouse.problem
        hid.plug()
        assert mouse.poll(1.4).connected, 'found again without a restart'
        assert not any(mouse.poll(1.4).axes.values())
        assert mouse.problem == ''
    mouse.close()


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


def test_a_deflected_cap_that_falls_silent_is_gone_one_at_rest_is_not() -> None:
    clock = Clock()
    mouse = SpaceMouse(FakeSpaceMouse(read_recording(RECORDING), clock).open)
    assert mouse.poll(0.0).connected
    assert mouse.poll(0.09).connected, 'at rest a device has nothing to say'
    clock.now = 0.12
    assert any(mouse.poll(0.12).axes.values())
    assert mouse.poll(5.12).connected, 'who does not look for five seconds has not listened for five seconds'
    for tick in range(1, 5):
        last = mouse.poll(5.12 + tick * SILENCE / 3)
    assert last == GONE
    assert 'fell silent' in mouse.problem
    clock.now = 0.26
    back = mouse.poll(5.3)
    assert back.connected
    assert not any(back.axes.values())


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


def test_of_a_receiver_s_interfaces_the_cap_is_taken(tmp_path) -> None:
    for number, descriptor in ((0, '05 01 09 02 a1 01'), (1, '05 01 09 06 a1 01'), (2, '05 01 09 08 a1 01')):
        folder = tmp_path / f'hidraw{number}' / 'device'
        folder.mkdir(parents=True)
        (folder / 'uevent').write_text('HID_ID=0003:0000256F:0000C652\n')
        (folder / 'report_descriptor').write_bytes(bytes.fromhex(descriptor))
    assert find_hidraw(tmp_path) == (Path('/dev/hidraw2'), 'UniversalReceiver')


@pytest.mark.parametrize(
    ('text', 'word'),
    [('', 'empty'), ('SpaceMouseCompact\n0.0 zz', ":2: write 'seconds"), ('A\n1.0 01\n0.5 01', ':3: the times')],
)
def test_a_bad_recording_names_its_line(tmp_path, text: str, word: str) -> None:
    path = tmp_path / 'r.txt'
    path.write_text(text)
    with pytest.raises(DeviceError, match=word):
        read_recording(path)
