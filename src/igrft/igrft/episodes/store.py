# SPDX-License-Identifier: Apache-2.0
"""Folders of ``.npy`` files that appear whole or not at all; nothing in them is ever unpickled."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from igrft.episodes.schema import EpisodeError

INDEX = 'index.json'


def key_of(parts: Any) -> str:
    """Sixteen hexadecimal digits that change when the (JSON) parts do."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def save_arrays(folder: Path, arrays: Mapping[str, npt.NDArray[Any]], note: Mapping[str, Any]) -> None:
    """Write arrays as ``<name>.npy`` and ``index.json`` (their names and shapes, and ``note``).

    Two writers of one folder are not a conflict: the content is the same, the second gives up its copy.

    Raises:
        EpisodeError: the disk refuses; names the folder and the remedy.
    """
    temporary = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix='.tmp-', dir=folder.parent))
        for name, array in arrays.items():
            np.save(temporary / f'{name}.npy', array, allow_pickle=False)
        shapes = {name: list(array.shape) for name, array in arrays.items()}
        (temporary / INDEX).write_text(json.dumps({'arrays': shapes, **note}, indent=1, default=str))
        os.rename(temporary, folder)
    except OSError as error:
        if not (folder / INDEX).is_file():
            raise EpisodeError(
                f'{folder}: cannot be written: {error.strerror}; free the disk, or name another cache_dir'
            ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def load_arrays(folder: Path, mapped: bool = False) -> dict[str, npt.NDArray[Any]] | None:
    """What :func:`save_arrays` wrote; None where the folder does not exist or is damaged.

    A damaged folder (an array missing, cut short or of another shape) is deleted: it can be made again.

    Args:
        folder: as saved.
        mapped: memory-map the arrays read-only in place of reading them.
    """
    if not (folder / INDEX).is_file():
        return None
    try:
        shapes = json.loads((folder / INDEX).read_text('utf-8'))['arrays']
        arrays = {
            name: np.load(folder / f'{name}.npy', mmap_mode='r' if mapped else None, allow_pickle=False)
            for name in shapes
        }
        if any(list(arrays[name].shape) != shape for name, shape in shapes.items()):
            raise ValueError('shape')
    except (OSError, ValueError, KeyError, EOFError):
        shutil.rmtree(folder, ignore_errors=True)
        return None
    return arrays
