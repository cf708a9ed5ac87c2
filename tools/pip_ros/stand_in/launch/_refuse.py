# SPDX-License-Identifier: Apache-2.0
"""How the stand-in says no: by name, with what to do instead."""

import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from typing import Any

REMEDY = 'install ROS 2 (https://docs.ros.org) for the real launch'


class NotInStandInError(ImportError):
    """Something of the upstream API that this stand-in does not have.

    An ``ImportError``, because Python would replace the message of an ``AttributeError`` in
    ``from … import`` by one that sounds like a typing error of the user's.
    """


def module_getattr(module: str, known: Iterable[str]) -> Callable[[str], Any]:
    """Return a module ``__getattr__`` that refuses by name what `module` does not have."""
    names = sorted(known)

    def refuse(name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(f'module {module!r} has no attribute {name!r}')
        if hasattr(sys.modules[module], '__path__') and find_spec(f'{module}.{name}'):
            return import_module(f'{module}.{name}')
        close = get_close_matches(name, names, n=1)
        hint = f'; the nearest name it has is {close[0]!r}' if close else ''
        raise NotInStandInError(f"'{module}.{name}' is not in the stand-in{hint}; {REMEDY}")

    return refuse


def refuse_keywords(owner: object, unknown: dict[str, Any]) -> None:
    """Raise a ``TypeError`` naming the keyword arguments that `owner` does not take.

    Raises:
        TypeError: when `unknown` is not empty.
    """
    if unknown:
        names = ', '.join(repr(name) for name in unknown)
        raise TypeError(
            f'{type(owner).__name__}: keyword argument {names} is not in the stand-in; {REMEDY}')
