# SPDX-License-Identifier: Apache-2.0
"""A calibration from recorded bags: which episodes count, and that the command says what is missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from igrft.cli.main import app
from igrft.config import RobotConfig, TaskConfig, named
from igrft.control.conformal import CalibrationError
from igrft.control.help_calibration import load_calibration
from igrft.episodes.synthetic import Script, write_synthetic
from igrft.rollout.help import calibrate_from_bags, signals_of
from igrft.types import Kind, Outcome

TASK = 'block_stacking'
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    robot, task = named('robots', 'sim', RobotConfig), named('tasks', TASK, TaskConfig)

    def record(**script: object) -> Path:
        given = {'steps': 8, 'kind': Kind.EVALUATION, 'checkpoint': 'hil-1-abc', **script}
        return write_synthetic(tmp_path, robot, task, Script(**given))  # type: ignore[arg-type]

    return record


def test_signals_are_those_of_the_chunks_in_order(write: Write) -> None:
    signals = signals_of(write(steps=9, seed=3))
    assert [each.value for each in signals] == pytest.approx([1 - k / 9 for k in (0, 2, 4, 6, 8)])
    assert [b.stamp - a.stamp for a, b in zip(signals, signals[1:], strict=False)] == pytest.approx([0.2] * 4)
    assert all(0.2 <= each.disagreement <= 0.3 for each in signals)
    assert signals_of(write(kind=Kind.DEMONSTRATION)) == []


def test_only_what_the_checkpoint_did_alone_and_well_counts(write: Write, tmp_path: Path) -> None:
    for seed in range(6):
        write(seed=seed)
    write(seed=6, outcome=Outcome.TIMEOUT)
    write(seed=7, kind=Kind.CORRECTION)
    write(seed=8, checkpoint='sft-older')
    write(seed=9, kind=Kind.DEMONSTRATION, checkpoint='')
    found = calibrate_from_bags(tmp_path, TASK, 'hil-1-abc', 0.2)
    assert (found.episodes, found.scale_episodes, found.checkpoint) == (4, 2, 'hil-1-abc')
    assert set(found.scales) == {'disagreement', 'stall', 'fall'}
    with pytest.raises(CalibrationError) as caught:
        calibrate_from_bags(tmp_path, TASK, 'hil-1-abc', 0.05)
    assert 'at least 20 successful episodes' in str(caught.value)
    assert '1 × driven by sft-older' in str(caught.value) and '1 × outcome is timeout' in str(caught.value)


def test_the_command_writes_beside_the_checkpoint_or_says_why_not(write: Write, tmp_path: Path) -> None:
    folder = tmp_path / 'checkpoints' / 'hil-1-abc'
    folder.mkdir(parents=True)
    call = ['calibrate-help', str(folder), '--root', str(tmp_path), '--alpha', '0.3']
    refused = CliRunner().invoke(app, call)
    assert refused.exit_code == 1 and 'not a checkpoint' in refused.output
    (folder / 'manifest.json').write_text(json.dumps({'format': 1, 'id': 'hil-1-abc', 'files': {}}))
    write(seed=0)
    refused = CliRunner().invoke(app, call)
    assert refused.exit_code == 1 and 'there are 1' in refused.output
    assert not list(folder.glob('help*'))
    for seed in range(1, 6):
        write(seed=seed)
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 0, done.output
    assert load_calibration(folder, TASK).episodes == 4
