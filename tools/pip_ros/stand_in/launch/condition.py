# SPDX-License-Identifier: Apache-2.0
"""The base class of conditions on actions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .launch_context import LaunchContext


class Condition:
    """A yes or no that is only known while launching."""

    def __init__(self, *, predicate: Callable[[LaunchContext], bool]) -> None:
        self._predicate = predicate

    def describe(self) -> str:
        """Return a description for people."""
        return type(self).__name__

    def evaluate(self, context: LaunchContext) -> bool:
        """Return whether the condition holds in `context`."""
        return self._predicate(context)
