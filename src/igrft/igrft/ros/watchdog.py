# SPDX-License-Identifier: Apache-2.0
"""Which expected stream is missing, late or wrong. Judged by monotonic receipt time, never by header stamps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Stream:
    timeout: float
    since: float
    received: int = 0
    wrong: str = ''
    wrong_since: float = field(default=0.0)


class Watchdog:
    """Watches streams by the time their messages arrive.

    Args:
        clock: monotonic seconds.
        publishers: how many publishers a topic has, to tell "nobody publishes" from "it is late"; optional.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        publishers: Callable[[str], int] | None = None,
    ) -> None:
        self._clock = clock
        self._publishers = publishers
        self._streams: dict[str, _Stream] = {}

    def expect(self, topic: str, timeout: float) -> None:
        """From now on a message of ``topic`` must arrive every ``timeout`` seconds."""
        self._streams[topic] = _Stream(timeout=timeout, since=self._clock())

    def forget(self, topic: str) -> None:
        """No longer expect ``topic``."""
        self._streams.pop(topic, None)

    def beat(self, topic: str) -> None:
        """A good message of ``topic`` has arrived."""
        stream = self._streams.get(topic)
        if stream is not None:
            stream.since = self._clock()
            stream.received += 1
            stream.wrong = ''

    def refuse(self, topic: str, reason: str) -> None:
        """A message of ``topic`` has arrived that cannot be used, e.g. ``encoding bgr8, expected rgb8``."""
        stream = self._streams.get(topic)
        if stream is not None:
            stream.wrong = reason
            stream.wrong_since = self._clock()

    def restart(self) -> None:
        """Give every stream its full time again, e.g. after a reset."""
        now = self._clock()
        for stream in self._streams.values():
            stream.since, stream.received, stream.wrong = now, 0, ''

    def age(self, topic: str) -> float:
        """Seconds since the last good message, infinite before the first."""
        stream = self._streams[topic]
        return self._clock() - stream.since if stream.received else float('inf')

    def alive(self) -> bool:
        """Every stream has sent a good message within its time."""
        now = self._clock()
        return all(s.received and now - s.since <= s.timeout and not s.wrong for s in self._streams.values())

    def waiting(self) -> list[str]:
        """Streams that have not sent a good message yet."""
        return [topic for topic, stream in self._streams.items() if not stream.received]

    def problems(self) -> list[str]:
        """One line a stream that is missing, late or wrong; empty when all is well."""
        now = self._clock()
        found = []
        for topic, stream in self._streams.items():
            silence = now - stream.since
            if stream.wrong:
                found.append(f'{topic}: {stream.wrong}')
            elif silence > stream.timeout:
                found.append(f'{topic}: {self._silence(topic, stream, silence)}')
        return found

    def _silence(self, topic: str, stream: _Stream, silence: float) -> str:
        limit = f'at most {stream.timeout:g} s is allowed'
        if stream.received:
            return f'silent for {silence:.1f} s, {limit}'
        if self._publishers is not None and self._publishers(topic) == 0:
            return f'nobody publishes it (waited {silence:.1f} s); start its node, or remap'
        return f'nothing received for {silence:.1f} s, {limit}; check QoS and network'
