# SPDX-License-Identifier: Apache-2.0
"""A :class:`igrft.devices.fake_hid.FakeHid` in a process of its own, whose reports no busy neighbour delays.

`python -m igrft.devices.fake_hid_process SOCKET DEVICE` reads one JSON object a line, e.g.
`{"axes": {"x": 0.5}, "pressed": ["LEFT"]}` (the hand lies so from now on), `{"silent": true}` (reports stop),
`{"plugged": false}` (`true` waits until it is read), and answers each with the monotonic time at which it was done.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from igrft.devices.fake_hid import FakeHid
from igrft.startup import go_first

READER = 30.0
"""[s] until somebody must have opened a device that was plugged in by an order"""


class FakeHidProcess:
    """Starts the process and gives it orders; each returns when it was carried out (monotonic) [s].

    Args:
        path: of the socket.
        device: name in the tables.
    """

    def __init__(self, path: Path | str, device: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'igrft.devices.fake_hid_process', str(path), device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,  # Ctrl-C is for its owner, which ends it
        )

    def hold(self, axes: Mapping[str, float], pressed: Iterable[str] = ()) -> float:
        """The hand lies so from now on."""
        return self._order(axes=dict(axes), pressed=sorted(pressed))

    def silence(self) -> float:
        """The reports stop while the device stays plugged in."""
        return self._order(silent=True)

    def plug(self) -> float:
        """Plug it in, and wait until somebody reads it."""
        return self._order(plugged=True)

    def unplug(self) -> float:
        return self._order(plugged=False)

    def close(self) -> None:
        """Unplug it for good."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)

    def _order(self, **order: Any) -> float:
        """Raises OSError when the process has died."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + '\n')
        answer = self._process.stdout.readline()
        if not answer:
            raise OSError('the fake SpaceMouse has died')
        return float(answer)


def main(arguments: list[str] | None = None) -> int:
    """See the module."""
    path, device = sys.argv[1:] if arguments is None else arguments
    go_first()
    with FakeHid(path, device) as hid:
        for line in sys.stdin:
            print(_carry_out(hid, json.loads(line)), flush=True)
    return 0


def _carry_out(hid: FakeHid, order: dict[str, Any]) -> float:
    if order.get('silent'):
        return hid.silence()
    if order.get('plugged'):
        when = hid.plug()
        hid.wait_for_reader(READER)
        return when
    if 'plugged' in order:
        return hid.unplug()
    return hid.hold(order['axes'], order['pressed'])


if __name__ == '__main__':
    raise SystemExit(main())
