# SPDX-License-Identifier: Apache-2.0
"""What every input device says, before any mapping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class DeviceError(RuntimeError):
    """A device that cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class RawInput:
    """A device's state.

    Attributes:
        axes: axis name to deflection in [-1, 1]; directions as REP-103 has them (x forward, y left, z up) where
            the device knows them.
        pressed: names of the buttons that are down.
        connected: False when the device is gone; the axes are then empty.
    """

    axes: Mapping[str, float] = field(default_factory=dict)
    pressed: frozenset[str] = frozenset()
    connected: bool = True


GONE = RawInput(connected=False)


class Device(Protocol):
    """An input device. ``poll`` never blocks; a device that comes back is found again by polling."""

    name: str
    problem: str
    """Why there is nothing to read, '' where all is well."""

    def poll(self, now: float) -> RawInput:
        """The state at ``now`` (monotonic seconds)."""
        ...

    def fileno(self) -> int | None:
        """A descriptor that becomes readable when there is news, None where there is none (now)."""
        ...

    def close(self) -> None: ...
