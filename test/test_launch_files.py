# SPDX-License-Identifier: Apache-2.0
"""Every launch file describes its arguments, and refuses what it does not know before anything starts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

FILES = sorted(path.name for path in (Path(__file__).resolve().parents[1] / 'launch').glob('*.launch.py'))


def launch(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(['ros2', 'launch', 'igrft', *arguments], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize('file', FILES)
def test_show_args_describes_every_argument(file: str) -> None:
    shown = launch(file, '--show-args')
    assert shown.returncode == 0, shown.stderr
    assert "'namespace':" in shown.stdout and "'log_level':" in shown.stdout
    assert 'no description given' not in shown.stdout.lower()


@pytest.mark.parametrize('file', FILES)
def test_an_unknown_argument_names_the_nearest(file: str) -> None:
    refused = launch(file, 'namspace:=a')
    assert refused.returncode == 1
    assert "did you mean 'namespace'" in refused.stdout + refused.stderr
    assert 'process started' not in refused.stdout + refused.stderr


@pytest.mark.parametrize(
    ('argument', 'hint'),
    [
        ('task:=block_staking', "did you mean 'block_stacking'"),
        ('policy:=compact_flo', "did you mean 'compact_flow'"),
        ('robot:=sin', "did you mean 'sim'"),
        ('curriculum:=quik', "did you mean 'quick'"),
        ('teleop:=spacemose', 'spacemouse'),
    ],
)
def test_a_name_of_no_file_names_the_nearest(argument: str, hint: str) -> None:
    refused = launch('rl_loop.launch.py', argument)
    assert refused.returncode == 1
    assert hint in refused.stdout + refused.stderr
