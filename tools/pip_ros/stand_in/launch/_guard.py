# SPDX-License-Identifier: Apache-2.0
"""Run as a script: ends the launched processes when launch itself dies without a word.

It reads ``+PID`` and ``-PID`` lines from standard input, which only the launch holds open. At its
end the processes still listed get what launch would have given them: SIGINT, then SIGTERM, then
SIGKILL. It has a session of its own and ignores the terminal's signals, so that it outlives the
launch by as much as that takes. Only the standard library, no site packages: it starts in 15 ms.
"""

import os
import select
import signal
import sys

GRACE_S = 5.0


def _signal_all(pids: dict[int, int], number: signal.Signals, group: bool) -> None:
    for pid in pids:
        try:
            if group:
                os.killpg(pid, number)
            else:
                os.kill(pid, number)
        except ProcessLookupError:
            continue


def _wait(pids: dict[int, int], seconds: float) -> None:
    """Drop from `pids` what has ended, until all have or `seconds` are over."""
    poll = select.poll()
    for descriptor in pids.values():
        poll.register(descriptor, select.POLLIN)
    by_descriptor = {descriptor: pid for pid, descriptor in pids.items()}
    while pids:
        ended = poll.poll(seconds * 1000)
        if not ended:
            return
        for descriptor, _ in ended:
            poll.unregister(descriptor)
            os.close(descriptor)
            del pids[by_descriptor[descriptor]]


def main() -> None:
    """Keep the list until standard input ends, then end what is on it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    alive: dict[int, int] = {}
    for line in sys.stdin:
        pid = int(line[1:])
        if line[0] == '-':
            descriptor = alive.pop(pid, None)
            if descriptor is not None:
                os.close(descriptor)
            continue
        try:
            # A descriptor, so that a process id used again cannot be mistaken for ours.
            alive[pid] = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
    groups = (
        (signal.SIGINT, False, GRACE_S), (signal.SIGTERM, True, GRACE_S),
        (signal.SIGKILL, True, 1.0))
    for number, whole_group, patience in groups:
        _wait(alive, 0.0)
        _signal_all(alive, number, whole_group)
        _wait(alive, patience)


if __name__ == '__main__':
    main()
