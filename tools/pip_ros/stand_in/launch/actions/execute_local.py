# SPDX-License-Identifier: Apache-2.0
"""Running a process: output, events, respawn, and the shutdown SIGINT → SIGTERM → SIGKILL."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import traceback
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from .._lines import LineAssembler
from .._process import ChildProcess, terminal_columns
from ..action import Action
from ..descriptions import Executable
from ..event import Event
from ..event_handler import BaseEventHandler, EventHandler, entity_list
from ..event_handlers import OnProcessExit, OnShutdown
from ..events import Shutdown
from ..events.process import (
    ProcessExited,
    ProcessStarted,
    ProcessStderr,
    ProcessStdout,
    ShutdownProcess,
    SignalProcess,
)
from ..launch_description_entity import LaunchDescriptionEntity
from ..logging import get_logger, get_output_loggers
from ..some_substitutions_type import SomeSubstitutionsType
from ..substitution import Substitution
from ..substitutions import LaunchConfiguration
from ..utilities import normalize_to_list_of_substitutions, perform_substitutions
from ..utilities.type_utils import normalize_typed_substitution, perform_typed_substitution
from ._ending import ProcessEnding
from .opaque import OpaqueFunction

if TYPE_CHECKING:
    from ..launch_context import LaunchContext

OUTPUT_FORMAT = '[{this.process_description.final_name}] {line}'


class ExecuteLocal(Action):
    """Runs `process_description`; the arguments are those of :class:`ExecuteProcess`."""

    def __init__(
        self,
        *,
        process_description: Executable,
        shell: bool = False,
        sigterm_timeout: SomeSubstitutionsType | None = None,
        sigkill_timeout: SomeSubstitutionsType | None = None,
        emulate_tty: bool = False,
        output: Any = 'log',
        output_format: str = OUTPUT_FORMAT,
        cached_output: bool = False,
        log_cmd: bool = False,
        on_exit: Any = None,
        respawn: Any = False,
        respawn_delay: float | None = None,
        respawn_max_retries: int = -1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.process_description = process_description
        self.shell = shell
        self.sigterm_timeout = _timeout('sigterm_timeout', sigterm_timeout)
        self.sigkill_timeout = _timeout('sigkill_timeout', sigkill_timeout)
        self.emulate_tty = emulate_tty
        output = os.environ.get('OVERRIDE_LAUNCH_PROCESS_OUTPUT', output)
        self.output = (
            output if isinstance(output, Mapping) else normalize_to_list_of_substitutions(output))
        self._output_format = output_format
        self._cached = {1: io.StringIO(), 2: io.StringIO()} if cached_output else None
        self._log_cmd = log_cmd
        self._on_exit = on_exit
        self._respawn = normalize_typed_substitution(respawn, bool)
        self._respawn_delay = respawn_delay
        self._retries_left = respawn_max_retries
        self._details: dict[str, Any] | None = None
        self._child: ChildProcess | None = None
        self._stopping: asyncio.Future[None] | None = None
        self._completed: asyncio.Future[None] | None = None

    @property
    def process_details(self) -> dict[str, Any] | None:
        """Name, cmd, cwd, env and (once started) pid of the process."""
        return self._details

    @property
    def return_code(self) -> int | None:
        """The exit code of the process, None as long as it has not ended."""
        return None if self._child is None else self._child.returncode

    def get_stdout(self) -> str:
        """Return the standard output so far; needs ``cached_output=True``."""
        return self._cached_text(1)

    def get_stderr(self) -> str:
        """Return the standard error so far; needs ``cached_output=True``."""
        return self._cached_text(2)

    def _cached_text(self, fd: int) -> str:
        if self._cached is None:
            raise RuntimeError('output is only kept with cached_output=True')
        return self._cached[fd].getvalue()

    def get_sub_entities(self) -> list[LaunchDescriptionEntity]:
        return [] if callable(self._on_exit) else entity_list(self._on_exit)

    def get_asyncio_future(self) -> asyncio.Future[None] | None:
        return self._completed

    def prepare(self, context: LaunchContext) -> None:
        """Perform the substitutions of what is to be run."""
        self.process_description.prepare(context, self)
        what = self.process_description
        self._details = {
            'action': self, 'name': what.final_name, 'cmd': what.final_cmd,
            'cwd': what.final_cwd, 'env': what.final_env}

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        if self._completed is not None:
            raise RuntimeError(
                f"{type(self).__name__} '{self.process_description.final_name}' executed twice")
        self.prepare(context)
        if context.is_shutdown:
            return None
        loop = context.asyncio_loop
        if loop is None:
            raise RuntimeError('processes can only be executed by a running LaunchService')
        name = self.process_description.final_name
        self._logger = get_logger(name)
        output: Any = (
            self.output if isinstance(self.output, Mapping)
            else perform_substitutions(context, self.output))
        self._output_loggers = dict(zip((1, 2), get_output_loggers(name, output), strict=True))
        self._respawning = bool(perform_typed_substitution(context, self._respawn, bool))
        # Performed now: when the processes are ended, the group's scope is long gone.
        self._ending = ProcessEnding(name, self._logger, (
            float(perform_substitutions(context, self.sigterm_timeout)),
            float(perform_substitutions(context, self.sigkill_timeout))))
        handlers: list[BaseEventHandler] = [
            EventHandler(
                matcher=lambda event: isinstance(event, ShutdownProcess)
                and event.process_matcher(self),
                entities=OpaqueFunction(function=lambda context: self._begin_shutdown(context))),
            EventHandler(
                matcher=lambda event: isinstance(event, SignalProcess)
                and event.process_matcher(self),
                entities=OpaqueFunction(function=self._on_signal_event)),
            OnShutdown(on_shutdown=self._on_shutdown),
        ]
        if self._on_exit is not None:
            handlers.append(OnProcessExit(target_action=self, on_exit=self._on_exit))
        for handler in handlers:
            context.register_event_handler(handler)
        self._completed = loop.create_future()
        self._stopping = loop.create_future()
        self._task = loop.create_task(self._run(context, loop))
        return None

    async def _run(self, context: LaunchContext, loop: asyncio.AbstractEventLoop) -> None:
        assert self._stopping is not None and self._completed is not None
        try:
            while not self._stopping.done():
                started = await self._run_once(context, loop)
                if not started or not self._respawning or self._stopping.done():
                    break
                if self._retries_left == 0:
                    break
                self._retries_left -= 1
                await asyncio.wait([self._stopping], timeout=self._respawn_delay or 0.0)
        finally:
            self._completed.set_result(None)

    async def _run_once(self, context: LaunchContext, loop: asyncio.AbstractEventLoop) -> bool:
        details = self._details or {}
        cmd = ' '.join(part for part in details['cmd'] if part.strip())
        if self._log_cmd:
            self._logger.info("process details: cmd='%s', cwd='%s'", cmd, details['cwd'])
        writers = {fd: LineAssembler(partial(self._write, fd)) for fd in (1, 2)}
        prefix = len(self._output_format.format(this=self, line=''))

        def on_data(fd: int, data: bytes) -> None:
            writers[fd].feed(data)
            if self._cached is not None:
                self._cached[fd].write(data.decode(errors='replace'))
            event = (ProcessStdout if fd == 1 else ProcessStderr)(text=data, **details)
            if context.would_handle_event(event):
                context.emit_event_sync(event)

        try:
            child = ChildProcess(
                details['cmd'], loop=loop, on_data=on_data, cwd=details['cwd'],
                env=details['env'], shell=self.shell, emulate_tty=self._wants_tty(context),
                columns=terminal_columns(prefix))
        except OSError:
            self._logger.error(
                'exception occurred while executing process:\n%s', traceback.format_exc())
            return False
        self._child = self._ending.child = child
        details['pid'] = child.pid
        self._logger.info('process started with pid [%d]', child.pid)
        await context.emit_event(ProcessStarted(**details))
        code = await child.wait()
        for writer in writers.values():
            writer.close()
        if code == 0:
            self._logger.info('process has finished cleanly [pid %d]', child.pid)
        else:
            self._logger.error(
                "process has died [pid %d, exit code %d, cmd '%s'].", child.pid, code, cmd)
        await context.emit_event(ProcessExited(returncode=code, **details))
        return True

    def _write(self, fd: int, line: str) -> None:
        self._output_loggers[fd].info('%s', self._output_format.format(line=line, this=self))

    def _wants_tty(self, context: LaunchContext) -> bool:
        from ..conditions import evaluate_condition_expression

        if 'emulate_tty' in context.launch_configurations:
            return evaluate_condition_expression(context, [LaunchConfiguration('emulate_tty')])
        return self.emulate_tty

    def _on_shutdown(self, event: Event, context: LaunchContext) -> None:
        from_terminal = (
            isinstance(event, Shutdown) and event.due_to_sigint and not context.noninteractive)
        self._begin_shutdown(context, from_terminal=from_terminal)

    def _begin_shutdown(self, context: LaunchContext, *, from_terminal: bool = False) -> None:
        """Stop respawning and, where the process runs, end it step by step."""
        if self._stopping is None or self._stopping.done():
            return
        self._stopping.set_result(None)
        if context.asyncio_loop is not None:
            self._stopper = context.asyncio_loop.create_task(
                self._ending.shut_down(from_terminal))

    def _on_signal_event(self, context: LaunchContext) -> None:
        self._ending.signal(context.locals.event.signal, group=False)

    def interrupt_again(self) -> None:
        """A second Ctrl-C in the terminal: the group gets it as a terminal would give it."""
        if self._child is not None:
            self._ending.signal(signal.SIGINT, group=True, say=False)


def _timeout(name: str, given: SomeSubstitutionsType | None) -> list[Substitution]:
    """Return a timeout [s]: as given, or the launch configuration of that name, or 5."""
    if given is None:
        return [LaunchConfiguration(name, default=5)]
    return normalize_to_list_of_substitutions(given)
