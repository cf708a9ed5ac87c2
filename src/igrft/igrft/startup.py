# SPDX-License-Identifier: Apache-2.0
"""What a process settles before its work: Ctrl-C while it still imports, and its priority."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

REALTIME = 50
"""SCHED_FIFO priority of the control chain, as ros2_control's, where the system grants it (RLIMIT_RTPRIO)."""
URGENT = -15
"""Its nice value where only that is allowed (RLIMIT_NICE)."""


def go_first() -> str:
    """Take :data:`REALTIME`, else :data:`URGENT`, for this thread and those it starts.

    Returns:
        What was denied and how to allow it; empty where nothing was.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(REALTIME))
        return ''
    except PermissionError:
        denied = f'runs without real-time priority; to allow it, set RLIMIT_RTPRIO to {REALTIME} (ulimit -r)'
    try:
        os.setpriority(os.PRIO_PROCESS, 0, URGENT)
    except PermissionError:
        denied += f' or at least RLIMIT_NICE (ulimit -e) for nice {URGENT}'
    return denied


def leave_quietly_while_importing() -> None:
    """Until the node sets its own handler, SIGINT ends a node's process at once with exit code 0: nothing is open yet.

    Importing torch or MuJoCo takes seconds.

    Elsewhere (tests, notebooks, other programs that import a node) it changes nothing.
    """
    if Path(sys.argv[0]).name.endswith('_node'):
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(0))
