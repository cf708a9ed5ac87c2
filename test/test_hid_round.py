# SPDX-License-Identifier: Apache-2.0
"""Human in the loop through the device alone: report bytes → teleop_node → arbiter → arm, and a bag marked by it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import torch

from igrft.config import RobotConfig, config_dir, named
from igrft.episodes.catalog import iterate
from igrft.policies.registry import create
from igrft.training import checkpoint
from igrft.training.worker import robot_spec
from igrft.types import Kind, Outcome

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
DEVICE = 'fake_spacemouse'


def test_a_corrected_episode_is_driven_and_marked_by_the_device(tmp_path: Path) -> None:
    torch.manual_seed(0)
    robot = named('robots', 'sim', RobotConfig)
    policy = create('compact_flow', **robot_spec(robot))  # untrained: the operator is needed
    untrained = checkpoint.save(checkpoint.Checkpoint('untrained', policy), tmp_path / 'checkpoints')
    # Real time on a machine that may be slow: the operator gets the time that he needs, or gives it up himself.
    task = tmp_path / 'block_stacking.yaml'
    shipped = (config_dir() / 'tasks' / task.name).read_text()
    task.write_text(re.sub('max_duration: .*', 'max_duration: 120.0', shipped))
    launch = ['ros2', 'launch', 'igrft', 'collect.launch.py', 'kind:=correction', 'episodes:=1', 'rtf:=1']
    more = [f'teleop:={DEVICE}', f'task:={task}', f'checkpoint:={untrained}', 'console:=false']
    more += [f'episodes_dir:={tmp_path}/data']
    done = subprocess.run([*launch, *more], env=dict(os.environ), capture_output=True, text=True, timeout=200)
    recorded = list(iterate(tmp_path / 'data'))
    assert len(recorded) == 1, done.stdout + done.stderr
    meta = recorded[0].meta
    assert meta.kind is Kind.CORRECTION
    assert meta.outcome in (Outcome.SUCCESS, Outcome.FAILURE), 'no timeout'
    assert meta.labelled_by == DEVICE, 'the label is a button of the device'
    assert {subtask.annotator for subtask in meta.subtasks} <= {DEVICE, ''}
    assert len(meta.interventions) >= 1
    drivers = {span.source for span in meta.sources}
    assert {'policy', 'human'} <= drivers
    for span in meta.sources:
        if span.source == 'human':
            inside = [i for i in meta.interventions if i.start <= span.end and span.start <= i.end]
            assert inside, 'whatever the human drove lies in an intervention'
    verify = ['igrft', 'episodes', 'verify', '--root', f'{tmp_path}/data']
    verified = subprocess.run(verify, capture_output=True, text=True)
    assert verified.returncode == 0, verified.stdout + verified.stderr
