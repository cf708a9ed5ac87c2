# SPDX-License-Identifier: Apache-2.0
"""Rules for node names and namespaces."""

import re

_TOKEN = re.compile(r'[A-Za-z_][A-Za-z0-9_]*\Z')


def prefix_namespace(base: str | None, namespace: str | None) -> str | None:
    """Return `namespace` below `base`, unless it is absolute; None if both are None."""
    if namespace is None:
        joined = base
    elif not base or namespace.startswith('/'):
        joined = namespace
    else:
        joined = f'{base.rstrip("/")}/{namespace}'
    if joined is None or joined == '/':
        return joined
    return joined.rstrip('/')


def make_namespace_absolute(namespace: str | None) -> str | None:
    """Return `namespace` with its leading slash."""
    if namespace is None or namespace.startswith('/'):
        return namespace
    return f'/{namespace}'


def check_node_name(name: str) -> None:
    """Raise a ValueError unless `name` may be the name of a node."""
    if not _TOKEN.match(name):
        raise ValueError(f"'{name}' is not a node name: letters, digits and _, no digit first")


def check_namespace(namespace: str) -> None:
    """Raise a ValueError unless `namespace` may be an absolute namespace."""
    if namespace == '/':
        return
    if not namespace.startswith('/') or not all(
            _TOKEN.match(token) for token in namespace[1:].split('/')):
        raise ValueError(
            f"'{namespace}' is not a namespace: tokens of letters, digits and _, no digit first, "
            'separated by single slashes')
