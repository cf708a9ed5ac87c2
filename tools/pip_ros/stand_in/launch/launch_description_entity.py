# SPDX-License-Identifier: Apache-2.0
"""The base class of everything a launch description may hold."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .launch_context import LaunchContext


class LaunchDescriptionEntity(ABC):
    """A node of the tree that launching visits, depth first."""

    def describe(self) -> str:
        """Return a description for people."""
        return f'{type(self).__name__}()'

    def describe_sub_entities(self) -> list[LaunchDescriptionEntity]:
        """Return the entities below that are visited for certain, as far as is known now."""
        return []

    def describe_conditional_sub_entities(
        self,
    ) -> list[tuple[str, Iterable[LaunchDescriptionEntity]]]:
        """Return (condition, entities) for what is visited only on a condition."""
        return []

    @abstractmethod
    def visit(self, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        """Do what this entity is for and return what to visit next."""

    def get_asyncio_future(self) -> asyncio.Future[None] | None:
        """Return the future that ends when this entity is done, or None if it is done at once."""
        return None
