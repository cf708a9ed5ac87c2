# SPDX-License-Identifier: Apache-2.0
"""`igrft doctor` as a process, against the running cell and against robots with a fault each, over real DDS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from igrft.cli.main import app
from igrft.config import RobotConfig, config_dir, load
from igrft.doctor.findings import Finding, Level
from igrft.doctor.streams import check_streams
from igrft.episodes.topics import episode_topics
from igrft.ros.inspection import listen

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
SECONDS = 3.0
PATIENCE = 2.0
"""[s] that messages may be old on a busy machine; the stale robot's are three."""
FREE = ('--port', '8971', '--least-free', '0', '--max-age', str(PATIENCE))


@pytest.fixture(scope='module')
def robot(tmp_path_factory) -> Path:
    """The cell's robot with tiny cameras."""
    data = yaml.safe_load((config_dir() / 'robots/sim.yaml').read_text())
    for camera in data['cameras']:
        camera.update(width=16, height=16)
    path = tmp_path_factory.mktemp('robot') / 'tiny.yaml'
    path.write_text(yaml.safe_dump(data))
    return path


@pytest.fixture(scope='module')
def robots(robot: Path) -> Iterator[None]:
    script = Path(__file__).with_name('fake_robots.py')
    with subprocess.Popen([sys.executable, script, robot], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and 'robots' in process.stdout.readline()
        yield
        process.kill()


@pytest.fixture(scope='module')
def found(robots, robot: Path) -> dict[str, list[Finding]]:
    """Findings of each robot, all listened to at the same time."""
    config = load(robot, RobotConfig)

    def findings(fault: str) -> list[Finding]:
        heard = listen(episode_topics(config), SECONDS, f'/{fault}', patience=10 * SECONDS)
        return list(check_streams(heard.topics, config.joints, SECONDS, 0.06, max_age=PATIENCE))

    with ThreadPoolExecutor(len(EXPECTED) + 1) as pool:
        return dict(zip(('healthy', *EXPECTED), pool.map(findings, ('healthy', *EXPECTED)), strict=True))


def doctor(*words: str) -> tuple[int, list[dict[str, str]]]:
    done = subprocess.run(['igrft', 'doctor', '--json', *words], capture_output=True, text=True, timeout=200)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report['exit_code'] == done.returncode
    return done.returncode, report['findings']


def errors(findings: list[dict[str, str]]) -> list[dict[str, str]]:
    return [finding for finding in findings if finding['level'] == 'error']


def test_the_running_cell_is_healthy(tmp_path: Path) -> None:
    arguments = ['--ros-args', '-p', 'rtf:=1.0', '-r', '/clock:=clock', '-r', '__ns:=/cell', '-p', 'use_sim_time:=true']
    with subprocess.Popen(['ros2', 'run', 'igrft_sim', 'sim_node', *arguments], start_new_session=True) as cell:
        try:
            _wait_for_cell()
            code, findings = doctor('--namespace', '/cell', '--seconds', '4', '--episodes-dir', str(tmp_path), *FREE)
        finally:
            os.killpg(cell.pid, 9)
    assert not errors(findings), errors(findings)
    assert code == 0
    checks = {finding['check'] for finding in findings if finding['level'] == 'ok'}
    assert {
        'graph',
        'rate',
        'stamps',
        'encoding',
        'joints',
        'skew',
        'calibration',
        'disk',
        'port',
        'environment',
    } <= checks


def _wait_for_cell() -> None:
    """Until the cell's image has come through."""
    specs = [
        spec
        for spec in episode_topics(load(config_dir() / 'robots/sim.yaml', RobotConfig))
        if spec.name.endswith('image_raw')
    ]
    for _ in range(30):
        if all(heard.stamps for heard in listen(specs, 1.0, '/cell').topics.values()):
            return
    raise AssertionError('the cell does not start')


EXPECTED = {
    'no_camera': ('presence', 'camera/wrist/image_raw', 'nobody publishes', 'start its camera_node'),
    'wrong_encoding': ('encoding', 'camera/front/image_raw', "'mono16', must be rgb8", "set the driver's encoding"),
    'incompatible_qos': (
        'qos',
        'executed_action',
        'nothing passes from /fake_robots (best_effort',
        'offer what is asked for',
    ),
    'stale_stamps': ('stamps', 'joint_states', '3.0', 'synchronise the clocks'),
    'skewed_cameras': ('skew', 'camera/wrist/image_raw', 'never meet', 'synchronise the clocks'),
    'not_calibrated': ('calibration', 'camera/front/camera_info', 'not calibrated', 'igrft calibrate intrinsics'),
}


@pytest.mark.parametrize('fault', ['healthy', *EXPECTED])
def test_each_broken_robot_is_told_from_the_healthy_one(found: dict[str, list[Finding]], fault: str) -> None:
    # A busy machine slows the fake robots themselves down: their rate is not what is tested.
    bad = [f for f in found[fault] if f.level in (Level.ERROR, Level.WARN) and f.check != 'rate']
    if fault == 'healthy':
        assert bad == []
        return
    check, subject, text, remedy = EXPECTED[fault]
    assert any(f.check == check and subject in f.subject and text in f.text and remedy in f.remedy for f in bad), bad


def test_a_broken_robot_by_the_command(robots, robot: Path) -> None:
    code, findings = doctor('--robot', str(robot), '--namespace', '/no_camera', '--seconds', '6', '--no-machine')
    assert code == 1
    missing = {f['subject'] for f in errors(findings) if 'nobody publishes' in f['text']}
    assert missing == {'camera/wrist/image_raw'}


def test_nothing_there_is_one_finding() -> None:
    other = str(int(os.environ['ROS_DOMAIN_ID']) + 1)
    done = CliRunner().invoke(app, ['doctor', '--seconds', '0.5', '--no-machine'], env={'ROS_DOMAIN_ID': other})
    words = ' '.join(done.output.split())
    assert done.exit_code == 1
    assert 'no node of any kind is heard of' in words and 'start the launch file first' in words
    unknown = CliRunner().invoke(app, ['doctor', '--robot', 'smi'])
    assert unknown.exit_code == 2 and "did you mean 'sim'" in unknown.output
