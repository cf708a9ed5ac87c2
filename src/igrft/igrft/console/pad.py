# SPDX-License-Identifier: Apache-2.0
"""The on-screen pad as an input device: what a browser says while a finger holds it, zero as soon as it falls silent.

The browser repeats itself some thirty times a second while the pad is held. Silence of ``TIMEOUT`` means that the
browser, its network or its machine is gone, which is not the same as letting go: the policy does not go on by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from igrft.console.bridge import Bridge
from igrft.devices.device import GONE, RawInput
from igrft.devices.mapping import TeleopMapper

TIMEOUT = 0.07
"""[s] of silence after which whoever held the pad counts as gone; one tick later the arm is told."""
PERIOD = 0.02
"""[s] between two inputs to the graph while the pad is held."""
HOLD = 'hold'
"""The pad's dead-man button."""

Deflection = Annotated[float, Field(ge=-1.0, le=1.0, allow_inf_nan=False)]


class Touch(BaseModel):
    """What a browser says: ``held`` with the axes and buttons as they are now, or that it has let go."""

    model_config = ConfigDict(extra='forbid')

    held: bool
    axes: dict[str, Deflection] = Field(default_factory=dict, max_length=6)
    pressed: list[Annotated[str, Field(max_length=16)]] = Field(default_factory=list, max_length=4)


@dataclass
class Pad:
    """The state that all browsers share: one holds it at a time. ``now`` is monotonic seconds."""

    timeout: float = TIMEOUT
    _owner: object | None = None
    _touch: Touch | None = None
    _heard: float = 0.0

    def take(self, owner: object, touch: Touch, now: float) -> bool:
        """A browser's word. False where another one holds the pad."""
        if self._owner not in (None, owner):
            if not touch.held:
                return True  # it did not hold the pad, so it has nothing to let go
            if now - self._heard <= self.timeout:
                return False
        self._owner = owner if touch.held else None
        self._touch, self._heard = touch, now
        return True

    def drop(self, owner: object) -> None:
        """A browser's connection has ended: if it held the pad, it is silent from now on."""
        if owner is self._owner:
            self._heard = float('-inf')

    def poll(self, now: float) -> RawInput:
        """The pad as a device."""
        if self._owner is None or self._touch is None:
            return RawInput()
        if now - self._heard > self.timeout:
            return GONE
        return RawInput(self._touch.axes, frozenset((HOLD, *self._touch.pressed)))

    @property
    def held(self) -> bool:
        """Somebody held it when last heard."""
        return self._owner is not None

    def forget(self) -> None:
        """Whoever held it is gone, and the graph was told."""
        self._owner = None


class PadFeed:
    """Hands the pad to the graph at the control rate, only while it is held, and once more when that ends.

    Args:
        bridge: drives the arm.
        mapper: dead-band, scales, dead-man and gripper.
        clock: monotonic seconds.
        sleep: awaited between two inputs.
    """

    def __init__(
        self,
        bridge: Bridge,
        mapper: TeleopMapper,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.pad = Pad()
        self._bridge, self._mapper, self._clock, self._sleep = bridge, mapper, clock, sleep
        self._task: asyncio.Task[None] | None = None

    async def serve(self, websocket: WebSocket) -> None:
        """One browser's pad, until it closes. Every word is answered: what is wrong, '' when it drives."""
        await websocket.accept()
        owner = object()
        try:
            while True:
                problem = self._hear(owner, await websocket.receive_text())
                await websocket.send_json({'problem': problem})
        except (WebSocketDisconnect, OSError, RuntimeError):
            return  # gone, also in the middle of an answer
        finally:
            self.pad.drop(owner)

    def _hear(self, owner: object, text: str) -> str:
        try:
            touch = Touch.model_validate_json(text)
        except ValidationError as error:
            self.pad.drop(owner)
            first = error.errors()[0]
            return f'{".".join(str(part) for part in first["loc"]) or "message"}: {first["msg"]}'
        openings = self._bridge.openings()
        if openings is None:
            return 'nobody reports gripper/command; the arm can be driven once an episode runs'
        if not self.pad.take(owner, touch, self._clock()):
            return 'another browser holds the pad'
        self._mapper.follow(openings)
        if self.pad.held and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._feed())
        return ''

    async def _feed(self) -> None:
        while True:
            now = self._clock()
            raw = self.pad.poll(now)
            self._bridge.drive(self._mapper.update(raw, 0.0, now)[0])
            if not raw.connected:
                self.pad.forget()
            if not self.pad.held:
                return
            await self._sleep(PERIOD)
