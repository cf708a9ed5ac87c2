# SPDX-License-Identifier: Apache-2.0
"""What the nodes say of themselves in `/diagnostics`, for the console's page of health."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from diagnostic_msgs.msg import DiagnosticArray

from igrft.console.state import Component
from igrft.ros.diagnostics import LEVELS

SILENCE = 4.0
"""[s] after which a component that reported once a second is stale."""
FORGET = 120.0
"""[s] after which one that is silent is no longer listed."""
ORDER = ('error', 'stale', 'warn', 'ok')
_NAMES = {level: name for name, level in LEVELS.items()}


class HealthWatch:
    """The newest word of every component.

    Args:
        namespace: of the console; only its own graph is listed, all of them from the root.
        clock: monotonic seconds.
    """

    def __init__(self, namespace: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._prefix = f'{namespace.strip("/")}/'.lstrip('/')
        self._clock = clock
        self._heard: dict[str, tuple[float, Component]] = {}

    def take(self, message: DiagnosticArray) -> None:
        """A node's report."""
        now = self._clock()
        for status in message.status:
            if not status.name.startswith(self._prefix):
                continue
            node, _, name = status.name.removeprefix(self._prefix).partition(': ')
            values = {item.key: item.value for item in status.values}
            level = _NAMES.get(status.level, 'stale')
            component = Component(node=node, name=name, level=level, text=status.message, values=values)
            self._heard[status.name] = (now, component)

    def clear(self) -> None:
        """Forget everything: nobody listened since."""
        self._heard = {}

    def value(self, node: str, name: str) -> str:
        """What a node reports under ``name`` in any of its components, '' where it does not."""
        found = (c.values.get(name, '') for _, c in self._heard.copy().values() if c.node == node)
        return next((value for value in found if value), '')

    def components(self) -> Sequence[Component]:
        """The worst first, then by name; a silent one is stale, whatever it said last."""
        now = self._clock()
        found = []
        for heard, said in self._heard.copy().values():
            silent = now - heard
            if silent > FORGET:
                continue
            if silent > SILENCE:
                said = Component(node=said.node, name=said.name, level='stale', text=f'silent for {silent:.0f} s')
            found.append(said)
        return sorted(found, key=lambda c: (ORDER.index(c.level), c.node, c.name))
