# SPDX-License-Identifier: Apache-2.0
"""The pictures of docs/operator.md: `./run python tools/console_screenshots.py`. Needs an installed Chromium.

The page runs over the fake bridge of its tests, with the pictures of the simulated cell.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'src/igrft/test/console'))

import chromium  # noqa: E402
import fake_bridge  # noqa: E402

from igrft.console.server import ConsoleServer  # noqa: E402
from igrft.types import Kind  # noqa: E402
from igrft_sim.cell import Cell  # noqa: E402
from igrft_sim.env import CellEnv  # noqa: E402
from igrft_sim.operator import Habits, Operator  # noqa: E402
from igrft_sim.snapshot import picture  # noqa: E402
from igrft_sim.tasks import make_task  # noqa: E402

SEED, STEP = 5, 22
"""The attempt, and when it is looked at: the block is in the air."""


def cell_pictures() -> dict[str, np.ndarray]:
    """What the two cameras of the cell see in the middle of an attempt, in the size that a real camera has."""
    cell = CellEnv(Cell(make_task('block_stacking')))
    cell.reset(SEED)
    operator = Operator(cell.cell.task, Kind.DEMONSTRATION, SEED, Habits(noise=0.0))
    for _ in range(STEP):
        cell.step(operator.tick(cell.cell.task_state(), cell.cell.ee_pose, cell.cell.opening).action)
    return {name: picture(cell.cell, 480, 480, name, insets=False) for name in cell.cell.cameras}


def take(browser: chromium.Chromium, url: str, path: Path, dark: bool, width: int, height: int) -> None:
    """One picture of the page in one colour scheme."""
    page = browser.page(url, width, height, dark)
    page.wait("document.querySelector('#link').dataset.link === 'live'")
    page.wait("[...document.querySelectorAll('.camera .stale')].every((word) => word.hidden)")
    page.wait("document.querySelector('#value-now').textContent !== '–'")
    page.screenshot(path)
    if page.errors:
        raise SystemExit(f'{path.name}: the page has errors: {page.errors}')
    page.close()
    Image.open(path).convert('RGB').save(path, optimize=True)
    print(f'{path} {path.stat().st_size // 1000} kB')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, default=ROOT / 'docs/images')
    parser.add_argument('--width', type=int, default=1440)
    parser.add_argument('--height', type=int, default=900)
    arguments = parser.parse_args()
    executable = chromium.find()
    if executable is None:
        raise SystemExit('no Chromium is installed: apt install chromium')
    bridge = fake_bridge.FakeBridge(fake_bridge.RECORDING, cell_pictures())
    bridge.history = fake_bridge.episode_samples()
    server = ConsoleServer(bridge, port=0)
    server.start()
    try:
        with chromium.Chromium(executable) as browser:
            for name, dark in (('light', False), ('dark', True)):
                path = arguments.out / f'console_{name}.png'
                take(browser, server.url, path, dark, arguments.width, arguments.height)
    finally:
        server.close()


if __name__ == '__main__':
    main()
