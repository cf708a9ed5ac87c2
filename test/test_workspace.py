# SPDX-License-Identifier: Apache-2.0
"""The workspace as a whole: package types and versions, executables, licences, and what ./run promises."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ('igrft', 'igrft_msgs', 'igrft_sim')


def test_colcon_finds_every_package_with_its_type() -> None:
    listed = subprocess.run(
        [sys.executable, '-m', 'colcon', 'list'], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    kinds = {line.split('\t')[0]: line.split('\t')[2] for line in listed.strip().splitlines()}
    assert kinds == dict(igrft='(ros.ament_python)', igrft_msgs='(ros.ament_cmake)', igrft_sim='(ros.ament_python)')


def test_versions_agree() -> None:
    versions = {ElementTree.parse(ROOT / 'src' / name / 'package.xml').findtext('version') for name in PACKAGES}
    for name in ('igrft', 'igrft_sim'):
        found = re.search(r"version='([^']+)'", (ROOT / 'src' / name / 'setup.py').read_text())
        assert found is not None
        versions.add(found.group(1))
    versions.add(importlib.import_module('igrft').__version__)
    assert len(versions) == 1


def node_modules() -> list[str]:
    return [
        f'{name}.nodes.{path.stem}'
        for name in ('igrft', 'igrft_sim')
        for path in sorted((ROOT / 'src' / name / name / 'nodes').glob('*_node.py'))
    ]


@pytest.mark.parametrize('module', node_modules())
def test_every_node_is_installed_and_has_a_main(module: str) -> None:
    package, name = module.split('.')[0], module.split('.')[-1]
    assert callable(importlib.import_module(module).main)
    assert os.access(ROOT / 'install' / package / 'lib' / package / name, os.X_OK)


def test_every_source_file_names_its_licence() -> None:
    tracked = subprocess.run(['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    bare = [
        name
        for name in tracked
        if name.endswith(('.py', '.sh', '.cmake', '.yaml'))
        and 'SPDX-License-Identifier: Apache-2.0' not in (ROOT / name).read_text()[:200]
    ]
    assert bare == []


def test_the_licence_is_there_and_named_by_every_package() -> None:
    assert 'Version 2.0, January 2004' in (ROOT / 'LICENSE').read_text()
    named = {ElementTree.parse(ROOT / 'src' / name / 'package.xml').findtext('license') for name in PACKAGES}
    assert named == {'Apache-2.0'}


def test_a_second_run_does_no_work() -> None:
    stamps = [ROOT / '.venv' / name for name in ('.packages_stamp', '.build_stamp', '.environment.sh')]
    before = [stamp.stat().st_mtime_ns for stamp in stamps]
    done = subprocess.run(['./run', 'echo', 'through'], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == 'through\n' and done.stderr == ''
    assert [stamp.stat().st_mtime_ns for stamp in stamps] == before


def test_run_hands_on_the_exit_code_and_arguments() -> None:
    done = subprocess.run(
        ['./run', 'bash', '-c', 'printf "%s|" "$@"; exit 7', '-', 'a b', 'c'], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (7, 'a b|c|')


def test_setuptools_still_links_instead_of_copying() -> None:
    import setuptools

    assert int(setuptools.__version__.split('.')[0]) < 80
    assert (ROOT / 'install/igrft/share/igrft/launch/rl_loop.launch.py').resolve() == ROOT / 'launch/rl_loop.launch.py'


def pins(*files: str) -> dict[str, str]:
    lines = [line for name in files for line in (ROOT / 'tools/pip_ros' / name).read_text().splitlines()]
    found = [re.fullmatch(r'([A-Za-z0-9._-]+)==(\S+)', line.split('#')[0].strip()) for line in lines]
    return {canonicalize_name(one[1]): one[2] for one in found if one is not None}


def test_every_package_that_is_needed_is_pinned_and_installed() -> None:
    """What requirements*.txt name, and all that these need, has one version; ROS wheels pin themselves."""
    pinned = pins('constraints.txt', 'requirements-ros.txt')
    text = '\n'.join(
        (ROOT / 'tools/pip_ros' / name).read_text() for name in ('requirements.txt', 'requirements-dev.txt')
    )
    waiting = [line.split('#')[0].strip() for line in text.splitlines() if line.split('#')[0].strip()]
    seen: set[str] = set()
    while waiting:
        needed = Requirement(waiting.pop())
        if needed.marker is not None and not needed.marker.evaluate({'extra': ''}):
            continue
        name = canonicalize_name(needed.name)
        if name in seen:
            continue
        seen.add(name)
        assert name in pinned, f'{needed.name} has no line in tools/pip_ros/constraints.txt'
        installed = metadata.distribution(name)
        assert Version(installed.version).public == pinned[name]
        waiting += installed.requires or []
    assert {'torch', 'mujoco', 'colcon-core'} <= seen


def imported(package: str) -> set[str]:
    """The names of the top-level packages that the sources of a package import, absolute ones."""
    found: set[str] = set()
    for path in (ROOT / 'src' / package / package).rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found.update(alias.name.split('.')[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                found.add(node.module.split('.')[0])
    return found - {package} - sys.stdlib_module_names


def declared(package: str) -> set[str]:
    """What a package declares: distributions in setup.py, ROS packages in package.xml."""
    strings = [node.value for node in ast.walk(ast.parse((ROOT / 'src' / package / 'setup.py').read_text()))
               if isinstance(node, ast.Constant) and isinstance(node.value, str)]  # fmt: skip
    manifest = ElementTree.parse(ROOT / 'src' / package / 'package.xml').getroot()
    depends = [item.text for item in manifest if item.tag.endswith('depend') and item.text]
    return {canonicalize_name(one) for one in [*strings, *depends] if re.fullmatch(r'[A-Za-z][A-Za-z0-9_.-]*', one)}


@pytest.mark.parametrize('package', ['igrft', 'igrft_sim'])
def test_every_import_is_declared(package: str) -> None:
    # Imported inside functions, for those who have them: the cell, and MoveIt on a robot.
    optional = {'igrft': {'igrft_sim', 'mujoco', 'moveit'}, 'igrft_sim': set()}[package]
    known = declared(package) | {canonicalize_name(name) for name in optional}
    distributions = metadata.packages_distributions()
    missing = {
        name for name in imported(package)
        if not {canonicalize_name(one) for one in [name, *distributions.get(name, [])]} & known
    }  # fmt: skip
    assert missing <= {'ament_index_python', 'starlette'}, (
        f'{package} imports what it does not declare: {sorted(missing)}'
    )
