# SPDX-License-Identifier: Apache-2.0
"""The pictures of docs/operator.md, taken from a running graph: `./run python tools/console_screenshots.py DIR`.

DIR is the episodes_dir of a loop that has run; nothing in it is changed. The cell runs in real time with its newest
checkpoint and the simulated operator, a trainer trains one more round, and the console shows both. `tools/browser.sh`
installs the browser.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'src/igrft/test/console'))

import chromium  # noqa: E402
from chromium import LIVE  # noqa: E402

PATIENCE = 120_000
"""[ms] for a whole graph to start, or an episode to come to the moment that is pictured."""
THEMES = ('light', 'dark')
PICTURED = "() => [...document.querySelectorAll('#cameras .stale')].every((word) => word.hidden)"
BUSY = """() => [...document.querySelectorAll('#cameras .stale')].every((word) => word.hidden)
  && document.querySelector('#episode-state').dataset.state === 'recording'
  && document.querySelectorAll('#subtasks [data-done=true]').length >= 2
  && document.querySelector('#value-now').textContent !== '–'"""
LOADED = "() => [...document.querySelectorAll('#replay img')].every((image) => image.complete && image.naturalWidth)"


@contextmanager
def started(*command: str, output: int | IO[str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A process that is asked to end, and does; it speaks on this one's error output."""
    process = subprocess.Popen(command, stdout=output or sys.stderr, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()


def borrowed(episodes: Path, folder: Path, task: str) -> None:
    """An episodes_dir that a trainer may write to, without a copy of the bags."""
    for name in (task, 'cache'):
        if (episodes / name).is_dir():
            (folder / name).symlink_to((episodes / name).resolve())
    for name in ('checkpoints', 'tensorboard'):
        shutil.copytree(episodes / name, folder / name)


def newest_checkpoint(episodes: Path, task: str) -> Path:
    found = list(json.loads((episodes / task / 'loop.json').read_text())['checkpoints'].values())
    return episodes / 'checkpoints' / Path(found[-1]).name


def console_url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r'console: (http://\S+)', line):
            return found[1]
    raise SystemExit('console_node ended before it served anything')


class Photographer:
    """Takes pictures of a page in both colour schemes."""

    def __init__(self, browser: Browser, url: str, out: Path, size: tuple[int, int]) -> None:
        self.page: Page = browser.new_page(viewport={'width': size[0], 'height': size[1]})
        self.out = out
        self._errors: list[str] = []
        self.page.on('pageerror', lambda error: self._errors.append(str(error)))
        self.page.set_default_timeout(PATIENCE)
        self.page.goto(url)
        self.page.wait_for_function(LIVE)

    def take(self, name: str, ready: str = '() => true') -> None:
        """`console_<name>_<theme>.png` in each theme, as soon as the page is ready for it."""
        for theme in THEMES:
            if self.page.evaluate('document.documentElement.dataset.theme') != theme:
                self.page.keyboard.press('t')
            self.page.wait_for_function(ready)
            path = self.out / f'console_{name}_{theme}.png'
            self.page.screenshot(path=path)
            Image.open(path).convert('RGB').quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
            print(f'{path} {path.stat().st_size // 1000} kB', flush=True)
        if self._errors:
            raise SystemExit(f'{name}: the page has errors: {self._errors}')


def corrected(folder: Path, task: str) -> str:
    """The newest successful episode in which a human took over and gave back: it has something to show."""
    from igrft.episodes.catalog import iterate
    from igrft.types import Kind, Outcome

    found = [e.meta.id for e in iterate(folder, task, Kind.CORRECTION, Outcome.SUCCESS) if e.meta.interventions]
    if not found:
        raise SystemExit(f'{folder}: no corrected episode; run the loop with rounds')
    return found[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('episodes', type=Path, help='episodes_dir of a loop that has run')
    parser.add_argument('--task', default='block_stacking')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs/images')
    parser.add_argument('--width', type=int, default=1440)
    parser.add_argument('--height', type=int, default=900)
    parser.add_argument('--only', nargs='*', default=['drive', 'health', 'episodes', 'pad', 'trainer'])
    parser.add_argument('--rtf', default='1', help='speed of the cell; below 1 on a machine that is too slow')
    parser.add_argument('--domain', default='99', help='ROS domain of the graph that is pictured')
    arguments = parser.parse_args()
    os.environ['ROS_DOMAIN_ID'] = arguments.domain
    task, episodes = arguments.task, arguments.episodes.expanduser().resolve()
    checkpoint = newest_checkpoint(episodes, task)
    with ExitStack() as stack:
        folder, scratch = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2))
        borrowed(episodes, folder, task)
        stack.enter_context(
            started('ros2', 'launch', 'igrft', 'collect.launch.py', 'kind:=correction', 'episodes:=500',
                    f'rtf:={arguments.rtf}',
                    f'task:={task}', f'checkpoint:={checkpoint}', f'episodes_dir:={scratch}', 'console:=false')
        )  # fmt: skip
        ros = ('ros2', 'run', 'igrft')
        stack.enter_context(
            started(*ros, 'trainer_node', '--ros-args', '-p', f'episodes_dir:={folder}', '-p', f'task:={task}',
                    '-p', 'autostart:=true', '--log-level', 'warn')
        )  # fmt: skip
        playwright = stack.enter_context(sync_playwright())
        browser = stack.enter_context(chromium.launched(playwright))

        clock = f'use_sim_time:={str(float(arguments.rtf) != 1).lower()}'  # in real time there is no clock topic

        def console(*parameters: str) -> str:
            words = [word for parameter in parameters for word in ('-p', parameter)]
            process = stack.enter_context(
                started(*ros, 'console_node', '--ros-args', '-p', 'port:=0', '-p', f'episodes_dir:={folder}',
                        '-p', f'task:={task}', '-p', clock, *words, output=subprocess.PIPE)
            )  # fmt: skip
            return console_url(process)

        size = (arguments.width, arguments.height)
        photographer = Photographer(browser, console(), arguments.out, size)
        page = photographer.page
        if 'drive' in arguments.only:
            page.wait_for_function(PICTURED)
            photographer.take('drive', BUSY)
        if 'episodes' in arguments.only:
            page.goto(page.url.split('#')[0] + f'#episodes/{corrected(folder, task)}')
            page.wait_for_selector('#replay:not([hidden])')
            page.locator('#scrub').fill(str(int(page.locator('#scrub').get_attribute('max') or 0) * 2 // 3))
            page.evaluate('document.activeElement.blur()')
            photographer.take('episodes', LOADED)
        if 'health' in arguments.only:
            page.keyboard.press('4')
            photographer.take('health', "() => document.querySelectorAll('#components section').length >= 8")
        if 'trainer' in arguments.only:
            page.keyboard.press('3')
            # As a loop would ask for it: while one runs, the page itself starts no training.
            goal = json.dumps({'stage': 'hil', 'round': 5, 'task': task})
            stack.enter_context(
                started('ros2', 'action', 'send_goal', '/train_stage', 'igrft_msgs/action/TrainStage', goal)
            )
            photographer.take('trainer', "() => parseFloat(document.querySelector('#now-bar').style.width) > 15")
        if 'pad' in arguments.only:
            tablet = Photographer(browser, console('pad:=true'), arguments.out, (1280, 800))
            tablet.page.wait_for_function(PICTURED)
            tablet.take('pad', BUSY)


if __name__ == '__main__':
    main()
