# SPDX-License-Identifier: Apache-2.0
"""Actions that run Python."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..action import Action
from ..event_handlers import OnShutdown
from ..launch_description_entity import LaunchDescriptionEntity

if TYPE_CHECKING:
    from ..launch_context import LaunchContext


class OpaqueFunction(Action):
    """Calls ``function(context, *args, **kwargs)`` and visits the entities it returns."""

    def __init__(
        self,
        *,
        function: Callable[..., Any],
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **left_over: Any,
    ) -> None:
        super().__init__(**left_over)
        if not callable(function):
            raise TypeError(f'OpaqueFunction: function must be callable, got {function!r}')
        self._function = function
        self._args = list(args or ())
        self._kwargs = dict(kwargs or {})

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        result: list[LaunchDescriptionEntity] | None = self._function(
            context, *self._args, **self._kwargs)
        return result


class OpaqueCoroutine(Action):
    """Runs ``coroutine(context, *args, **kwargs)``; cancelled when the launch shuts down."""

    def __init__(
        self,
        *,
        coroutine: Callable[..., Awaitable[Any]],
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        ignore_context: bool = False,
        **left_over: Any,
    ) -> None:
        super().__init__(**left_over)
        if not asyncio.iscoroutinefunction(coroutine):
            raise TypeError(f'OpaqueCoroutine: expected a coroutine function, got {coroutine!r}')
        self._coroutine = coroutine
        self._args = list(args or ())
        self._kwargs = dict(kwargs or {})
        self._ignore_context = ignore_context
        self._future: asyncio.Future[Any] | None = None

    def execute(self, context: LaunchContext) -> None:
        args = self._args if self._ignore_context else [context, *self._args]
        if context.asyncio_loop is None:
            raise RuntimeError('OpaqueCoroutine can only be executed by a running LaunchService')
        task = context.asyncio_loop.create_task(self._coroutine(*args, **self._kwargs))
        self._future = task

        def cancel(event: object, context: LaunchContext) -> None:
            task.cancel()

        context.register_event_handler(OnShutdown(on_shutdown=cancel))

    def get_asyncio_future(self) -> asyncio.Future[Any] | None:
        return self._future
