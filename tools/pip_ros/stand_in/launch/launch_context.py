# SPDX-License-Identifier: Apache-2.0
"""What a launch knows while it runs: configurations, environment, locals, event handlers."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Iterable, MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .event import Event
    from .event_handler import BaseEventHandler
    from .substitution import Substitution


class Locals:
    """The current locals (``event``, ``current_launch_file_path`` …) as attributes."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the launch context has no local '{name}' here")


class LaunchContext:
    """Runtime state shared by all entities of one launch.

    Args:
        argv: command-line arguments of the launch, for launch files that want them.
        noninteractive: no terminal hands Ctrl-C to the children, so launch must.
    """

    def __init__(
        self, *, argv: Iterable[str] | None = None, noninteractive: bool = False
    ) -> None:
        self.argv = list(argv) if argv is not None else []
        self.noninteractive = noninteractive
        self._queue: asyncio.Queue[Event] = asyncio.Queue()
        self._handlers: deque[BaseEventHandler] = deque()
        self._completion_futures: list[asyncio.Future[Any]] = []
        self._globals: dict[str, Any] = {}
        self._locals: dict[str, Any] = {}
        self._locals_stack: list[dict[str, Any]] = []
        self._configurations: dict[str, Any] = {}
        self._configurations_stack: list[dict[str, Any]] = []
        self._environment_stack: list[dict[str, str]] = []
        self._environment_at_start = dict(os.environ)
        self.is_shutdown = False
        self.asyncio_loop: asyncio.AbstractEventLoop | None = None

    # Configurations and environment, with the scopes that groups push and pop.

    @property
    def launch_configurations(self) -> dict[str, Any]:
        """The configurations of the current scope, by name."""
        return self._configurations

    @property
    def environment(self) -> MutableMapping[str, str]:
        """The environment that children inherit: this process's own."""
        return os.environ

    def _push_launch_configurations(self) -> None:
        self._configurations_stack.append(dict(self._configurations))

    def _pop_launch_configurations(self) -> None:
        if not self._configurations_stack:
            raise RuntimeError('PopLaunchConfigurations without a PushLaunchConfigurations')
        self._configurations = self._configurations_stack.pop()

    def _push_environment(self) -> None:
        self._environment_stack.append(dict(os.environ))

    def _pop_environment(self) -> None:
        if not self._environment_stack:
            raise RuntimeError('PopEnvironment without a PushEnvironment')
        self._set_environment(self._environment_stack.pop())

    def _reset_environment(self) -> None:
        self._set_environment(self._environment_at_start)

    @staticmethod
    def _set_environment(values: dict[str, str]) -> None:
        # In place: os.environ may have been handed out, and putenv must see it.
        os.environ.clear()
        os.environ.update(values)

    # Locals: what is true while one event is handled, or below one included file.

    @property
    def locals(self) -> Locals:
        """The locals, as attributes."""
        return Locals(self.get_locals_as_dict())

    def get_locals_as_dict(self) -> dict[str, Any]:
        """Return the locals together with the globals they hide."""
        return {**self._globals, **self._locals}

    def extend_locals(self, values: dict[str, Any]) -> None:
        """Add `values` to the locals of this scope."""
        self._locals.update(values)

    def extend_globals(self, values: dict[str, Any]) -> None:
        """Add `values` for the rest of the launch."""
        self._globals.update(values)

    def _push_locals(self) -> None:
        self._locals_stack.append(dict(self._locals))

    def _pop_locals(self) -> None:
        self._locals = self._locals_stack.pop()

    # Events.

    def register_event_handler(self, event_handler: BaseEventHandler, append: bool = False) -> None:
        """Register a handler, before those registered so far unless `append`."""
        if append:
            self._handlers.append(event_handler)
        else:
            self._handlers.appendleft(event_handler)

    def unregister_event_handler(self, event_handler: BaseEventHandler) -> None:
        """Remove a handler; raises ValueError if it is not registered."""
        self._handlers.remove(event_handler)

    def would_handle_event(self, event: Event) -> bool:
        """Return whether any handler wants `event`."""
        return any(handler.matches(event) for handler in self._handlers)

    def emit_event_sync(self, event: Event) -> None:
        """Queue `event` from the thread of the loop."""
        self._queue.put_nowait(event)

    async def emit_event(self, event: Event) -> None:
        """Queue `event` from a coroutine."""
        await self._queue.put(event)

    def add_completion_future(self, future: asyncio.Future[Any]) -> None:
        """Keep the launch running until `future` is done."""
        self._completion_futures.append(future)

    def perform_substitution(self, substitution: Substitution) -> str:
        """Return the text of `substitution` here."""
        return substitution.perform(self)
