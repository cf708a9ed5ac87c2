# SPDX-License-Identifier: Apache-2.0
"""What training leaves on disk, read without torch: the checkpoints' manifests and the learning curves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MANIFEST = 'manifest.json'
"""Written last into a checkpoint's folder, which is complete with it."""
POINTS = 400
"""Points of a curve that are kept, drawn at random from more."""


def manifests(root: Path) -> list[dict[str, Any]]:
    """The manifests below ``<root>/checkpoints``, the newest first, each with ``saved`` [s]; what is damaged is left
    out here and refused with a reason when it is loaded.
    """
    found: list[dict[str, Any]] = []
    for path in (root / 'checkpoints').glob(f'[!.]*/{MANIFEST}'):
        try:
            manifest = json.loads(path.read_text(encoding='utf-8'))
        except (OSError, ValueError):
            continue
        if isinstance(manifest, dict):
            found.append({**manifest, 'saved': path.stat().st_mtime})
    return sorted(found, key=lambda manifest: float(manifest['saved']), reverse=True)


def read_curves(folder: Path) -> dict[str, dict[str, list[float]]]:
    """The scalars of a folder of TensorBoard's: tag to ``steps`` and ``values``, at most ``POINTS`` each."""
    from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={SCALARS: POINTS})
    events.Reload()
    curves = {}
    for tag in events.Tags()[SCALARS]:
        points = events.Scalars(tag)
        curves[tag] = {'steps': [float(p.step) for p in points], 'values': [float(p.value) for p in points]}
    return curves
