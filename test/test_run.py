# SPDX-License-Identifier: Apache-2.0
"""./run cut off, doubled, or on a machine that lacks something; a fake Python stands where PyPI and colcon stand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FAKE_PYTHON = r"""#!/usr/bin/env bash
# Leaves behind what `python -m venv|pip|colcon` leave, notes what was asked, is cut off where a file `cut_<tool>` lies.
root=$FAKE_ROOT
[[ $1 != -m ]] || echo "$2" >>"$root/asked"
[[ $1 != -m || ! -e $root/cut_$2 ]] || { rm "$root/cut_$2"; kill -9 "$PPID" $$; }
[[ $1 != -m || ! -e $root/fail_$2 ]] || { echo "$2 says no" >&2; exit 1; }
case "$1 ${2:-}" in
  '-m venv') for folder; do :; done; rm -rf "$folder"; mkdir -p "$folder/bin"; cp "$0" "$folder/bin/python" ;;
  '-m pip') ;;
  '-m colcon') mkdir -p "$root/install"
    echo 'export PYTHONPATH="built${PYTHONPATH:+:$PYTHONPATH}"' >"$root/install/local_setup.bash" ;;
  '-c '*ros_wheels*) echo /fake/libraries ;;
  '-c '*mujoco*) [[ ! -e $root/no_rendering ]] ;;
  '- '*) cat >/dev/null ;;
esac
"""


class Workspace:
    """A copy of the scripts beside one empty package."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(
            ROOT / 'tools/pip_ros', root / 'tools/pip_ros', ignore=shutil.ignore_patterns('stand_in', 'bin')
        )
        shutil.copy(ROOT / 'run', root)
        for folder in ('src/empty/msg', 'launch', 'config', 'tools'):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / 'src/empty/package.xml').write_text('<package/>')
        self.python = root / 'fake_python'
        self.python.write_text(FAKE_PYTHON)
        self.python.chmod(0o755)
        kept = (
            'AMENT_PREFIX_PATH',
            'ROS_DISTRO',
            'IGRFT_OUTER_ROS',
            'IGRFT_ENVIRONMENT',
            'PYTHONPATH',
            'LD_LIBRARY_PATH',
        )
        self.environment = {name: value for name, value in os.environ.items() if name not in kept}
        self.environment.update(IGRFT_PYTHON=str(self.python), FAKE_ROOT=str(root), IGRFT_OUTER_ROS='')

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.root / 'run'), *command],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def asked(self) -> list[str]:
        """The tools called since the last look, repeats in a row counted once."""
        file = self.root / 'asked'
        lines = file.read_text().split() if file.exists() else []
        file.unlink(missing_ok=True)
        return [line for at, line in enumerate(lines) if at == 0 or lines[at - 1] != line]

    def mark(self, name: str) -> None:
        (self.root / name).touch()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    if any(Path('/opt/ros').glob('*/setup.bash')):
        pytest.skip('this machine has a ROS 2 below /opt/ros')
    return Workspace(tmp_path / 'a workspace')


def test_first_call_makes_everything_and_the_second_nothing(workspace: Workspace) -> None:
    first = workspace.run('bash', '-c', 'echo "$PYTHONPATH $ROS_DISTRO $MUJOCO_GL"', MUJOCO_GL='egl')
    assert (first.returncode, first.stdout) == (0, f'built:{workspace.root}/tools/pip_ros/stand_in jazzy egl\n'), (
        first.stderr
    )
    assert workspace.asked() == ['venv', 'pip', 'colcon']
    second = workspace.run('true')
    assert (second.returncode, second.stderr, workspace.asked()) == (0, '', [])


@pytest.mark.parametrize(
    ('tool', 'repair'),
    [('venv', ['venv', 'pip', 'colcon']), ('pip', ['venv', 'pip', 'colcon']), ('colcon', ['colcon'])],
)
def test_cut_off_by_sigkill_the_next_call_repairs(workspace: Workspace, tool: str, repair: list[str]) -> None:
    workspace.mark(f'cut_{tool}')
    assert workspace.run('true').returncode != 0
    workspace.asked()
    (workspace.root / 'build').mkdir(exist_ok=True)
    (workspace.root / 'build/half_written').touch()
    repaired = workspace.run('echo', 'through')
    assert (repaired.returncode, repaired.stdout) == (0, 'through\n'), repaired.stderr
    assert workspace.asked() == repair
    assert (workspace.root / 'build/half_written').exists() == (tool != 'colcon')


def test_a_failed_build_is_named_and_continued(workspace: Workspace) -> None:
    workspace.mark('fail_colcon')
    failed = workspace.run('true')
    assert failed.returncode == 1 and 'colcon says no' in failed.stderr and 'the build failed' in failed.stderr
    (workspace.root / 'build/object').touch()
    (workspace.root / 'fail_colcon').unlink()
    assert workspace.run('true').returncode == 0
    assert (workspace.root / 'build/object').exists()


def test_a_failed_installation_shows_what_pip_said(workspace: Workspace) -> None:
    workspace.mark('fail_pip')
    failed = workspace.run('true')
    assert failed.returncode == 1 and 'pip says no' in failed.stderr and 'begins anew' in failed.stderr
    assert 'colcon' not in workspace.asked()


def test_an_environment_that_moved_is_made_anew(workspace: Workspace) -> None:
    assert workspace.run('true').returncode == 0
    workspace.asked()
    moved = workspace.root.with_name('moved')
    workspace.root.rename(moved)
    workspace.root, workspace.environment['FAKE_ROOT'] = moved, str(moved)
    workspace.environment['IGRFT_PYTHON'] = str(moved / 'fake_python')
    assert workspace.run('true').returncode == 0
    assert workspace.asked() == ['venv', 'pip', 'colcon']


def test_two_calls_at_once_work_once(workspace: Workspace) -> None:
    ended: list[subprocess.CompletedProcess[str]] = []
    threads = [threading.Thread(target=lambda: ended.append(workspace.run('true'))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.returncode for one in ended] == [0, 0, 0]
    assert workspace.asked() == ['venv', 'pip', 'colcon']


@pytest.mark.parametrize(
    ('change', 'work'),
    [
        ('src/empty/msg/New.msg', ['colcon']),
        ('src/empty/package.xml', ['colcon']),
        ('launch/new.launch.py', ['colcon']),
        ('config/deep/new.yaml', ['colcon']),
        ('tools/pip_ros/requirements.txt', ['pip', 'colcon']),
        ('src/empty/module.py', []),
        ('launch/__pycache__/new.pyc', []),
    ],
)
def test_what_changed_is_what_is_done(workspace: Workspace, change: str, work: list[str]) -> None:
    workspace.run('true')
    workspace.asked()
    path = workspace.root / change
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('a') as file:
        file.write('# more\n')
    workspace.run('true')
    assert workspace.asked() == work


@pytest.mark.parametrize(('folder', 'work'), [('build', 1), ('install', 1), ('.venv', 3)])
def test_a_folder_that_was_deleted_is_made_again(workspace: Workspace, folder: str, work: int) -> None:
    workspace.run('true')
    shutil.rmtree(workspace.root / folder)
    workspace.asked()
    assert workspace.run('true').returncode == 0
    assert workspace.asked() == ['venv', 'pip', 'colcon'][-work:]


def test_a_python_without_wheels_is_refused_by_name(workspace: Workspace) -> None:
    refused = workspace.run('true', IGRFT_PYTHON='/bin/false')
    assert refused.returncode == 1 and '3.11 and 3.12' in refused.stderr and 'python3.12-venv' in refused.stderr


def test_an_unsupported_ros_is_refused_by_name(workspace: Workspace) -> None:
    del workspace.environment['IGRFT_OUTER_ROS']
    refused = workspace.run('true', ROS_DISTRO='humble', AMENT_PREFIX_PATH='/opt/ros/humble')
    assert (
        refused.returncode == 1
        and 'ROS 2 humble is sourced' in refused.stderr
        and 'jazzy kilted lyrical' in refused.stderr
    )


def test_a_sourced_ros_is_used_and_stays_below(workspace: Workspace) -> None:
    del workspace.environment['IGRFT_OUTER_ROS']
    sourced = {'ROS_DISTRO': 'kilted', 'AMENT_PREFIX_PATH': '/ws/install:/kilted', 'PYTHONPATH': '/kilted/python'}
    done = workspace.run(
        'bash',
        '-c',
        'echo "$ROS_DISTRO $AMENT_PREFIX_PATH $PYTHONPATH"; "$0" echo nested',
        str(workspace.root / 'run'),
        **sourced,
    )
    assert done.stdout == 'kilted /ws/install:/kilted built:/kilted/python\nnested\n', done.stderr
    workspace.asked()
    assert workspace.run('true', **sourced).returncode == 0
    assert workspace.asked() == []
    assert workspace.run('true').returncode == 0  # without it: another environment, from nothing
    assert workspace.asked() == ['venv', 'pip', 'colcon']


def test_missing_rendering_libraries_are_named(workspace: Workspace) -> None:
    workspace.mark('no_rendering')
    tools = workspace.root / 'no_root'
    tools.mkdir()
    (tools / 'id').write_text('#!/bin/sh\necho 1000\n')
    (tools / 'id').chmod(0o755)
    refused = workspace.run('true', PATH=f'{tools}:{workspace.environment["PATH"]}')
    assert refused.returncode == 1 and 'sudo apt-get install libegl1 libgl1-mesa-dri' in refused.stderr


def test_a_signal_reaches_the_command(workspace: Workspace) -> None:
    workspace.run('true')
    command = (
        'import signal; signal.signal(signal.SIGTERM, lambda *_: exit(42)); print("up", flush=True); signal.pause()'
    )
    with subprocess.Popen(
        [str(workspace.root / 'run'), sys.executable, '-c', command], env=workspace.environment, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b'up\n'
        process.terminate()
        assert process.wait(timeout=30) == 42
