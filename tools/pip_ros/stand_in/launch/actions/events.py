# SPDX-License-Identifier: Apache-2.0
"""Actions on events: emit, handle, shut down, wait, tell."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..action import Action
from ..event import Event
from ..event_handler import BaseEventHandler, EventHandler
from ..event_handlers import OnShutdown
from ..events import Shutdown as ShutdownEvent
from ..events import TimerEvent
from ..events.process import ProcessExited
from ..launch_description_entity import LaunchDescriptionEntity
from ..logging import get_logger
from ..some_substitutions_type import SomeSubstitutionsType
from ..utilities import normalize_to_list_of_substitutions, perform_substitutions
from ..utilities.type_utils import normalize_typed_substitution, perform_typed_substitution
from .opaque import OpaqueFunction

if TYPE_CHECKING:
    from ..launch_context import LaunchContext


class EmitEvent(Action):
    """Emits an event."""

    def __init__(self, *, event: Event, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(event, Event):
            raise RuntimeError(f'EmitEvent: expected an event, got {event!r}')
        self.event = event

    def describe(self) -> str:
        return f'{type(self).__name__}({self.event.name})'

    def execute(self, context: LaunchContext) -> None:
        context.emit_event_sync(self.event)


class Shutdown(EmitEvent):
    """Shuts the launch down."""

    def __init__(self, *, reason: str = 'reason not given', **kwargs: Any) -> None:
        super().__init__(event=ShutdownEvent(reason=reason), **kwargs)

    def execute(self, context: LaunchContext) -> None:
        cause = context.get_locals_as_dict().get('event')
        if isinstance(cause, ProcessExited):
            get_logger('launch').info(
                'process[%s] was required: shutting down launched system', cause.process_name)
        super().execute(context)


class RegisterEventHandler(Action):
    """Registers an event handler."""

    def __init__(self, event_handler: BaseEventHandler, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.event_handler = event_handler

    def execute(self, context: LaunchContext) -> None:
        context.register_event_handler(self.event_handler)

    def describe_conditional_sub_entities(
        self,
    ) -> list[tuple[str, Iterable[LaunchDescriptionEntity]]]:
        below = self.event_handler.sub_entities()
        return [(type(self.event_handler).__name__, below)] if below else []


class UnregisterEventHandler(Action):
    """Removes an event handler."""

    def __init__(self, event_handler: BaseEventHandler, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.event_handler = event_handler

    def execute(self, context: LaunchContext) -> None:
        context.unregister_event_handler(self.event_handler)


class LogInfo(Action):
    """Logs a message."""

    def __init__(self, *, msg: SomeSubstitutionsType, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.msg = normalize_to_list_of_substitutions(msg)

    def execute(self, context: LaunchContext) -> None:
        get_logger('launch.user').info('%s', perform_substitutions(context, self.msg))


class TimerAction(Action):
    """Visits `actions` after `period` seconds.

    Args:
        period: time to wait [s].
        actions: to visit then.
        cancel_on_shutdown: a launch that shuts down does not wait for it.
    """

    def __init__(
        self,
        *,
        period: float | SomeSubstitutionsType,
        actions: Iterable[LaunchDescriptionEntity],
        cancel_on_shutdown: bool | SomeSubstitutionsType = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(period, (str, int)):
            period = float(period)
        self.period = normalize_typed_substitution(period, float)
        self.actions = list(actions)
        self._cancel_on_shutdown = normalize_typed_substitution(cancel_on_shutdown, bool)
        self._cancelled = False
        self._cancel: asyncio.Future[None] | None = None
        self._completed: asyncio.Future[None] | None = None
        self._locals: dict[str, Any] = {}

    def describe_conditional_sub_entities(
        self,
    ) -> list[tuple[str, Iterable[LaunchDescriptionEntity]]]:
        return [(f'{self.period} seconds pass without being canceled', self.actions)]

    def get_asyncio_future(self) -> asyncio.Future[None] | None:
        return self._completed

    def cancel(self) -> None:
        """Do not fire; allowed at any time."""
        self._cancelled = True
        if self._cancel is not None and not self._cancel.done():
            self._cancel.set_result(None)

    def execute(self, context: LaunchContext) -> None:
        if self._cancelled:
            return
        loop = context.asyncio_loop
        if loop is None:
            raise RuntimeError('TimerAction can only be executed by a running LaunchService')
        self._completed, self._cancel = loop.create_future(), loop.create_future()
        self._locals = context.get_locals_as_dict()
        period = float(perform_typed_substitution(context, self.period, float))
        context.register_event_handler(EventHandler(
            matcher=lambda event: isinstance(event, TimerEvent) and event.timer_action is self,
            entities=OpaqueFunction(function=self._fired), handle_once=True))
        if perform_typed_substitution(context, self._cancel_on_shutdown, bool):
            context.register_event_handler(OnShutdown(on_shutdown=lambda *_: self.cancel()))
        self._task = loop.create_task(self._wait(context, period, self._cancel, self._completed))

    def _fired(self, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        context.extend_locals(self._locals)
        return self.actions

    async def _wait(
        self,
        context: LaunchContext,
        period: float,
        cancel: asyncio.Future[None],
        completed: asyncio.Future[None],
    ) -> None:
        await asyncio.wait([cancel], timeout=period)
        if not cancel.done():
            await context.emit_event(TimerEvent(timer_action=self))
        completed.set_result(None)
