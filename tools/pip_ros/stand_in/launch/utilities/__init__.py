# SPDX-License-Identifier: Apache-2.0
"""Helpers that actions and substitutions of one's own also use."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .._refuse import module_getattr
from ..substitution import Substitution

if TYPE_CHECKING:
    from ..launch_context import LaunchContext
    from ..launch_description_entity import LaunchDescriptionEntity

__all__ = [
    'ensure_argument_type',
    'is_a',
    'is_a_subclass',
    'normalize_to_list_of_substitutions',
    'perform_substitutions',
    'visit_all_entities_and_collect_futures',
]


def ensure_argument_type(
    argument: Any, types: Any, argument_name: str, caller: str | None = None
) -> None:
    """Raise a TypeError naming the argument unless it is an instance of `types`."""
    wanted = tuple(types) if isinstance(types, (list, tuple)) else (types,)
    if not isinstance(argument, wanted):
        where = f'{caller}: ' if caller else ''
        names = ', '.join(getattr(kind, '__name__', str(kind)) for kind in wanted)
        raise TypeError(
            f"{where}expected '{argument_name}' to be one of ({names}), "
            f'got {argument!r} of type {type(argument).__name__}')


def is_a(obj: Any, entity_type: type) -> bool:
    """Return whether `obj` is an instance of `entity_type`."""
    return isinstance(obj, entity_type)


def is_a_subclass(obj: Any, entity_type: type) -> bool:
    """Return whether `obj` is an instance or a subclass of `entity_type`."""
    return isinstance(obj, entity_type) or (
        isinstance(obj, type) and issubclass(obj, entity_type))


def normalize_to_list_of_substitutions(subs: Any) -> list[Substitution]:
    """Return text, a substitution, a path or an iterable of those as a list of substitutions.

    Raises:
        TypeError: for anything else.
    """
    import os

    from ..substitutions import TextSubstitution

    if isinstance(subs, Substitution):
        return [subs]
    if isinstance(subs, str):
        return [TextSubstitution(text=subs)]
    if isinstance(subs, os.PathLike):
        return [TextSubstitution(text=os.fspath(subs))]
    if isinstance(subs, Iterable):
        result: list[Substitution] = []
        for item in subs:
            if not isinstance(item, (str, Substitution, os.PathLike)):
                raise TypeError(
                    f'expected text or a substitution, got {item!r} ({type(item).__name__})')
            result.extend(normalize_to_list_of_substitutions(item))
        return result
    raise TypeError(f'expected text or substitutions, got {subs!r} ({type(subs).__name__})')


def perform_substitutions(context: LaunchContext, subs: Iterable[Substitution]) -> str:
    """Return the texts of `subs` in `context`, joined."""
    return ''.join(context.perform_substitution(sub) for sub in subs)


def visit_all_entities_and_collect_futures(
    entity: LaunchDescriptionEntity, context: LaunchContext
) -> list[tuple[LaunchDescriptionEntity, asyncio.Future[Any]]]:
    """Visit `entity` and all below it, depth first; return what is not done yet."""
    below = entity.visit(context)
    future = entity.get_asyncio_future()
    pending = [] if future is None else [(entity, future)]
    for sub_entity in below or ():
        pending += visit_all_entities_and_collect_futures(sub_entity, context)
    return pending


__getattr__ = module_getattr(__name__, __all__)
