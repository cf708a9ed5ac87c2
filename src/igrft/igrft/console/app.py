# SPDX-License-Identifier: Apache-2.0
"""The HTTP and WebSocket interface. Only POST changes anything, and every refusal says what to do."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable
from pathlib import Path
from typing import Annotated, Literal

from fastapi import FastAPI, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field

from igrft.console.access import Access, Guard
from igrft.console.bridge import Bridge, CommandError
from igrft.console.hub import Hub
from igrft.console.state import plain

STATIC = Path(__file__).parent / 'static'
MAX_SEED = 2**31


class _Body(BaseModel):
    model_config = ConfigDict(extra='forbid', strict=True)


class Start(_Body):
    """Begin an episode; without a seed one is drawn."""

    kind: Literal['demonstration', 'rollout', 'correction', 'evaluation']
    seed: Annotated[int, Field(ge=0, lt=2**53)] | None = None
    split: Literal['in', 'held_out'] = 'in'


class Finish(_Body):
    """End the running episode."""

    outcome: Literal['success', 'failure']


class Label(_Body):
    """Label a finished episode; '' is the last."""

    outcome: Literal['success', 'failure']
    episode_id: Annotated[str, Field(max_length=64)] = ''


class Event(_Body):
    """A button of the operator."""

    event: Literal['mark_subtask', 'pause']


class Nothing(_Body):
    """A command without arguments: an empty object."""


def create_app(bridge: Bridge, access: Access) -> FastAPI:
    """The application over a bridge.

    Args:
        bridge: the robot's side.
        access: who may use it.
    """
    app = FastAPI(title='igrft console', docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, access=access)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(CommandError, _failed)
    app.state.hub = hub = Hub(bridge)

    @app.get('/')
    async def page() -> FileResponse:
        return FileResponse(STATIC / 'index.html')

    @app.get('/api/state')
    async def state() -> JSONResponse:
        return JSONResponse(plain(bridge.state()))

    @app.websocket('/api/stream')
    async def stream(websocket: WebSocket) -> None:
        await hub.serve(websocket)

    @app.post('/api/e_stop')
    async def e_stop() -> JSONResponse:
        # No body to get wrong: whatever arrives here stops the arm.
        return await _answer(bridge.e_stop())

    @app.post('/api/e_stop/reset')
    async def reset_e_stop(body: Nothing) -> JSONResponse:
        return await _answer(bridge.reset_e_stop())

    @app.post('/api/episode/start')
    async def start(body: Start) -> JSONResponse:
        seed = secrets.randbelow(MAX_SEED) if body.seed is None else body.seed
        return await _answer(bridge.start(body.kind, seed, body.split))

    @app.post('/api/episode/stop')
    async def finish(body: Finish) -> JSONResponse:
        return await _answer(bridge.finish(body.outcome))

    @app.post('/api/episode/discard')
    async def discard(body: Nothing) -> JSONResponse:
        return await _answer(bridge.discard())

    @app.post('/api/episode/label')
    async def label(body: Label) -> JSONResponse:
        return await _answer(bridge.label(body.episode_id, body.outcome))

    @app.post('/api/event')
    async def event(body: Event) -> JSONResponse:
        return await _answer(bridge.event(body.event))

    app.mount('/static', StaticFiles(directory=STATIC), name='static')
    return app


async def _answer(command: Awaitable[str]) -> JSONResponse:
    return JSONResponse({'ok': True, 'message': await command})


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = '.'.join(str(part) for part in first['loc'] if part != 'body') or 'body'
    return JSONResponse({'ok': False, 'field': place, 'message': f'{place}: {first["msg"]}'}, 422)


async def _failed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CommandError)
    return JSONResponse({'ok': False, 'message': str(error)}, error.status)
