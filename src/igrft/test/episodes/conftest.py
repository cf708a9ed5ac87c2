# SPDX-License-Identifier: Apache-2.0
"""A small robot, its task, synthetic episodes of it, and a graph that plays one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_graph import Graph

from igrft.config import RobotConfig, TaskConfig, named
from igrft.episodes.synthetic import Script, write_synthetic

Record = Callable[..., Path]


@pytest.fixture(scope='session')
def robot() -> RobotConfig:
    """The simulated cell with cameras small enough for fast tests."""
    cell = named('robots', 'sim', RobotConfig)
    return replace(cell, cameras=tuple(replace(c, width=48, height=48) for c in cell.cameras))


@pytest.fixture(scope='session')
def task() -> TaskConfig:
    return named('tasks', 'block_stacking', TaskConfig)


@pytest.fixture
def record(tmp_path: Path, robot: RobotConfig, task: TaskConfig) -> Record:
    """Write a synthetic episode below ``tmp_path``: ``record(steps=…, kind=…)``."""

    def write(**script: object) -> Path:
        return write_synthetic(tmp_path, robot, task, Script(**{'steps': 12, **script}))  # type: ignore[arg-type]

    return write


@pytest.fixture
def graph(tmp_path: Path, robot: RobotConfig, task: TaskConfig) -> Iterator[Graph]:
    made = Graph(tmp_path, robot, task)
    yield made
    made.manager.interrupt('the test is over', 0.0, 0)
    assert made.manager.wait(20)
