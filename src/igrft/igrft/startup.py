# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C while a node still imports torch or MuJoCo, which takes seconds."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path


def leave_quietly_while_importing() -> None:
    """Until the node sets its own handler, SIGINT ends a node's process at once with exit code 0: nothing is open yet.

    Elsewhere (tests, notebooks, other programs that import a node) it changes nothing.
    """
    if Path(sys.argv[0]).name.endswith('_node'):
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(0))
