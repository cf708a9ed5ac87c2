# SPDX-License-Identifier: Apache-2.0
"""A Chromium for Playwright, the system's, else Playwright's own; and what one reads on a page of the console."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
INSTALL = '`./run tools/browser.sh` installs it'
LIVE = "() => document.querySelector('#link').dataset.link === 'live'"
"""Whether a page of the console hears the robot."""
OPTIONS = ['--disable-gpu', '--disable-dev-shm-usage', '--autoplay-policy=no-user-gesture-required']


def missing() -> str:
    """Why there is no browser to test with, '' when there is one."""
    if importlib.util.find_spec('playwright') is None:
        return f'Playwright is not installed; {INSTALL}'
    if _system() is None and not any(_own().glob('chromium*')):
        return f'no Chromium is installed (looked for {", ".join(NAMES)} and below {_own()}); {INSTALL}'
    return ''


def _system() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def _own() -> Path:
    return Path(os.environ.get('PLAYWRIGHT_BROWSERS_PATH') or '~/.cache/ms-playwright').expanduser()


@contextmanager
def launched(playwright: Any) -> Iterator[Any]:
    """A headless browser over a running Playwright."""
    options = [*OPTIONS, *(['--no-sandbox'] if os.geteuid() == 0 else [])]  # Chromium refuses to run as root with it
    browser = playwright.chromium.launch(executable_path=_system(), args=options)
    try:
        yield browser
    finally:
        browser.close()


def says(page: Any, selector: str, text: str) -> None:
    """Waits until an element says something."""
    page.wait_for_function(
        '([selector, text]) => document.querySelector(selector)?.innerText.toLowerCase().includes(text.toLowerCase())',
        arg=[selector, text],
    )
