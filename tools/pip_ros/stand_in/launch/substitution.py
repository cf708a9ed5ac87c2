# SPDX-License-Identifier: Apache-2.0
"""The base class of text that is only known while launching."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .launch_context import LaunchContext


class Substitution(ABC):
    """Text that depends on the launch context; :meth:`perform` turns it into a string."""

    def describe(self) -> str:
        """Return a description for people, without performing anything."""
        return type(self).__name__

    @abstractmethod
    def perform(self, context: LaunchContext) -> str:
        """Return the text in `context`."""
