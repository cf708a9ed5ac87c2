# SPDX-License-Identifier: Apache-2.0
"""The console over the fake bridge."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parent))

from fake_bridge import FakeBridge

from igrft.console.access import Access
from igrft.console.app import create_app


@pytest.fixture
def bridge() -> FakeBridge:
    return FakeBridge()


@pytest.fixture
def client(bridge: FakeBridge) -> Iterator[TestClient]:
    """A browser on the same machine."""
    app = create_app(bridge, Access.for_address('127.0.0.1', 8080))
    with TestClient(app, base_url='http://127.0.0.1:8080') as client:
        yield client
