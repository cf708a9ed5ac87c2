# SPDX-License-Identifier: Apache-2.0
"""The base class of text that is only known while launching."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .launch_context import LaunchContext


class Substitution:
    """Text that depends on the launch context; :meth:`perform` turns it into a string."""

    def describe(self) -> str:
        """Return a description for people, without performing anything."""
        return type(self).__name__

    def perform(self, context: LaunchContext) -> str:
        """Return the text in `context`."""
        raise NotImplementedError(f'{type(self).__name__}.perform() is not implemented')
