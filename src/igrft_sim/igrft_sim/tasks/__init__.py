# SPDX-License-Identifier: Apache-2.0
"""The tasks of the cell, by name."""

from __future__ import annotations

from igrft.config import ConfigError, TaskConfig, named, nearest
from igrft_sim.tasks.base import SPLITS, Expert, Scene, SuccessHold, Task, TaskState
from igrft_sim.tasks.block_stacking import BlockStacking
from igrft_sim.tasks.drink_shelving import DrinkShelving
from igrft_sim.tasks.parcel_packing import ParcelPacking
from igrft_sim.tasks.sort_hand_over import SortHandOver

TASKS: dict[str, type[Task]] = {
    BlockStacking.name: BlockStacking,
    DrinkShelving.name: DrinkShelving,
    ParcelPacking.name: ParcelPacking,
    SortHandOver.name: SortHandOver,
}

__all__ = ['SPLITS', 'TASKS', 'Expert', 'Scene', 'SuccessHold', 'Task', 'TaskState', 'make_task']


def make_task(name: str) -> Task:
    """The task of that name, with its ``config/tasks`` file (or ``name`` is the path of such a file).

    Raises:
        ConfigError: unknown task, or a file that does not fit it.
    """
    if not name.endswith(('.yaml', '.yml')) and name not in TASKS:
        raise ConfigError(f"the cell has no task '{name}'; {nearest(name, TASKS)}")
    config = named('tasks', name, TaskConfig)
    if config.name not in TASKS:
        raise ConfigError(f"{name}: name: the cell has no task '{config.name}'; {nearest(config.name, TASKS)}")
    try:
        return TASKS[config.name](config)
    except ValueError as error:
        raise ConfigError(f'{name}: {error}') from error
