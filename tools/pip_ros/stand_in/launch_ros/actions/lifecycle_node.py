# SPDX-License-Identifier: Apache-2.0
"""Running a lifecycle node: its changes of state are events, and events change its state."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from launch.actions import OpaqueFunction
from launch.event_handler import EventHandler
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.logging import get_logger
from launch.some_substitutions_type import SomeSubstitutionsType

from ..ros_adapters import ROSAdapter, get_ros_adapter
from .node import Node

if TYPE_CHECKING:
    from launch.launch_context import LaunchContext

# How often a wait looks whether the launch is shutting down [s].
_POLL_S = 0.2


class LifecycleNode(Node):
    """A node with managed states.

    Args:
        name, namespace: of the node; both are needed to find its services.
        autostart: configure and activate it once it is there.
        **kwargs: those of :class:`Node`.
    """

    def __init__(
        self,
        *,
        name: SomeSubstitutionsType,
        namespace: SomeSubstitutionsType,
        autostart: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, namespace=namespace, **kwargs)
        self._autostart = autostart
        self._log = get_logger('launch_ros.actions.lifecycle_node')

    @property
    def node_autostart(self) -> bool:
        """Whether the node is configured and activated by itself."""
        return self._autostart

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        from lifecycle_msgs.msg import Transition, TransitionEvent
        from lifecycle_msgs.srv import ChangeState as ChangeStateService

        from ..events.lifecycle import ChangeState, StateTransition
        from .lifecycle_transition import LifecycleTransition

        self._perform_substitutions(context)
        adapter = get_ros_adapter(context)
        loop = context.asyncio_loop

        def on_transition(message: Any) -> None:
            event = StateTransition(action=self, msg=message)
            if loop is not None:
                loop.call_soon_threadsafe(context.emit_event_sync, event)

        self._subscription = adapter.ros_node.create_subscription(
            TransitionEvent, f'{self.node_name}/transition_event', on_transition, 10)
        self._client = adapter.ros_node.create_client(
            ChangeStateService, f'{self.node_name}/change_state')
        context.register_event_handler(EventHandler(
            matcher=lambda event: isinstance(event, ChangeState)
            and event.lifecycle_node_matcher(self),
            entities=OpaqueFunction(function=self._on_change_state, args=[adapter])))
        result = list(super().execute(context) or ())
        if self._autostart:
            result.append(LifecycleTransition(
                lifecycle_node_names=[self.node_name],
                transition_ids=[
                    Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE]))
        return result

    def _on_change_state(self, context: LaunchContext, adapter: ROSAdapter) -> None:
        transition_id: int = context.locals.event.transition_id
        if context.asyncio_loop is not None and not context.is_shutdown:
            context.add_completion_future(context.asyncio_loop.run_in_executor(
                None, self._call_change_state, transition_id, context, adapter))

    def _call_change_state(
        self, transition_id: int, context: LaunchContext, adapter: ROSAdapter
    ) -> None:
        """Ask the node, in a thread; a launch that shuts down does not wait for the answer."""
        from lifecycle_msgs.srv import ChangeState as ChangeStateService

        from ..events.lifecycle import ChangeState

        with adapter:
            while not self._client.wait_for_service(timeout_sec=_POLL_S):
                if context.is_shutdown:
                    self._log.warning("Abandoning wait for the '%s' service, due to shutdown.",
                                      self._client.srv_name)
                    return
            request = ChangeStateService.Request()
            request.transition.id = transition_id
            answered = threading.Event()
            future = self._client.call_async(request)
            future.add_done_callback(lambda _: answered.set())
            while not answered.wait(_POLL_S):
                if context.is_shutdown:
                    self._log.warning(
                        "Abandoning wait for the '%s' service response, due to shutdown.",
                        self._client.srv_name)
                    future.cancel()
                    return
            if not future.result().success:
                self._log.error("Failed to make transition '%s' for LifecycleNode '%s'",
                                ChangeState.valid_transitions[transition_id], self.node_name)
