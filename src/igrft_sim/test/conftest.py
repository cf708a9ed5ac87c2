# SPDX-License-Identifier: Apache-2.0
"""Shared fixtures: cells are costly to build, so tests of a module share one."""

import sys
from pathlib import Path

import igrft_sim  # noqa: F401  chooses the renderer before mujoco is imported

import pytest  # isort: skip

from igrft_sim.cell import Cell
from igrft_sim.env import CellEnv
from igrft_sim.tasks import make_task

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope='module')
def blind():
    """A cell without cameras, as an environment."""
    return CellEnv(Cell(make_task('block_stacking'), cameras=()))


@pytest.fixture(scope='module')
def seeing():
    """A cell with both cameras."""
    env = CellEnv(Cell(make_task('block_stacking'), image_size=64))
    yield env
    env.cell.close()
