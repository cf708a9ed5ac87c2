# SPDX-License-Identifier: Apache-2.0
"""The HTTP and WebSocket interface. Only POST changes anything, and every refusal says what to do."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

from fastapi import FastAPI, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles

from igrft.console.access import Access, Guard
from igrft.console.bodies import Event, Finish, Nothing, Start, answer
from igrft.console.bridge import Bridge, CommandError
from igrft.console.hub import Hub
from igrft.console.pad import PadFeed
from igrft.console.pages import not_there, router
from igrft.console.recordings import Recordings
from igrft.console.records import RecordError, Records
from igrft.console.state import plain
from igrft.devices.mapping import TeleopMapper
from igrft.episodes.schema import EpisodeError

STATIC = Path(__file__).parent / 'static'
MAX_SEED = 2**31


def create_app(
    bridge: Bridge, access: Access, recordings: Recordings, records: Records, pad: TeleopMapper | None = None
) -> FastAPI:
    """The application over a bridge.

    Args:
        bridge: the robot's side.
        access: who may use it.
        recordings: the recorded episodes.
        records: what the trainer left on disk.
        pad: how the on-screen pad drives the arm, None: not at all.
    """
    app = FastAPI(title='igrft console', docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, access=access)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(CommandError, _failed)
    app.add_exception_handler(EpisodeError, not_there)
    app.add_exception_handler(RecordError, not_there)
    app.state.hub = hub = Hub(bridge)
    app.include_router(router(bridge, recordings, records))

    @app.get('/')
    async def page() -> FileResponse:
        return FileResponse(STATIC / 'index.html')

    @app.get('/api/state')
    async def state() -> JSONResponse:
        return JSONResponse(plain(bridge.state()))

    @app.websocket('/api/stream')
    async def stream(websocket: WebSocket) -> None:
        await hub.serve(websocket)

    if pad is not None:
        feed = PadFeed(bridge, pad, time.monotonic)

        @app.websocket('/api/pad')
        async def drive(websocket: WebSocket) -> None:
            await feed.serve(websocket)

    @app.post('/api/e_stop')
    async def e_stop() -> JSONResponse:
        # No body to get wrong: whatever arrives here stops the arm.
        return await answer(bridge.e_stop())

    @app.post('/api/e_stop/reset')
    async def reset_e_stop(body: Nothing) -> JSONResponse:
        return await answer(bridge.reset_e_stop())

    @app.post('/api/episode/start')
    async def start(body: Start) -> JSONResponse:
        seed = secrets.randbelow(MAX_SEED) if body.seed is None else body.seed
        return await answer(bridge.start(body.kind, seed, body.split))

    @app.post('/api/episode/stop')
    async def finish(body: Finish) -> JSONResponse:
        return await answer(bridge.finish(body.outcome))

    @app.post('/api/episode/discard')
    async def discard(body: Nothing) -> JSONResponse:
        return await answer(bridge.discard())

    @app.post('/api/event')
    async def event(body: Event) -> JSONResponse:
        return await answer(bridge.event(body.event))

    app.mount('/static', StaticFiles(directory=STATIC), name='static')
    return app


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = '.'.join(str(part) for part in first['loc'] if part != 'body') or 'body'
    return JSONResponse({'ok': False, 'field': place, 'message': f'{place}: {first["msg"]}'}, 422)


async def _failed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CommandError)
    return JSONResponse({'ok': False, 'message': str(error)}, error.status)
