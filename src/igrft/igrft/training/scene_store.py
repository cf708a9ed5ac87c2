# SPDX-License-Identifier: Apache-2.0
"""Labelled scenes of several tasks, rendered by several processes into memory-mapped files.

What is rendered depends on the seed, not on the number of processes: scenes are drawn in parts, and each part has its
own generator.
"""

from __future__ import annotations

import json
import multiprocessing
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from igrft.config import RobotConfig, as_dict, named
from igrft.training.scenes import SceneMaker
from igrft.types import Float32, UInt8

if TYPE_CHECKING:
    from igrft_sim.cell import Cell

PART = 200
"""Scenes that are drawn one after another by one generator."""


@dataclass(frozen=True, slots=True)
class Scenes:
    """N labelled scenes.

    Attributes:
        images: camera to [N, S, S, 3] uint8.
        proprio: [N, P].
        targets: [N, K], in SI units and pure numbers; NaN where they belong to another task.
        names: K names.
    """

    images: dict[str, UInt8]
    proprio: Float32
    targets: Float32
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """What to render.

    Attributes:
        tasks: names; each gets ``count`` scenes.
        robot: name of the robot.
        size: [px] of the square images.
        count: scenes of each task.
        seed: of everything.
    """

    tasks: tuple[str, ...]
    robot: str = 'sim'
    size: int = 128
    count: int = 1000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class _Part:
    folder: str
    order: Order
    task: str
    number: int
    row: int
    """of its first scene"""
    count: int
    column: int
    """of its task's first target"""


def make_cell(task: str, robot: str, size: int) -> Cell:
    """The cell of a task and a robot."""
    # The simulated cell is another package; only what renders needs it.
    from igrft_sim.cell import Cell
    from igrft_sim.tasks import make_task

    config = named('robots', robot, RobotConfig)
    return Cell(make_task(task), image_size=size, cameras=[camera.name for camera in config.cameras], robot=config)


def collect(order: Order, folder: Path, jobs: int = 1) -> Scenes:
    """Render into a folder, or take what lies there if it was the same order.

    Raises:
        ValueError: the folder holds the scenes of another order.
    """
    about = folder / 'scenes.json'
    if not about.is_file():
        _render(order, folder, jobs)
    found = json.loads(about.read_text())
    wanted = json.loads(json.dumps(as_dict(order)))
    if found['order'] != wanted:
        raise ValueError(f'{folder}: holds the scenes of {found["order"]}, wanted are {wanted}; use another folder')
    images = {camera: np.load(folder / f'{camera}.npy', mmap_mode='r') for camera in found['cameras']}
    proprio, values = (np.load(folder / f'{name}.npy') for name in ('proprio', 'targets'))
    return Scenes(images, proprio, values, tuple(found['names']))


def _render(order: Order, folder: Path, jobs: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names: list[str] = []
    parts: list[_Part] = []
    for task in order.tasks:
        cell = make_cell(task, order.robot, order.size)
        base, column = len(parts), len(names)
        names += SceneMaker(cell, np.random.default_rng(0)).names
        row = order.tasks.index(task) * order.count
        for start in range(0, order.count, PART):
            size = min(PART, order.count - start)
            parts.append(_Part(str(folder), order, task, len(parts) - base, row + start, size, column))
    rows = len(order.tasks) * order.count
    shape = (rows, order.size, order.size, 3)
    for camera in cell.cameras:
        _open(folder, camera, np.uint8, shape)
    _open(folder, 'proprio', np.float32, (rows, cell.robot.proprio_dim))
    _open(folder, 'targets', np.float32, (rows, len(names)))[:] = np.nan
    begin, done = time.monotonic(), 0
    for size in _work(parts, jobs):
        done += size
        passed = time.monotonic() - begin
        if done % (10 * PART) < size or done == rows:
            rest = passed / done * (rows - done)
            print(f'scene {done}/{rows}  {done / passed:.0f} a second  {rest:.0f} s to go', flush=True)
    about = {'order': as_dict(order), 'cameras': list(cell.cameras), 'names': names}
    (folder / 'scenes.json').write_text(json.dumps(about))


def _open(folder: Path, name: str, kind: type, shape: tuple[int, ...]) -> Any:
    return np.lib.format.open_memmap(folder / f'{name}.npy', 'w+', kind, shape)


def _work(parts: Sequence[_Part], jobs: int) -> Iterator[int]:
    """Render the parts; yields how many scenes each was."""
    if jobs <= 1:
        yield from map(_render_part, parts)
        return
    with multiprocessing.get_context('spawn').Pool(jobs) as pool:
        yield from pool.imap_unordered(_render_part, parts)


_cells: dict[tuple[str, str, int], Any] = {}
"""The cell in which this process renders."""


def _render_part(part: _Part) -> int:
    order = part.order
    key = (part.task, order.robot, order.size)
    if key not in _cells:
        for old in _cells.values():
            old.close()
        _cells.clear()
        _cells[key] = make_cell(*key)
    cell = _cells[key]
    folder = Path(part.folder)
    files = {name: np.load(folder / f'{name}.npy', mmap_mode='r+') for name in (*cell.cameras, 'proprio', 'targets')}
    maker = SceneMaker(cell, np.random.default_rng((order.seed, zlib.crc32(part.task.encode()), part.number)))
    columns = slice(part.column, part.column + len(maker.names))
    for index in range(part.count):
        files['proprio'][part.row + index], files['targets'][part.row + index, columns] = maker.draw(index)
        for camera in cell.cameras:
            files[camera][part.row + index] = cell.render(camera)
    return part.count
