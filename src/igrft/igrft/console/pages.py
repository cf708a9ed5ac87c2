# SPDX-License-Identifier: Apache-2.0
"""The interface behind the pages of episodes and of the trainer."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from igrft.console.bodies import Body, Label, Nothing, answer
from igrft.console.bridge import Bridge, UnavailableError
from igrft.console.recordings import Recordings
from igrft.console.records import RecordError, Records
from igrft.console.state import plain
from igrft.episodes.schema import EpisodeError

Name = Annotated[str, Field(max_length=120, pattern=r'^[A-Za-z0-9][A-Za-z0-9._-]*$')]
FRAME_HEADERS = {'cache-control': 'private, max-age=3600'}
"""A recorded picture never changes."""


class Train(Body):
    """Train a stage; without a parent from its default one."""

    stage: Literal['sft', 'offline_rl', 'hil']
    round: Annotated[int, Field(ge=0, le=1000)] = 0
    parent: Name | Literal[''] = ''


class Serve(Body):
    """Have the policy serve a checkpoint."""

    checkpoint: Name


def router(bridge: Bridge, recordings: Recordings, records: Records) -> APIRouter:
    """The routes. What only reads files runs in worker threads."""
    routes = APIRouter(prefix='/api')

    @routes.get('/episodes')
    def episodes() -> JSONResponse:
        return JSONResponse(plain(recordings.episodes()))

    @routes.get('/episodes/{episode}')
    def episode(episode: str) -> JSONResponse:
        return JSONResponse(plain(recordings.show(episode)))

    @routes.get('/episodes/{episode}/{camera}/{step}.jpg')
    def frame(episode: str, camera: str, step: Annotated[int, Path(ge=0, lt=10**6)]) -> Response:
        return Response(recordings.frame(episode, camera, step), media_type='image/jpeg', headers=FRAME_HEADERS)

    @routes.post('/episode/label')
    async def label(body: Label) -> JSONResponse:
        return await answer(_label(bridge, recordings, body))

    @routes.get('/trainer')
    def trainer() -> JSONResponse:
        return JSONResponse(plain(records.overview()))

    @routes.get('/trainer/{run}')
    def curves(run: Name) -> JSONResponse:
        return JSONResponse(plain(records.curves(run)))

    @routes.post('/trainer/start')
    async def train(body: Train) -> JSONResponse:
        parent = records.checkpoint(body.parent) if body.parent else ''
        return await answer(bridge.train(body.stage, body.round, parent))

    @routes.post('/trainer/stop')
    async def stop(body: Nothing) -> JSONResponse:
        return await answer(bridge.stop_training())

    @routes.post('/trainer/serve')
    async def serve(body: Serve) -> JSONResponse:
        return await answer(bridge.serve(records.checkpoint(body.checkpoint)))

    return routes


async def not_there(request: Request, error: Exception) -> JSONResponse:
    """The answer to what names an episode, a run or a checkpoint that cannot be used."""
    assert isinstance(error, (EpisodeError, RecordError))
    return JSONResponse({'ok': False, 'message': str(error)}, 404)


async def _label(bridge: Bridge, recordings: Recordings, body: Label) -> str:
    try:
        return await bridge.label(body.episode_id, body.outcome)
    except UnavailableError:
        # Nobody records here: the episodes are files and no more.
        if not body.episode_id:
            raise
        return recordings.relabel(body.episode_id, body.outcome)
