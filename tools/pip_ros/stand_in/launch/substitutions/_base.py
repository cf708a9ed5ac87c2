# SPDX-License-Identifier: Apache-2.0
"""Plain text as a substitution, and what failing to perform one raises."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..substitution import Substitution
from ..utilities import ensure_argument_type

if TYPE_CHECKING:
    from ..launch_context import LaunchContext


class SubstitutionFailure(RuntimeError):
    """A substitution could not be performed."""


class TextSubstitution(Substitution):
    """Fixed text."""

    def __init__(self, *, text: str) -> None:
        ensure_argument_type(text, str, 'text', 'TextSubstitution')
        self._text = text

    @property
    def text(self) -> str:
        """The text."""
        return self._text

    def describe(self) -> str:
        return f"'{self._text}'"

    def perform(self, context: LaunchContext) -> str:
        return self._text
