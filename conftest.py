# SPDX-License-Identifier: Apache-2.0
"""Every pytest process gets ROS domains of its own: workers, checkouts and a running loop never hear each other.

Property tests draw the same examples every time and are not timed.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO

import hypothesis
import pytest

DOMAINS = range(10, 101, 2)
"""The first of two each: n and n + 1. Above 101 their ports meet those that Linux hands out by itself."""


def _claim() -> tuple[int, IO[str]]:
    """A domain that no other process of this user has claimed; it is free again when the file is closed."""
    folder = Path(tempfile.gettempdir(), f'igrft_test_domains_{os.getuid()}')
    folder.mkdir(exist_ok=True)
    for domain in DOMAINS:
        file = (folder / str(domain)).open('w')
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        return domain, file
    raise pytest.UsageError(f'all {len(DOMAINS)} pairs of ROS domains for tests are claimed; see who holds {folder}')


_domain, _claimed = _claim()
os.environ['ROS_DOMAIN_ID'] = str(_domain)

hypothesis.settings.register_profile('workspace', deadline=None, derandomize=True)
hypothesis.settings.load_profile('workspace')
