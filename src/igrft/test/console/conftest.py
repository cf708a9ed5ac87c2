# SPDX-License-Identifier: Apache-2.0
"""The console over the fake bridge, and over real, made-up episodes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parent))

from fake_bridge import FakeBridge, FakeRecords

from igrft.config import RobotConfig, TaskConfig, named
from igrft.console.access import Access
from igrft.console.app import create_app
from igrft.console.recordings import Recordings
from igrft.devices.mapping import TeleopConfig, TeleopMapper
from igrft.episodes.synthetic import Script, write_synthetic
from igrft.types import Kind


@pytest.fixture
def bridge() -> FakeBridge:
    return FakeBridge()


@pytest.fixture(scope='session')
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recorded episodes; tests that change one take a copy."""
    root = tmp_path_factory.mktemp('shelf')
    robot, task = named('robots', 'sim', RobotConfig), named('tasks', 'block_stacking', TaskConfig)
    for seed, kind in enumerate((Kind.DEMONSTRATION, Kind.CORRECTION)):
        write_synthetic(root, robot, task, Script(steps=12, kind=kind, seed=seed))
    return root


@pytest.fixture
def recordings(shelf: Path) -> Recordings:
    return Recordings(shelf)


@pytest.fixture
def pad() -> TeleopMapper:
    return TeleopMapper(named('teleop', 'console', TeleopConfig))


@pytest.fixture
def client(bridge: FakeBridge, recordings: Recordings, pad: TeleopMapper) -> Iterator[TestClient]:
    """A browser on the same machine."""
    app = create_app(bridge, Access.for_address('127.0.0.1', 8080), recordings, FakeRecords(), pad)
    with TestClient(app, base_url='http://127.0.0.1:8080') as client:
        yield client
