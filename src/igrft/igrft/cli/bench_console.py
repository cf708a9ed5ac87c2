# SPDX-License-Identifier: Apache-2.0
"""`igrft bench console`: how old the camera's pictures are in the browser, and how soon a silent pad stops the arm."""

from __future__ import annotations

import importlib.util
import json
import queue
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from websockets.sync.client import ClientConnection, connect

from igrft.console.hub import HEADER

DOMAIN = 98
"""ROS domain of the measurement."""
TOUCH = json.dumps({'held': True, 'axes': {'x': 1.0}})
REPEAT = 0.03
"""[s] between two words of a held pad, as the page sends them"""
DRAWN = """() => {
  window.ages = [];
  const canvas = document.querySelector('.camera canvas');
  new MutationObserver(() => window.ages.push(Date.now() / 1000 - Number(canvas.dataset.stamp)))
    .observe(canvas, { attributeFilter: ['data-stamp'] });
}"""


def command(
    seconds: Annotated[float, typer.Option(min=5.0, help='[s] of pictures')] = 60.0,
    releases: Annotated[int, typer.Option(min=1, help='how often a held pad falls silent')] = 30,
    width: Annotated[int, typer.Option(help='[px] of each of the two cameras')] = 640,
    height: int = 480,
    rate: Annotated[float, typer.Option(help='[Hz] of the cameras')] = 15.0,
    out: Annotated[Path, typer.Option(help='JSON file of the figures')] = Path('docs/benchmarks/console/results.json'),
) -> None:
    """The console on this machine: age of pictures, and time from a silent browser to a standing arm."""
    from igrft.cli.bench import Figure, save

    what = f'{width}x{height} at {rate:g} Hz, two cameras'
    with ExitStack() as stack:
        robot = stack.enter_context(_running('robot', str(width), str(height), str(float(rate))))
        plain = stack.enter_context(_running('plain'))
        console = stack.enter_context(
            _running('console_node', '--ros-args', '-p', 'port:=0', '-p', 'pad:=true', '--log-level', 'error')
        )
        url = next(found[1] for line in console if (found := re.search(r'console: (http://\S+)', line)))
        page = stack.enter_context(_page(url))
        drawn: list[float] = []
        at_socket = _pictures(url, seconds, page, drawn)
        at_plain = [json.loads(line)['picture'] for line in plain.so_far()][-len(at_socket) :]
        silent, pressed = _releases(url, robot, releases)
    rows = [('a plain subscriber (baseline)', at_plain), ("the console's socket", at_socket)]
    if drawn:
        rows.append(('a Chromium, drawn', drawn))
    figures = []
    base = float(np.median(at_plain))
    for name, ages in rows:
        for label, value in (('median', np.median(ages)), ('p99', np.percentile(ages, 99)), ('max', np.max(ages))):
            figures.append(Figure(f'age of a picture ({what}) at {name}, {label}', float(value) * 1e3, 'ms', len(ages)))
        ratio = float(np.median(ages)) / base
        figures.append(Figure(f'age of a picture at {name}, median over the baseline', ratio, '', len(ages)))
        late = float(np.mean(np.asarray(ages) > 0.1)) * 100
        figures.append(Figure(f'pictures older than 100 ms at {name}', late, '%', len(ages)))
    for label, times in (('pad pressed to teleop/command', pressed), ('pad silent to a standing arm', silent)):
        for word, value in (('median', np.median(times)), ('max', np.max(times))):
            figures.append(Figure(f'{label}, {word}', float(value) * 1e3, 'ms', len(times)))
    save(out, figures)


class _Lines:
    """A process's lines, read in a thread; iterating waits for the next one."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._lines.put(line)

    def __iter__(self) -> Iterator[str]:
        while True:
            yield self._lines.get(timeout=60.0)

    def so_far(self) -> list[str]:
        """What has come and was not read."""
        return [self._lines.get() for _ in range(self._lines.qsize())]


@contextmanager
def _running(role: str, *arguments: str) -> Iterator[_Lines]:
    from igrft.ros.console_probe import started

    process = started(role, *arguments, domain=DOMAIN)
    try:
        yield _Lines(process)
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def _page(url: str) -> Iterator[Any]:
    """A page of the console in a headless Chromium; None where there is none."""
    executable = next((p for name in ('chromium', 'google-chrome') if (p := shutil.which(name))), None)
    if importlib.util.find_spec('playwright') is None or executable is None:
        typer.echo('no Chromium or no Playwright: what a browser adds is not measured (./run tools/browser.sh)')
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage']
        )
        page = browser.new_page()
        page.goto(url)
        page.wait_for_function("() => document.querySelector('.camera canvas')?.dataset.stamp")
        page.evaluate(DRAWN)
        yield page
        browser.close()


def _pictures(url: str, seconds: float, page: Any, drawn: list[float]) -> list[float]:
    """[s] ages of the front camera's pictures at a socket of their own, beside the page's."""
    ages: list[float] = []
    with connect(url.replace('http', 'ws') + 'api/stream', max_size=None) as socket:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            message = socket.recv(timeout=30.0)
            if isinstance(message, bytes):
                _, camera, stamp = HEADER.unpack_from(message)
                if camera == 0:
                    ages.append(time.time() - stamp)
    # The first ones were waiting for a browser.
    if page is not None:
        drawn += page.evaluate('window.ages')[5:]
    return ages[5:]


def _releases(url: str, robot: _Lines, count: int) -> tuple[list[float], list[float]]:
    """[s] from the last word of a held pad to a `teleop/command` that stands, and from the first to one that drives."""
    silent, pressed = [], []
    with (
        connect(url.replace('http', 'ws') + 'api/stream', max_size=None) as watching,
        connect(url.replace('http', 'ws') + 'api/pad') as pad,
    ):
        threading.Thread(target=_drain, args=(watching,), daemon=True).start()
        for _ in range(count):
            robot.so_far()
            began = last = _push(pad)
            while (heard := _first(robot.so_far(), engaged=True)) is None:
                time.sleep(REPEAT)
                last = _push(pad)
            pressed.append(heard - began)
            for _ in range(10):
                time.sleep(REPEAT)
                last = _push(pad)
            while (heard := _first([next(iter(robot))], engaged=False)) is None:
                pass
            silent.append(heard - last)
    return silent, pressed


def _drain(socket: ClientConnection) -> None:
    for _ in socket:
        pass


def _push(pad: ClientConnection) -> float:
    """Says that the pad is held; when [s]."""
    while True:
        now = time.time()
        pad.send(TOUCH)
        if not (problem := json.loads(pad.recv(timeout=30.0))['problem']):
            return now
        if 'gripper' not in problem:
            raise typer.BadParameter(problem)


def _first(lines: list[str], engaged: bool) -> float | None:
    """When the first of these `teleop/command`s arrived that drives, or that says that its device is gone [s]."""
    said = (json.loads(line)['teleop'] for line in lines)
    return next((float(t['heard']) for t in said if (t['engaged'], t['connected']) == (engaged, engaged)), None)
