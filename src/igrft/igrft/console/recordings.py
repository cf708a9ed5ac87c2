# SPDX-License-Identifier: Apache-2.0
"""The recorded episodes as the page shows them: a list, one of them, its pictures.

Everything comes through the episodes' own reader, cache and labels, so what is seen is what training sees.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import numpy as np

from igrft.console.pictures import jpeg
from igrft.episodes.catalog import find, partials, relabel
from igrft.episodes.replay import Replay, load_replay
from igrft.episodes.schema import EPISODE_FILE, EpisodeError, EpisodeMeta, read_meta
from igrft.reward.hybrid import HybridConfig
from igrft.types import Outcome

MAX_WIDTH = 320
"""[px] of a replayed picture."""
KEPT = 4
"""Episodes that stay opened."""
ULID = re.compile(r'[0-9A-Z]{26}')


class Recordings:
    """The episodes below a root. Called from the server's worker threads.

    Args:
        root: has ``<task>/<utc>_<ulid>/``.
        labelling: constants of interaction and reward.
    """

    def __init__(self, root: Path, labelling: HybridConfig | None = None) -> None:
        self.root = root
        labelling = labelling or HybridConfig()
        self._open = functools.lru_cache(maxsize=KEPT)(
            lambda path, _changed: load_replay(path, labelling, MAX_WIDTH)
        )
        self._meta = functools.lru_cache(maxsize=4096)(lambda path, _changed: read_meta(path))

    def episodes(self) -> dict[str, Any]:
        """Every complete episode, the newest first; what cannot be read is listed with its problem."""
        found: list[dict[str, Any]] = []
        paths = (path.parent for path in self.root.glob(f'*/[!.]*/{EPISODE_FILE}'))
        for path in sorted(paths, key=lambda p: p.name, reverse=True):
            try:
                found.append(_summary(self._read_meta(path)))
            except EpisodeError as error:
                found.append({'id': path.name[-26:], 'task': path.parent.name, 'problem': str(error)})
        return {'root': str(self.root), 'episodes': found, 'unfinished': len(partials(self.root))}

    def show(self, episode: str) -> dict[str, Any]:
        """One episode: facts, curves [T], stretches in seconds from its start.

        Raises:
            EpisodeError: there is none of that id, or it cannot be used.
        """
        path = self._path(episode)
        meta = self._read_meta(path)
        replay = self._opened(path)
        return {
            **_summary(meta),
            'instruction': meta.instruction,
            'robot': meta.robot,
            'labelled_by': meta.labelled_by,
            'path': str(path),
            'dt': meta.dt,
            'steps': len(replay.episode),
            'cameras': list(replay.episode.images),
            'subtask_times': [{'name': name, 'time': time} for name, time in replay.subtasks],
            'sources': replay.sources,
            'interaction': replay.interaction,
            'series': {
                name: [round(float(value), 5) for value in curve] for name, curve in replay.curves.items()
            },
        }

    def frame(self, episode: str, camera: str, step: int) -> bytes:
        """A step's picture as JPEG.

        Raises:
            EpisodeError: there is no such episode, camera or step.
        """
        data = self._opened(self._path(episode)).episode
        if camera not in data.images:
            raise EpisodeError(f"episode {episode} has no camera '{camera}'; it has {', '.join(data.images)}")
        if not 0 <= step < len(data):
            raise EpisodeError(f'episode {episode} has the steps 0 to {len(data) - 1}, not {step}')
        return jpeg(np.ascontiguousarray(data.images[camera][step]))

    def relabel(self, episode: str, outcome: str) -> str:
        """Change an episode's outcome on disk, where no recorder runs that would do it.

        Raises:
            EpisodeError: there is none of that id.
        """
        meta = relabel(self._path(episode), Outcome(outcome), 'console')
        return f'{meta.id}: {meta.outcome.value}'

    def _path(self, episode: str) -> Path:
        # An id and nothing else: what a browser sends is never taken for a path.
        if not ULID.fullmatch(episode):
            raise EpisodeError(f"'{episode[:40]}' is not an episode's id (26 letters and digits)")
        return find(self.root, episode)

    def _read_meta(self, path: Path) -> EpisodeMeta:
        return self._meta(path, (path / EPISODE_FILE).stat().st_mtime_ns)

    def _opened(self, path: Path) -> Replay:
        # A new label changes episode.yaml and the rewards.
        return self._open(path, (path / EPISODE_FILE).stat().st_mtime_ns)


def _summary(meta: EpisodeMeta) -> dict[str, Any]:
    return {
        'id': meta.id,
        'task': meta.task,
        'kind': meta.kind.value,
        'outcome': meta.outcome.value,
        'seed': meta.seed,
        'split': meta.split,
        'duration': round(meta.duration, 3),
        'completed': meta.completed,
        'subtasks': len(meta.subtasks),
        'takeovers': len(meta.interventions),
        'lost': meta.lost,
        'checkpoint': meta.checkpoint,
        'problem': meta.problem,
    }
