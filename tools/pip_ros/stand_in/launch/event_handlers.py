# SPDX-License-Identifier: Apache-2.0
"""Ready-made event handlers; register them with ``RegisterEventHandler``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._refuse import module_getattr
from .event import Event
from .event_handler import BaseEventHandler, entity_list
from .events import ExecutionComplete, IncludeLaunchDescription, Shutdown
from .events.process import ProcessExited, ProcessIO, ProcessStarted
from .launch_description_entity import LaunchDescriptionEntity

if TYPE_CHECKING:
    from .launch_context import LaunchContext

__all__ = [
    'OnActionEventBase',
    'OnExecutionComplete',
    'OnIncludeLaunchDescription',
    'OnProcessExit',
    'OnProcessIO',
    'OnProcessStart',
    'OnShutdown',
    'event_named',
]


def event_named(event_name: str) -> Callable[[Event], bool]:
    """Return a matcher for events by their ``name``."""
    return lambda event: event.name == event_name


class OnActionEventBase(BaseEventHandler):
    """Handles events that come from one action, from some, or (None) from any.

    Args:
        action_matcher: an action, a callable action → bool, or None.
        on_event: entities, or a callable (event, context) → entities.
    """

    def __init__(
        self,
        *,
        action_matcher: Any,
        on_event: Any,
        target_event_cls: type[Event],
        target_action_cls: type,
        **kwargs: Any,
    ) -> None:
        if not (action_matcher is None or callable(action_matcher)
                or isinstance(action_matcher, target_action_cls)):
            raise TypeError(
                f'{type(self).__name__}: target_action must be a {target_action_cls.__name__} or '
                f'a callable, got {action_matcher!r}')

        def wanted(event: Event) -> bool:
            if not isinstance(event, target_event_cls):
                return False
            action = getattr(event, 'action', None)
            if callable(action_matcher):
                return bool(action_matcher(action))
            return action_matcher is None or action is action_matcher

        super().__init__(matcher=wanted, **kwargs)
        self._callable = on_event if callable(on_event) else None
        self._entities = [] if self._callable else entity_list(on_event)

    def sub_entities(self) -> list[LaunchDescriptionEntity]:
        return self._entities

    def handle(self, event: Event, context: LaunchContext) -> Any:
        super().handle(event, context)
        return self._callable(event, context) if self._callable else self._entities


def _process_action() -> type:
    from .actions import ExecuteLocal

    return ExecuteLocal


class OnProcessStart(OnActionEventBase):
    """Handles the start of a process."""

    def __init__(self, *, target_action: Any = None, on_start: Any, **kwargs: Any) -> None:
        super().__init__(
            action_matcher=target_action, on_event=on_start, target_event_cls=ProcessStarted,
            target_action_cls=_process_action(), **kwargs)


class OnProcessExit(OnActionEventBase):
    """Handles the end of a process."""

    def __init__(self, *, target_action: Any = None, on_exit: Any, **kwargs: Any) -> None:
        super().__init__(
            action_matcher=target_action, on_event=on_exit, target_event_cls=ProcessExited,
            target_action_cls=_process_action(), **kwargs)


class OnProcessIO(OnActionEventBase):
    """Handles what a process reads and writes; each callable takes the event."""

    def __init__(
        self,
        *,
        target_action: Any = None,
        on_stdin: Callable[[ProcessIO], Any] | None = None,
        on_stdout: Callable[[ProcessIO], Any] | None = None,
        on_stderr: Callable[[ProcessIO], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        by_fd = {0: on_stdin, 1: on_stdout, 2: on_stderr}

        def handle(event: ProcessIO, context: LaunchContext) -> Any:
            handler = by_fd[event.fd]
            return None if handler is None else handler(event)

        super().__init__(
            action_matcher=target_action, on_event=handle, target_event_cls=ProcessIO,
            target_action_cls=_process_action(), **kwargs)


class OnExecutionComplete(OnActionEventBase):
    """Handles the completion of an action."""

    def __init__(self, *, target_action: Any = None, on_completion: Any, **kwargs: Any) -> None:
        from .action import Action

        super().__init__(
            action_matcher=target_action, on_event=on_completion,
            target_event_cls=ExecutionComplete, target_action_cls=Action, **kwargs)


class OnShutdown(BaseEventHandler):
    """Handles the shutdown of the launch."""

    def __init__(self, *, on_shutdown: Any, **kwargs: Any) -> None:
        super().__init__(matcher=lambda event: isinstance(event, Shutdown), **kwargs)
        self._callable = on_shutdown if callable(on_shutdown) else None
        self._entities = [] if self._callable else entity_list(on_shutdown)

    def sub_entities(self) -> list[LaunchDescriptionEntity]:
        return self._entities

    def handle(self, event: Event, context: LaunchContext) -> Any:
        super().handle(event, context)
        return self._callable(event, context) if self._callable else self._entities


class OnIncludeLaunchDescription(BaseEventHandler):
    """Visits the launch description that an event brings."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            matcher=lambda event: isinstance(event, IncludeLaunchDescription), **kwargs)

    def handle(self, event: Event, context: LaunchContext) -> Any:
        super().handle(event, context)
        return getattr(event, 'launch_description')  # noqa: B009


__getattr__ = module_getattr(__name__, __all__)
