# SPDX-License-Identifier: Apache-2.0
"""Pushes state, plots and pictures to every connected browser. A slow one misses pictures, and delays nobody."""

from __future__ import annotations

import asyncio
import logging
import struct
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import anyio
import cv2
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from igrft.console.bridge import Bridge
from igrft.console.pictures import jpeg
from igrft.console.state import Sample, encode

STATE_PERIOD = 0.1
"""[s] between two states."""
FRAME_PERIOD = 1.0 / 15.0
"""[s] between two pictures of a camera, at least."""
TICK = 1.0 / 60.0
"""[s] between two looks for a new picture: what looking adds to its age."""
HEALTH_PERIOD = 1.0
"""[s] between two reports of all components."""
HEARTBEAT = 1.0
"""[s] after which a state is sent though nothing changed, so that the page can tell silence from peace."""
MAX_CLIENTS = 8
MAX_WIDTH = 960
"""[px] of a picture on the page."""
HEADER = struct.Struct('<BBxxxxxxd')
"""A picture's header: kind 1, camera index, stamp [s]."""

GONE = (WebSocketDisconnect, OSError, RuntimeError)
"""What sending to a browser that has just left may raise."""


def _tell_failure(task: asyncio.Task[None]) -> None:
    """The pages notice the silence and connect again, which starts the feed anew; the log says why."""
    if not task.cancelled() and task.exception() is not None:
        logging.getLogger(__name__).error('the console feed failed', exc_info=task.exception())


@dataclass(eq=False)
class _Client:
    """What one browser has not got yet; of state and pictures only the newest."""

    state: str | None = None
    health: str | None = None
    samples: list[Sample] = field(default_factory=list)
    frames: dict[int, bytes] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, websocket: WebSocket) -> None:
        while True:
            await self.wake.wait()
            self.wake.clear()
            if self.state is not None:
                text, self.state = self.state, None
                await websocket.send_text(text)
            if self.health is not None:
                text, self.health = self.health, None
                await websocket.send_text(text)
            if self.samples:
                samples, self.samples = self.samples, []
                await websocket.send_text(encode('samples', samples))
            while self.frames:
                await websocket.send_bytes(self.frames.pop(next(iter(self.frames))))


class Hub:
    """The browsers, and the one task that feeds them; without a browser there is no task.

    Args:
        bridge: where everything comes from.
        sleep: awaited between two ticks.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        bridge: Bridge,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bridge = bridge
        self._sleep = sleep
        self._clock = clock
        self._clients: set[_Client] = set()
        self._task: asyncio.Task[None] | None = None
        self._sequences: dict[str, int] = {}
        self._shown: dict[int, bytes] = {}

    @property
    def clients(self) -> int:
        """How many browsers look."""
        return len(self._clients)

    async def serve(self, websocket: WebSocket) -> None:
        """The whole life of one browser's connection."""
        await websocket.accept()
        if len(self._clients) >= MAX_CLIENTS:
            await websocket.close(1013, f'{MAX_CLIENTS} browsers are connected already; close one')
            return
        resting = self._task is None or self._task.done()
        if resting:
            self._sequences.clear()
            self._shown.clear()
        history = list(self._bridge.samples(0))
        client = _Client(
            state=encode('state', self._bridge.state()),
            samples=history,
            frames=dict(self._shown),  # a camera that waits for its next tick would else stay black
        )
        client.wake.set()
        if not self._clients:
            self._bridge.watch(True)
        self._clients.add(client)
        if resting:
            self._task = asyncio.create_task(self._feed(history[-1].sequence if history else 0))
            self._task.add_done_callback(_tell_failure)
        try:
            async with anyio.create_task_group() as group:

                async def until_gone(talk: Awaitable[object]) -> None:
                    with suppress(*GONE):
                        await talk
                    group.cancel_scope.cancel()

                group.start_soon(until_gone, client.send(websocket))
                group.start_soon(until_gone, websocket.receive())
            # Commands are requests, not messages: whoever talks here is not the page. It is told so
            # when nothing is being sent any more: a sender that finds the socket closing would cancel the close.
            if websocket.client_state is WebSocketState.CONNECTED:
                with suppress(*GONE):
                    await websocket.close(1003, 'this socket only sends; commands go to /api')
        finally:
            self._clients.discard(client)
            if not self._clients:
                self._bridge.watch(False)

    async def _feed(self, newest: int) -> None:
        due: dict[str, float] = {}
        last_text, last_sent, next_state, next_health = '', 0.0, 0.0, 0.0
        state = self._bridge.state()
        while self._clients:
            now = self._clock()
            if now >= next_state:
                next_state = now + STATE_PERIOD
                state = self._bridge.state()
                text = encode('state', state)
                if text != last_text or now - last_sent >= HEARTBEAT:
                    last_text, last_sent = text, now
                    self._give(state=text)
                samples = list(self._bridge.samples(newest))
                if samples:
                    newest = samples[-1].sequence
                    self._give(samples=samples)
            if now >= next_health:
                next_health = now + HEALTH_PERIOD
                self._give(health=encode('health', list(self._bridge.health())))
            for index, camera in enumerate(state.cameras):
                if now < due.get(camera, 0.0):
                    continue
                shot = await asyncio.to_thread(self._shoot, camera, index, self._sequences.get(camera, 0))
                if shot is not None:
                    # A little less than the period: a camera of just that rate must not lose every other picture.
                    due[camera] = now + FRAME_PERIOD - TICK / 2
                    self._sequences[camera], self._shown[index] = shot
                    self._give(frames={index: shot[1]})
            await self._sleep(TICK)

    def _give(
        self,
        state: str | None = None,
        health: str | None = None,
        samples: Sequence[Sample] = (),
        frames: Mapping[int, bytes] | None = None,
    ) -> None:
        for client in self._clients:
            client.state = state or client.state
            client.health = health or client.health
            client.samples.extend(samples)
            client.frames.update(frames or {})
            client.wake.set()

    def _shoot(self, camera: str, index: int, after: int) -> tuple[int, bytes] | None:
        """The newest picture as a message, None where there is no newer one."""
        frame = self._bridge.frame(camera, after)
        if frame is None:
            return None
        pixels = frame.pixels
        height, width = pixels.shape[:2]
        if width > MAX_WIDTH:
            pixels = cv2.resize(pixels, (MAX_WIDTH, height * MAX_WIDTH // width), interpolation=cv2.INTER_AREA)
        return frame.sequence, HEADER.pack(1, index, frame.stamp) + jpeg(pixels)
