# SPDX-License-Identifier: Apache-2.0
"""What training and the curriculum left on disk, for the console's page of the trainer."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from igrft.config import ConfigError, parse
from igrft.console.records import RecordError
from igrft.rollout.curriculum import LABELS, CurriculumConfig, Progress, ProgressError, phases
from igrft.training.folders import MANIFEST, manifests, read_curves
from igrft.types import Kind

SHOWN = ('id', 'stage', 'round', 'step', 'policy', 'task', 'saved')


class DiskRecords:
    """Implements :class:`igrft.console.records.Records`.

    Args:
        root: has ``<task>/loop.json``, ``checkpoints/`` and ``tensorboard/``.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read = functools.lru_cache(maxsize=16)(lambda folder, _state: read_curves(folder))

    def overview(self) -> dict[str, Any]:
        runs = sorted(self._runs(), key=lambda folder: folder.stat().st_mtime, reverse=True)
        return {
            'checkpoints': [{name: m.get(name) for name in SHOWN} for m in manifests(self._root)],
            'runs': [folder.name for folder in runs],
            'stages': list(self._stages()),
        }

    def curves(self, run: str) -> dict[str, dict[str, list[float]]]:
        for folder in self._runs():
            if folder.name == run:
                # A running stage appends; the sizes tell.
                state = tuple(sorted((file.name, file.stat().st_size) for file in folder.iterdir()))
                return self._read(folder, state)
        raise RecordError(f"{self._root / 'tensorboard'}: no curves of '{run}'")

    def checkpoint(self, checkpoint: str) -> str:
        folder = self._root / 'checkpoints' / checkpoint
        # Names of folders that are there, and nothing else that a browser may send.
        if folder not in {path.parent for path in (self._root / 'checkpoints').glob(f'[!.]*/{MANIFEST}')}:
            raise RecordError(f"{self._root / 'checkpoints'}: no checkpoint '{checkpoint}'")
        return str(folder)

    def _runs(self) -> Iterator[Path]:
        return (folder for folder in (self._root / 'tensorboard').glob('[!.]*') if folder.is_dir())

    def _stages(self) -> Iterator[dict[str, Any]]:
        """Success after each stage of every task's loop."""
        for path in sorted(self._root.glob('*/loop.json')):
            try:
                settings = json.loads(path.read_text(encoding='utf-8'))['settings']
                progress = Progress.open(path, settings)
                order = list(phases(parse(settings['curriculum'], CurriculumConfig, str(path))))
            except (OSError, ValueError, KeyError, TypeError, ProgressError, ConfigError) as error:
                yield {'task': path.parent.name, 'problem': f'{path}: {error}'}
                continue
            for phase in order:
                if phase.kind is Kind.EVALUATION and progress.episodes.get(phase.name):
                    success = progress.success(phase)
                    low, high = success.interval()
                    yield {
                        'task': path.parent.name,
                        'stage': LABELS[phase.stage],
                        'successes': success.successes,
                        'n': success.n,
                        'low': low,
                        'high': high,
                    }
