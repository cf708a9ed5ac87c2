# SPDX-License-Identifier: Apache-2.0
"""The whole loop in real processes over real DDS: every phase once, interruption, resumption, bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from igrft.episodes.catalog import iterate

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
DOMAIN = int(os.environ['ROS_DOMAIN_ID'])


class Launch:
    """A `ros2 launch` whose output can be waited on."""

    def __init__(self, *arguments: str, domain: int = DOMAIN) -> None:
        self.process = subprocess.Popen(
            ['ros2', 'launch', 'igrft', *arguments],
            env={**os.environ, 'ROS_DOMAIN_ID': str(domain)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line)
                self._news.notify_all()
        with self._news:
            self.lines.append('')
            self._news.notify_all()

    def wait_for(self, text: str, timeout: float = 120.0) -> None:
        """Block until a line holds ``text``; fails with the whole output when the launch ends without it."""

        def seen() -> bool:
            return any(text in line for line in self.lines) or (bool(self.lines) and self.lines[-1] == '')

        with self._news:
            assert self._news.wait_for(seen, timeout), f'{text!r} did not come:\n{self.output}'
        assert any(text in line for line in self.lines), f'{text!r} did not come:\n{self.output}'

    def end(self, timeout: float = 120.0) -> int:
        code = self.process.wait(timeout)
        self._reader.join(10)
        return code

    @property
    def output(self) -> str:
        return ''.join(self.lines)


@pytest.fixture
def launch() -> Iterator[object]:
    started: list[Launch] = []

    def start(*arguments: str, domain: int = DOMAIN) -> Launch:
        started.append(Launch(*arguments, domain=domain))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.send_signal(signal.SIGINT)
            try:
                one.process.wait(20)
            except subprocess.TimeoutExpired:
                one.process.kill()


def smoke(folder: Path, *more: str) -> tuple[str, ...]:
    return ('rl_loop.launch.py', 'curriculum:=smoke', f'episodes_dir:={folder}', 'console:=false', *more)


def test_a_killed_loop_resumes_and_every_phase_leaves_whole_bags(launch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    first = launch(*smoke(tmp_path))
    first.wait_for('evaluation after SFT')
    first.process.kill()
    first.end()
    before = json.loads((tmp_path / 'block_stacking' / 'loop.json').read_text())
    assert list(before['checkpoints']) == ['SFT']

    second = launch(*smoke(tmp_path), domain=DOMAIN + 1)
    assert second.end() == 0, second.output
    assert 'Success after each stage' in second.output
    assert '] SFT' not in second.output and '] demonstrations' not in second.output
    after = json.loads((tmp_path / 'block_stacking' / 'loop.json').read_text())
    assert after['episodes']['demonstrations'] == before['episodes']['demonstrations']
    assert list(after['checkpoints']) == ['SFT', 'offline RL', 'IG-AWR, round 1']
    kinds = Counter(entry.meta.kind.value for entry in iterate(tmp_path))
    assert kinds['demonstration'] == 2 and kinds['rollout'] == kinds['correction'] == 1
    assert kinds['evaluation'] in (3, 4)  # the killed run may have finished one that it could not note down
    verified = subprocess.run(['igrft', 'episodes', 'verify', '--root', str(tmp_path)], capture_output=True, text=True)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_ctrl_c_leaves_whole_bags_and_exit_code_0(launch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    loop = launch(*smoke(tmp_path))
    loop.wait_for('demonstrations (2 episodes)')
    loop.process.send_signal(signal.SIGINT)
    assert loop.end(20) == 0, loop.output
    assert 'process has died' not in loop.output
    assert not list(tmp_path.glob('*/.*.partial')), 'a recording was left open'
