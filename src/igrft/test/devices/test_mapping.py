# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import socket

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igrft.config import ConfigError, config_dir, load, parse
from igrft.devices.device import GONE, RawInput
from igrft.devices.frames import from_quaternion, from_rpy
from igrft.devices.joy import ASK, Joy
from igrft.devices.keyboard import Keys
from igrft.devices.mapping import TeleopConfig, TeleopMapper

AXES = {'vx': 'x', 'vy': '-y', 'wz': 'yaw'}


def config(**options) -> TeleopConfig:
    return TeleopConfig(device='test', axes=AXES, linear_scale=0.2, angular_scale=1.0, dead_band=0.1, **options)


def six(**options) -> TeleopConfig:
    axes = {'vx': 'x', 'vy': '-y', 'vz': 'z', 'wx': 'roll', 'wy': '-pitch', 'wz': 'yaw'}
    return TeleopConfig(device='test', axes=axes, linear_scale=0.2, angular_scale=1.0, **options)


def twist_of(mapper: TeleopMapper, **axes: float) -> np.ndarray:
    return mapper.update(RawInput(axes), 0.0, 0.0)[0].action[:6]


def raw(x: float = 0.0, *pressed: str, y: float = 0.0) -> RawInput:
    return RawInput({'x': x, 'y': y, 'yaw': 0.0}, frozenset(pressed))


@pytest.mark.parametrize('path', sorted((config_dir() / 'teleop').glob('*.yaml')), ids=lambda p: p.stem)
def test_the_shipped_files_are_valid(path) -> None:
    assert load(path, TeleopConfig).axes


def test_a_bad_file_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'vx'"):
        parse({'device': 'joy', 'axes': {'vxx': 'a0'}}, TeleopConfig, 'f.yaml')
    with pytest.raises(ConfigError, match="did you mean 'success'"):
        parse({'device': 'joy', 'axes': {}, 'buttons': {'b0': 'sucess'}}, TeleopConfig, 'f.yaml')


@given(st.floats(-1, 1))
def test_dead_band_and_scale(value: float) -> None:
    teleop, _ = TeleopMapper(config()).update(raw(value, y=value), 0.0, 0.0)
    expected = np.sign(value) * max(abs(value) - 0.1, 0) / 0.9 * 0.2
    assert teleop.action[0] == pytest.approx(expected, abs=1e-6)
    assert teleop.action[1] == pytest.approx(-expected, abs=1e-6)
    assert teleop.engaged == bool(abs(teleop.action[:6]).any())


@pytest.mark.parametrize(
    ('options', 'hint'),
    [
        ({'frame': 'tol'}, "did you mean 'tool'"),
        ({'gains': {'vxx': 1.0}}, "gains: unknown component 'vxx'"),
        ({'locked': ['lock_rotatoin']}, "did you mean 'lock_rotation'"),
        ({'expo': 1.5}, 'expo must lie'),
        ({'dead_bands': {'vx': 1.0}}, 'dead_bands must lie'),
        ({'silence': 0.0}, 'must be positive'),
    ],
)
def test_a_bad_option_says_which(options, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        parse({'device': 'joy', 'axes': {}, **options}, TeleopConfig, 'f.yaml')


@given(st.floats(0, 1), st.floats(0, 1))
def test_expo_is_finer_in_the_middle_and_full_at_the_end(value: float, expo: float) -> None:
    curved, straight = TeleopMapper(six(dead_band=0.0, expo=expo)), TeleopMapper(six(dead_band=0.0))
    assert twist_of(curved, x=value)[0] <= twist_of(straight, x=value)[0] + 1e-7
    assert twist_of(curved, x=1.0)[0] == pytest.approx(0.2)
    assert twist_of(curved, x=-value)[0] == -twist_of(curved, x=value)[0]


def test_gains_and_dead_bands_of_one_axis() -> None:
    mapper = TeleopMapper(six(dead_band=0.1, gains={'vz': 0.5}, dead_bands={'wz': 0.5}))
    assert twist_of(mapper, x=1.0, z=1.0, yaw=0.5) == pytest.approx([0.2, 0, 0.1, 0, 0, 0])
    assert twist_of(mapper, yaw=0.75)[5] == pytest.approx(0.5)


def test_locks_toggle_once_a_press() -> None:
    mapper = TeleopMapper(six(buttons={'a': 'lock_rotation', 'b': 'lock_translation'}, locked=('lock_translation',)))

    def moves(*pressed: str) -> tuple[bool, bool]:
        action = mapper.update(RawInput({'x': 1.0, 'yaw': 1.0}, frozenset(pressed)), 0.0, 0.0)[0].action
        return bool(action[:3].any()), bool(action[3:6].any())

    assert [moves(), moves('b'), moves('b'), moves('a'), moves(), moves('a')] == [
        (False, True), (True, True), (True, True), (True, False), (True, False), (True, True)
    ]  # fmt: skip


def test_take_over_drives_while_it_is_held() -> None:
    mapper = TeleopMapper(config(buttons={'hold': 'take_over'}, engage_hold=0.1))
    engaged = [mapper.update(raw(0.0, *p), 0.0, now)[0].engaged for now, p in ((0, ['hold']), (5, ['hold']), (6, []))]
    assert engaged == [True, True, False]


def test_in_the_camera_s_view_forward_is_into_the_picture() -> None:
    # A camera that faces the robot: into the picture is towards it.
    mapper = TeleopMapper(six(dead_band=0.0, frame='camera', view=(0.0, 0.0, np.pi)))
    assert twist_of(mapper, x=1.0) == pytest.approx([-0.2, 0, 0, 0, 0, 0], abs=1e-6)
    assert twist_of(mapper, yaw=1.0) == pytest.approx([0, 0, 0, 0, 0, 1.0], abs=1e-6)


def test_in_the_tool_s_frame_the_twist_turns_with_it_and_stands_without_it() -> None:
    mapper = TeleopMapper(six(dead_band=0.0, frame='tool'))
    assert not twist_of(mapper, z=1.0).any()
    mapper.orient(from_quaternion((0.0, 1.0, 0.0, 0.0)))  # pointing down
    assert twist_of(mapper, z=1.0) == pytest.approx([0, 0, -0.2, 0, 0, 0], abs=1e-6)
    mapper.orient(None)
    assert not twist_of(mapper, z=1.0).any()


@given(st.tuples(*[st.floats(-3, 3)] * 3))
def test_a_frame_turns_and_keeps_lengths(rpy) -> None:
    rotation = from_rpy(*rpy)
    assert rotation @ rotation.T == pytest.approx(np.eye(3), abs=1e-9)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    mapper = TeleopMapper(six(dead_band=0.0, frame='camera', view=rpy))
    assert np.linalg.norm(twist_of(mapper, x=0.6, y=0.3)[:3]) == pytest.approx(0.2 * np.hypot(0.6, 0.3), rel=1e-4)


def test_rpy_is_about_the_fixed_axes() -> None:
    assert from_rpy(0, 0, np.pi / 2) @ [1, 0, 0] == pytest.approx([0, 1, 0])
    assert from_rpy(np.pi / 2, 0, np.pi / 2) @ [0, 1, 0] == pytest.approx([0, 0, 1], abs=1e-12)
    with pytest.raises(ValueError, match='no orientation'):
        from_quaternion((0.0, 0.0, 0.0, 0.0))


@given(
    st.lists(st.floats(-1, 1), min_size=6, max_size=6),
    st.sampled_from([0.0, 0.5]),
    st.sampled_from(['base', 'camera']),
)
def test_a_deflection_means_the_twist_it_was_made_for(shares, expo: float, frame: str) -> None:
    mapper = TeleopMapper(six(dead_band=0.1, expo=expo, frame=frame, view=(0.0, 0.0, 0.3)))
    wanted = np.float32(shares) * np.float32([0.1, 0.1, 0.1, 0.5, 0.5, 0.5])
    assert twist_of(mapper, **mapper.deflection(wanted)) == pytest.approx(wanted, abs=2e-3)


def test_with_a_deadman_only_the_first_motion_takes_over() -> None:
    mapper = TeleopMapper(config(deadman='grip'))
    engaged = [
        mapper.update(state, 0.0, 0.0)[0].engaged
        for state in (raw(1.0), raw(0.0, 'grip'), raw(0.5, 'grip'), raw(0.0, 'grip'), raw(0.5), raw(0.0, 'grip'))
    ]
    assert engaged == [False, False, True, True, False, False]


def test_without_one_rest_lets_go_after_a_while() -> None:
    mapper = TeleopMapper(config(engage_hold=0.4))
    assert mapper.update(raw(0.5), 0.0, 1.0)[0].engaged
    assert mapper.update(raw(0.0), 0.0, 1.3)[0].engaged, 'through the middle on the way to the other side'
    assert not mapper.update(raw(0.0), 0.0, 1.5)[0].engaged


def test_no_motion_is_handed_over_without_engagement() -> None:
    action = TeleopMapper(config(deadman='grip')).update(raw(1.0), 0.0, 0.0)[0].action
    assert not action[:6].any()


def test_unplugging_is_zero_and_said() -> None:
    mapper = TeleopMapper(config())
    mapper.update(raw(1.0), 0.0, 0.0)
    teleop, _ = mapper.update(GONE, 0.1, 0.1)
    assert (teleop.connected, teleop.engaged) == (False, False)
    assert not teleop.action[:6].any()


def test_the_gripper_toggles_once_a_press_from_where_it_is() -> None:
    mapper = TeleopMapper(config(buttons={'left': 'gripper'}))
    mapper.follow(np.float32([0.0]))
    openings = []
    for state in (raw(0.5), raw(0.5, 'left'), raw(0.5, 'left'), raw(0.5), raw(0.5, 'left')):
        openings.append(mapper.update(state, 0.0, 0.0)[0].action[6])
        mapper.follow(np.float32([0.25]))  # not followed while the operator drives
    assert openings == [0.0, 1.0, 1.0, 1.0, 0.0]


def test_events_once_a_press() -> None:
    mapper = TeleopMapper(config(buttons={'a': 'success', 'b': 'e_stop'}))
    presses = [raw(0, 'a'), raw(0, 'a', 'b'), raw(0), raw(0, 'a')]
    assert [mapper.update(p, 0.0, 0.0)[1] for p in presses] == [['success'], ['e_stop'], [], ['success']]


def test_two_arms_only_the_chosen_one_moves() -> None:
    teleop, _ = TeleopMapper(config(), n_arms=2, arm=1).update(raw(1.0), 0.0, 0.0)
    assert not teleop.action[:6].any()
    assert teleop.action[7] == pytest.approx(0.2)


def test_joy_silence_and_nonsense_count_as_gone() -> None:
    joy = Joy(timeout=0.1)
    assert not joy.poll(0.0).connected
    joy.feed([0.5, 7.0], [0, 1], 1.0)
    state = joy.poll(1.05)
    assert (state.axes, state.pressed) == ({'a0': 0.5, 'a1': 1.0}, {'b1'})
    assert not joy.poll(1.2).connected
    assert 'autorepeat' in joy.problem
    joy.feed([float('nan')], [], 2.0)
    assert not joy.poll(2.0).connected


def test_spacenav_repeating_its_last_value_for_ever_still_stops_when_it_says_zero() -> None:
    joy = Joy()
    mapper = TeleopMapper(TeleopConfig(device='joy', axes={'vx': 'a0'}, engage_hold=0.4))
    engaged = []
    for millisecond in range(0, 1000):  # floods at 1 kHz
        now = millisecond * 1e-3
        joy.feed([0.8 if now < 0.3 else 0.0, 0, 0, 0, 0, 0], [0, 0], now)
        engaged.append(mapper.update(joy.poll(now), now, now)[0].engaged)
    assert engaged[100]
    assert engaged.index(False) == pytest.approx(700, abs=2)


def test_spacenav_that_goes_on_with_zeros_when_its_daemon_died_is_gone(tmp_path) -> None:
    path = str(tmp_path / 'spnav.sock')

    def fed(joy: Joy, now: float, value: float = 0.0) -> RawInput:
        joy.feed([value, 0, 0, 0, 0, 0], [0, 0], now)
        return joy.poll(now)

    joy = Joy(daemon=path)
    assert not fed(joy, 0.0).connected
    assert 'spacenavd' in joy.problem
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()
    assert fed(joy, 1.0, 0.8).axes['a0'] == pytest.approx(0.8)
    daemon, _ = listener.accept()
    daemon.send(bytes(32))  # its own events are not read
    assert fed(joy, 1.1, 0.8).connected
    daemon.close()
    listener.close()
    assert fed(joy, 1.1 + ASK, 0.0) == GONE, 'zeros of a dead daemon are no release'
    joy.close()


def test_keys_move_while_they_repeat() -> None:
    keys = Keys()
    keys.feed('w', 0.0)
    assert keys.state(0.1).axes['x'] == 1.0
    keys.feed('wa', 0.5)
    assert (keys.state(0.52).axes['x'], keys.state(0.52).axes['y']) == (0.0, 1.0)
    assert not any(keys.state(2.0).axes.values())
    keys.feed(' ', 3.0)
    assert keys.state(3.01).pressed == {'space'}
    keys.feed('\x1b[A', 4.0)
    assert keys.state(4.01) == keys.state(9.0), 'an arrow key is neither escape nor a'
