# SPDX-License-Identifier: Apache-2.0
"""Training in a process of its own: it always says how it ended, and dies with its parent."""

from __future__ import annotations

import queue
from pathlib import Path

import pytest

from igrft.config import RobotConfig, named
from igrft.training.client import Event, WorkerClient
from igrft.training.source import load_episodes
from igrft.training.worker import Job, robot_spec

WAIT = 120.0
"""[s] after which a test gives up on a process."""


def test_a_job_that_fails_says_why_and_a_killed_one_is_noticed(tmp_path: Path) -> None:
    events: queue.Queue[Event] = queue.Queue()
    failing = WorkerClient(Job(root=str(tmp_path), stage='sft', task='block_stacking', niceness=0), events.put)
    event = events.get(timeout=WAIT)
    assert event['event'] == 'failed' and 'the dataset is empty' in event['message']
    assert failing.wait(WAIT)

    killed = WorkerClient(Job(root=str(tmp_path), stage='sft', task='block_stacking', niceness=0), events.put)
    killed.kill()
    event = events.get(timeout=WAIT)
    assert event['event'] == 'failed' and 'ended with code -9' in event['message']
    assert killed.wait(WAIT)


def test_the_robot_decides_the_spec() -> None:
    robot = named('robots', 'sim', RobotConfig)
    assert robot_spec(robot) == {'action_dim': 7, 'proprio_dim': 17, 'cameras': ('front', 'wrist'), 'step_dt': 0.1}


def test_what_is_no_episode_is_left_out_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    robot = named('robots', 'sim', RobotConfig)
    (tmp_path / 'block_stacking' / 'stray').mkdir(parents=True)
    (tmp_path / 'block_stacking' / '.20261123T000000Z_X.partial').mkdir()
    found, unreadable = load_episodes(tmp_path, 'block_stacking', robot, 32)
    assert found == [] and list(unreadable) == ['stray']
    assert 'stray' in capsys.readouterr().err
