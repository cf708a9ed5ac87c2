# SPDX-License-Identifier: Apache-2.0
"""The base of managed nodes: transitions are plain methods that raise, and ``autostart`` makes a manager optional."""

from __future__ import annotations

from typing import Any

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from igrft.ros.parameters import parameter

__all__ = ['Lifecycle', 'autostart_parameter']


def autostart_parameter() -> Any:
    """The field that a managed node's parameters carry: ``autostart: bool = autostart_parameter()``."""
    return parameter(True, 'configure and activate at start, without a lifecycle manager')


class Lifecycle(LifecycleNode):
    """A managed node. Override :meth:`configure`, :meth:`activate`, :meth:`deactivate`, :meth:`cleanup`.

    Each does the work of its transition and raises with a text for the user where it cannot: the node then
    stays in the state it was in. ``deactivate`` stops the work first and sends the safe command last.
    """

    def configure(self) -> None:
        """Load, allocate, create publishers; heavy work belongs here."""

    def activate(self) -> None:
        """Begin to publish and to act."""

    def deactivate(self) -> None:
        """Stop to act."""

    def cleanup(self) -> None:
        """Give back what ``configure`` took."""

    @property
    def is_active(self) -> bool:
        return self._is_active

    def __init__(self, name: str, **options: Any) -> None:
        self._is_active = False
        self._is_configured = False
        self._problem = ''
        super().__init__(name, **options)

    def autostart(self) -> None:
        """Configure and activate, if the parameter says so (call once, before spinning).

        Raises:
            RuntimeError: a transition was refused; the text is its reason.
        """
        if not self.get_parameter('autostart').value:
            return
        for transition in (self.trigger_configure, self.trigger_activate):
            if transition() != TransitionCallbackReturn.SUCCESS:
                raise RuntimeError(self._problem or 'could not start')

    def close(self) -> None:
        """Leave in order; called once when the process ends."""
        if self._is_active:
            self._is_active = False
            self.deactivate()
        if self._is_configured:
            self._is_configured = False
            self.cleanup()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        if not self._try('configure', self.configure):
            return TransitionCallbackReturn.FAILURE
        self._is_configured = True
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        # Lifecycle publishers drop what is published before they are active.
        result = super().on_activate(state)
        if not self._try('activate', self.activate):
            return TransitionCallbackReturn.FAILURE
        self._is_active = True
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._is_active = False
        if not self._try('deactivate', self.deactivate):
            return TransitionCallbackReturn.ERROR
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._is_configured = False
        if not self._try('cleanup', self.cleanup):
            return TransitionCallbackReturn.ERROR
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._try('shutdown', self.close)
        return super().on_shutdown(state)

    def _try(self, name: str, work: Any) -> bool:
        """Run a transition's work; rclpy would swallow the error's text."""
        try:
            work()
        except Exception as error:  # noqa: BLE001  whatever it is, the state machine must learn of it
            self._problem = f'{name}: {error}'
            self.get_logger().error(self._problem)
            return False
        return True
