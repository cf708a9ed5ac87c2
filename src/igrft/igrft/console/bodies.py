# SPDX-License-Identifier: Apache-2.0
"""What commands carry, and how they are answered."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, Literal

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field


class Body(BaseModel):
    """The JSON object of a command: no key but the known ones, no value of another type."""

    model_config = ConfigDict(extra='forbid', strict=True)


class Start(Body):
    """Begin an episode; without a seed one is drawn."""

    kind: Literal['demonstration', 'rollout', 'correction', 'evaluation']
    seed: Annotated[int, Field(ge=0, lt=2**53)] | None = None
    split: Literal['in', 'held_out'] = 'in'


class Finish(Body):
    """End the running episode."""

    outcome: Literal['success', 'failure']


class Label(Body):
    """Label a finished episode by (the end of) its id; '' is the last."""

    outcome: Literal['success', 'failure']
    episode_id: Annotated[str, Field(pattern='^[0-9A-Z]{0,26}$')] = ''


class Event(Body):
    """A button of the operator."""

    event: Literal['mark_subtask', 'pause', 'dismiss_help']


class Nothing(Body):
    """A command without arguments: an empty object."""


async def answer(command: Awaitable[str]) -> JSONResponse:
    """What a command says when it was carried out."""
    return JSONResponse({'ok': True, 'message': await command})
