# SPDX-License-Identifier: Apache-2.0
"""Packages in the ament index and their executables."""

from __future__ import annotations

import os
from pathlib import Path

from ament_index_python.packages import (
    PackageNotFoundError,
    get_package_prefix,
    get_package_share_directory,
)


def prefix_of(package: str) -> str:
    """Return the prefix that `package` is installed in.

    Raises:
        RuntimeError: if there is no such package.
    """
    try:
        return str(get_package_prefix(package))
    except (PackageNotFoundError, ValueError) as error:
        raise RuntimeError(f"Package '{package}' not found: {error}") from error


def share_of(package: str) -> Path:
    """Return the share directory of `package`; errors as :func:`prefix_of`."""
    try:
        return Path(get_package_share_directory(package))
    except (PackageNotFoundError, ValueError) as error:
        raise RuntimeError(f"Package '{package}' not found: {error}") from error


def executables_of(package: str) -> list[Path]:
    """Return the executables of `package`; errors as :func:`prefix_of`."""
    folder = Path(prefix_of(package), 'lib', package)
    found = []
    for root, directories, files in os.walk(folder):
        directories[:] = [name for name in directories if not name.startswith('.')]
        found += [
            Path(root, name) for name in sorted(files)
            if not name.startswith('.') and os.access(Path(root, name), os.X_OK)]
    return found
