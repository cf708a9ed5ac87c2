# SPDX-License-Identifier: Apache-2.0
"""The event loop of a launch: visits descriptions, hands events to handlers, ends in order."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import traceback
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from . import logging as launch_logging
from .actions import ExecuteLocal
from .event import Event
from .event_handler import entity_list
from .event_handlers import OnIncludeLaunchDescription, OnShutdown
from .events import IncludeLaunchDescription, Shutdown
from .launch_context import LaunchContext
from .launch_description import LaunchDescription
from .launch_description_entity import LaunchDescriptionEntity
from .utilities import visit_all_entities_and_collect_futures


class LaunchService:
    """Runs launch descriptions.

    Args:
        argv: for launch files, as ``context.argv``.
        noninteractive: no terminal: children get launch's SIGINT one by one, and the log says so.
        debug: log at debug level.
    """

    def __init__(
        self,
        *,
        argv: Iterable[str] | None = None,
        noninteractive: bool = False,
        debug: bool = False,
    ) -> None:
        launch_logging.launch_config.level = logging.DEBUG if debug else logging.INFO
        self._logger = launch_logging.get_logger('launch')
        self._context = LaunchContext(argv=argv, noninteractive=noninteractive)
        self._context.register_event_handler(OnIncludeLaunchDescription())
        self._context.register_event_handler(OnShutdown(on_shutdown=self._on_shutdown))
        self._pending: list[tuple[LaunchDescriptionEntity, asyncio.Future[Any]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[int] | None = None
        self._shutting_down = False
        self._interrupted = False
        self._return_code = 0

    @property
    def context(self) -> LaunchContext:
        """The launch context."""
        return self._context

    @property
    def event_loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop, while running."""
        return self._loop

    @property
    def task(self) -> asyncio.Task[int] | None:
        """The task that runs the launch, while running."""
        return self._task

    def emit_event(self, event: Event) -> None:
        """Queue an event, from any thread."""
        if self._loop is None:
            self._context.emit_event_sync(event)
        else:
            self._loop.call_soon_threadsafe(self._context.emit_event_sync, event)

    def include_launch_description(self, launch_description: LaunchDescription) -> None:
        """Visit a launch description, from any thread."""
        self.emit_event(IncludeLaunchDescription(launch_description))

    def shutdown(self, force_sync: bool = False) -> None:
        """Begin an orderly end, from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(
                self._begin_shutdown, 'LaunchService.shutdown() called', False)

    def run(self, *, shutdown_when_idle: bool = True) -> int:
        """Run until done; return 0, or 1 if the launch itself went wrong or was terminated.

        As upstream, the exit codes of processes do not count: launch files decide what the end
        of a process means.
        """
        return asyncio.run(self.run_async(shutdown_when_idle=shutdown_when_idle))

    async def run_async(self, *, shutdown_when_idle: bool = True) -> int:
        """Run in the running loop of the main thread; see :meth:`run`.

        Raises:
            RuntimeError: outside the main thread, or if it is running already.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError('LaunchService can only be run in the main thread.')
        if self._loop is not None:
            raise RuntimeError('LaunchService cannot be run multiple times concurrently.')
        loop = self._loop = self._context.asyncio_loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._logger.info(
            'All log files can be found below %s', launch_logging.launch_config.log_dir)
        self._logger.info('Default logging verbosity is set to %s',
                          logging.getLevelName(launch_logging.launch_config.level))
        loop.set_exception_handler(self._on_loop_exception)
        handled: dict[signal.Signals, Callable[[], None]] = {signal.SIGINT: self._on_sigint}
        for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
            handled[number] = partial(self._on_terminate, number)
        for number, handler in handled.items():
            loop.add_signal_handler(number, handler)
        try:
            await self._process_events(shutdown_when_idle)
        finally:
            for number in handled:
                loop.remove_signal_handler(number)
            self._loop = self._context.asyncio_loop = self._task = None
        return self._return_code

    async def _process_events(self, shutdown_when_idle: bool) -> None:
        queue = self._context._queue
        getter: asyncio.Task[Event] | None = None
        try:
            while True:
                self._pending = [pair for pair in self._pending if not pair[1].done()]
                waiting = [future for _, future in self._pending]
                self._context._completion_futures = [
                    future for future in self._context._completion_futures if not future.done()]
                waiting += self._context._completion_futures
                idle = not waiting and queue.empty() and (getter is None or not getter.done())
                if idle and self._shutting_down:
                    return
                if idle and shutdown_when_idle:
                    self._begin_shutdown('idle', False)
                if getter is None:
                    getter = asyncio.create_task(queue.get())
                await asyncio.wait([getter, *waiting], return_when=asyncio.FIRST_COMPLETED)
                for future in waiting:
                    if future.done() and not future.cancelled() and future.exception():
                        self._failed(future.exception())
                if getter.done():
                    event, getter = getter.result(), None
                    self._handle(event)
        finally:
            if getter is not None:
                getter.cancel()

    def _handle(self, event: Event) -> None:
        self._logger.debug("processing event: '%s'", event.name)
        try:
            for handler in tuple(self._context._handlers):
                if not handler.matches(event):
                    continue
                self._context._push_locals()
                try:
                    for entity in entity_list(handler.handle(event, self._context)):
                        self._visit(entity)
                finally:
                    self._context._pop_locals()
        except Exception as error:  # noqa: BLE001 - actions may raise anything
            self._failed(error)

    def _visit(self, entity: LaunchDescriptionEntity) -> None:
        self._pending += visit_all_entities_and_collect_futures(entity, self._context)

    def _failed(self, error: BaseException | None) -> None:
        message = f'Caught exception in launch (see debug for traceback): {error}'
        if error is not None:
            self._logger.debug(''.join(traceback.format_exception(error)))
        self._logger.error(message)
        self._return_code = 1
        self._begin_shutdown(message, False)

    def _on_loop_exception(
        self, loop: asyncio.AbstractEventLoop, details: dict[str, Any]
    ) -> None:
        self._return_code = 1
        loop.default_exception_handler(details)

    def _begin_shutdown(self, reason: str, due_to_sigint: bool) -> None:
        if not self._shutting_down:
            self._context.emit_event_sync(Shutdown(reason=reason, due_to_sigint=due_to_sigint))
        self._shutting_down = self._context.is_shutdown = True

    def _on_shutdown(self, event: Event, context: LaunchContext) -> None:
        self._shutting_down = context.is_shutdown = True

    def _on_sigint(self) -> None:
        message = 'user interrupted with ctrl-c (SIGINT)'
        if not self._interrupted:
            self._interrupted = True
            self._logger.warning(message)
            self._begin_shutdown('ctrl-c (SIGINT)', True)
            return
        self._logger.warning('%s again, ignoring...', message)
        if not self._context.noninteractive:
            # Launch ignores it; a terminal's children would still have got it.
            for entity, _ in self._pending:
                if isinstance(entity, ExecuteLocal):
                    entity.interrupt_again()

    def _on_terminate(self, number: signal.Signals) -> None:
        # Upstream cancels here and warns of orphans; the exit code is the same, the orphans are
        # not left.
        self._logger.error('terminated with %s, shutting down', number.name)
        self._return_code = 1
        self._begin_shutdown(f'terminated ({number.name})', False)
