# SPDX-License-Identifier: Apache-2.0
"""Each way in which a stream can be wrong has its finding; what is right has none."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from igrft.config import RobotConfig, named
from igrft.doctor.cameras import check_tree
from igrft.doctor.findings import Level, as_json, exit_code, summary
from igrft.doctor.heard import Endpoint, Heard, Mismatch
from igrft.doctor.streams import check_streams
from igrft.episodes.topics import episode_topics

ROBOT = named('robots', 'sim', RobotConfig)
SPECS = {spec.name: spec for spec in episode_topics(ROBOT)}
FRONT, WRIST, INFO = 'camera/front/image_raw', 'camera/wrist/image_raw', 'camera/front/camera_info'
DRIVER = (Endpoint('/driver', 'reliable, volatile'),)


def healthy(skew: float = 0.004) -> dict[str, Heard]:
    heard = {}
    for spec in SPECS.values():
        stream = heard[spec.name] = Heard(spec)
        if not spec.required and spec.name != INFO:
            continue
        begin = 1000.0 + (skew if 'wrist' in spec.name else 0.0)
        stream.stamps = [begin + 0.1 * i for i in range(40)]
        stream.ages = [0.02] * 40
        stream.publishers, stream.types = DRIVER, (spec.type,)
        stream.encoding, stream.width, stream.height = spec.encoding, spec.width, spec.height
        stream.frame = f'{spec.name}_frame'
        stream.joints = (*ROBOT.joints, 'gripper')
    heard[INFO].k = (200.0, 0, 64, 0, 200.0, 64, 0, 0, 1)
    return heard


def bad(heard: dict[str, Heard]) -> list[tuple[str, str, str]]:
    found = list(check_streams(heard, ROBOT.joints, 5.0, 0.06))
    assert all(finding.remedy for finding in found if finding.level in (Level.WARN, Level.ERROR)), (
        'each says what to do'
    )
    return [(f.check, f.subject, f.text) for f in found if f.level in (Level.WARN, Level.ERROR)]


def test_a_healthy_set_up_has_nothing_to_say() -> None:
    assert bad(healthy()) == []


def spoil(**changes):
    return lambda stream: [setattr(stream, name, value) for name, value in changes.items()]


CASES = {
    'missing': (FRONT, spoil(publishers=(), stamps=[], ages=[]), 'presence', 'nobody publishes'),
    'silent': (FRONT, spoil(stamps=[], ages=[]), 'presence', 'nothing from /driver in 5 s'),
    'other type': (FRONT, spoil(types=('sensor_msgs/msg/CompressedImage',)), 'presence', 'CompressedImage'),
    'two publishers': (FRONT, spoil(publishers=(*DRIVER, Endpoint('/b', ''))), 'presence', '2 publishers: /b, /driver'),
    'encoding': (FRONT, spoil(encoding='mono16'), 'encoding', "'mono16', must be rgb8 or bgr8"),
    'size': (FRONT, spoil(width=640), 'encoding', '640x128, the robot says 128x128'),
    'slow': (FRONT, spoil(stamps=list(1000 + 0.2 * np.arange(20))), 'rate', '5.0 Hz of 10 expected'),
    'fast': (FRONT, spoil(stamps=list(1000 + 0.02 * np.arange(200))), 'rate', '50.0 Hz'),
    'dropping': (
        FRONT,
        spoil(stamps=[1000 + 0.1 * i for i in range(60) if i % 9 not in (4, 5)]),
        'rate',
        'frames dropped',
    ),
    'stands still': (FRONT, spoil(stamps=[1000.0] * 20), 'rate', '1 different stamp'),
    'stale': (FRONT, spoil(ages=[3.0] * 40), 'stamps', '3.00 s old'),
    'ahead': ('joint_states', spoil(ages=[-1.0] * 40), 'stamps', '1.00 s in the future'),
    'zero': ('ee_pose', spoil(stamps=[0.0] * 40), 'stamps', 'are zero'),
    'backwards': ('ee_pose', spoil(stamps=[1000.0, 1000.1, 1000.05, 1000.2]), 'stamps', 'backwards'),
    'joints': ('joint_states', spoil(joints=('panda_joint1',)), 'joints', "no 'joint1' among panda_joint1"),
    'uncalibrated': (INFO, spoil(k=(0.0,) * 9), 'calibration', 'not calibrated'),
    'no frame': (FRONT, spoil(frame=''), 'frames', 'frame_id is empty'),
    'same frame': (WRIST, spoil(frame=f'{FRONT}_frame'), 'frames', f'also that of {FRONT}'),
}


@pytest.mark.parametrize('case', CASES)
def test_each_fault_is_named(case: str) -> None:
    topic, change, check, words = CASES[case]
    heard = healthy()
    change(heard[topic])
    assert any(c == check and topic in s and words in t for c, s, t in bad(heard)), bad(heard)


def test_skewed_cameras() -> None:
    within = [f for f in check_streams(healthy(skew=0.04), ROBOT.joints, 5.0, 0.06) if f.check == 'skew']
    assert [f.level for f in within] == [Level.OK] and '-40.0 ms' in within[0].text
    slow = healthy()
    slow[WRIST].stamps = [1000.0 + 0.5 * i for i in range(8)]
    assert any(c == 'skew' and 'fit into one observation' in t for c, _, t in bad(slow))
    apart = healthy(skew=100.0)
    assert any(c == 'skew' and 'never meet' in t for c, _, t in bad(apart))


def test_incompatible_qos_names_both_ends() -> None:
    heard = healthy()
    heard[FRONT].stamps = []
    heard[FRONT].mismatches = (
        Mismatch(
            Endpoint('/driver', 'best effort, volatile'), Endpoint('/recorder', 'reliable, volatile'), 'RELIABILITY'
        ),
    )
    found = bad(heard)
    assert any(c == 'qos' and '/driver' in t and '/recorder' in t and 'RELIABILITY' in t for c, _, t in found)


def test_frames_hang_on_the_base() -> None:
    tree = {
        'tool0': 'link7',
        'link7': 'base_link',
        'wrist_optical': 'tool0',
        'front_optical': 'map',
        'a': 'b',
        'b': 'a',
    }
    found = list(check_tree(tree, 'base_link', ['wrist_optical', 'front_optical', 'a']))
    assert [f.level for f in found] == [Level.OK, Level.WARN, Level.WARN]
    assert "it ends at 'map'" in found[1].text


def test_the_report_for_machines_and_its_exit_code() -> None:
    heard = healthy()
    good = list(check_streams(heard, ROBOT.joints, 5.0, 0.06))
    assert exit_code(good) == 0
    heard[FRONT].encoding = 'mono8'
    found = list(check_streams(heard, ROBOT.joints, 5.0, 0.06))
    assert exit_code(found) == 1
    data = json.loads(as_json(found))
    assert data['exit_code'] == 1 and data['counts']['error'] == 1 and summary(found).startswith('1 error')
    fields = {field.name for field in dataclasses.fields(found[0])}
    assert all(set(row) == fields for row in data['findings'])
