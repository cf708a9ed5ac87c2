# SPDX-License-Identifier: Apache-2.0
"""A round of corrections from the page alone: a real browser on a real graph, pad, labels, stop and replay."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from igrft.config import RobotConfig, config_dir, named
from igrft.episodes.catalog import iterate
from igrft.policies.registry import create
from igrft.training import checkpoint
from igrft.training.worker import robot_spec
from igrft.types import Kind, Outcome

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'src/igrft/test/console'))

import chromium
from chromium import LIVE, says

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(bool(chromium.missing()), reason=chromium.missing()),
]
PATIENCE = 60_000
"""[ms] until what should be seen is given up"""


@pytest.fixture
def collecting(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The graph, two corrected episodes of an untrained policy, and nobody but the page to correct."""
    torch.manual_seed(0)
    policy = create('compact_flow', **robot_spec(named('robots', 'sim', RobotConfig)))
    untrained = checkpoint.save(checkpoint.Checkpoint('untrained', policy), tmp_path / 'checkpoints')
    task = tmp_path / 'block_stacking.yaml'
    shipped = (config_dir() / 'tasks' / task.name).read_text()
    task.write_text(re.sub('max_duration: .*', 'max_duration: 600.0', shipped))
    launch = ['ros2', 'launch', 'igrft', 'collect.launch.py', 'kind:=correction', 'episodes:=2', 'rtf:=1']
    more = ['teleop:=console', 'console_pad:=true', 'console_port:=0', f'task:={task}', f'checkpoint:={untrained}']
    process = subprocess.Popen(
        [*launch, *more, f'episodes_dir:={tmp_path}/data', 'log_level:=info'],
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield process
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)


@pytest.fixture
def page(collecting: subprocess.Popen[str]) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    said, url = [], None
    assert collecting.stdout is not None
    for line in collecting.stdout:
        said.append(line)
        if url := re.search(r'console: (http://\S+)', line):
            break
    assert url, ''.join(said)
    with sync_playwright() as playwright, chromium.launched(playwright) as browser:
        tab = browser.new_page(viewport={'width': 1280, 'height': 800})
        tab.set_default_timeout(PATIENCE)
        tab.goto(url[1])
        tab.wait_for_function(LIVE)
        yield tab


def done(page: Any, count: int) -> None:
    """Waits until so many subtasks are done."""
    page.wait_for_function(
        "count => document.querySelectorAll('#subtasks [data-done=true]').length === count", arg=count
    )


def test_a_round_of_corrections_from_the_page(page: Any, collecting: subprocess.Popen[str], tmp_path: Path) -> None:
    errors: list[str] = []
    page.on('pageerror', lambda error: errors.append(str(error)))
    says(page, '#episode-state', 'recording')
    says(page, '#driver', 'Policy drives')

    box = page.wait_for_selector('#pad-move').bounding_box()
    page.mouse.move(box['x'] + box['width'] / 2, box['y'] + box['height'] / 2)
    page.mouse.down()
    page.mouse.move(box['x'] + box['width'] / 2, box['y'] + 2)
    says(page, '#driver', 'Human drives')
    page.mouse.up()
    says(page, '#driver', 'Policy drives')
    page.click('#mark')
    done(page, 1)
    page.click('#success')

    done(page, 0)
    says(page, '#episode-state', 'recording')
    says(page, '#driver', 'Policy drives')
    page.keyboard.press('2')
    says(page, '#shelf-count', '1 shown, 1 successful')
    page.click('#shelf a')
    page.wait_for_function(
        "() => [...document.querySelectorAll('#replay img')].length === 2"
        " && [...document.querySelectorAll('#replay img')].every((image) => image.naturalWidth > 0)"
    )
    page.keyboard.press(' ')
    says(page, '#driver', 'Stopped')
    page.reload()
    page.wait_for_function(LIVE)
    says(page, '#driver', 'Stopped')
    page.keyboard.press('Shift+R')
    says(page, '.page:not([hidden]) .messages', 'Press again')
    page.keyboard.press('Shift+R')
    page.wait_for_selector('#banner', state='hidden')
    page.keyboard.press('1')
    page.click('#failure')
    said = collecting.stdout.read() if collecting.stdout else ''
    assert collecting.wait(timeout=60) == 0, said
    assert errors == []

    first, second = (episode.meta for episode in iterate(tmp_path / 'data'))
    assert (first.kind, first.outcome, first.labelled_by) == (Kind.CORRECTION, Outcome.SUCCESS, 'operator')
    assert len(first.interventions) == 1
    assert {'policy', 'human'} <= {span.source for span in first.sources}
    assert 'console' in {subtask.annotator for subtask in first.subtasks}
    assert (second.outcome, second.labelled_by, len(second.interventions)) == (Outcome.FAILURE, 'operator', 0)
    assert 'hold' in {span.source for span in second.sources}
