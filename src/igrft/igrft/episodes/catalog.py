# SPDX-License-Identifier: Apache-2.0
"""The episodes below a root: found, filtered and labelled without opening a bag."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from glob import escape
from pathlib import Path

from igrft.episodes.schema import EPISODE_FILE, EpisodeError, EpisodeMeta, read_meta, write_meta
from igrft.episodes.writer import PARTIAL
from igrft.types import Kind, Outcome


@dataclass(frozen=True, slots=True)
class Entry:
    """An episode: its directory and its ``episode.yaml``."""

    path: Path
    meta: EpisodeMeta


def iterate(
    root: Path,
    task: str | None = None,
    kind: Kind | None = None,
    outcome: Outcome | None = None,
) -> Iterator[Entry]:
    """Complete episodes below ``root`` in the order they were recorded.

    A directory with a dot in front is not complete and not an episode.

    Args:
        root: the folder that holds ``<task>/<utc>_<ulid>/``.
        task: only of this task.
        kind: only of this kind.
        outcome: only of this outcome.

    Raises:
        EpisodeError: ``root`` is no directory, or an ``episode.yaml`` in it is unusable.
    """
    if not root.is_dir():
        raise EpisodeError(f'{root}: no such directory; record episodes there first, or name another root')
    found = (path.parent for path in root.glob(f'{task or "*"}/*/{EPISODE_FILE}'))
    for path in sorted(found, key=lambda p: p.name):
        if path.name.startswith('.') or path.parent.name.startswith('.'):
            continue
        meta = read_meta(path)
        if (kind is None or meta.kind is kind) and (outcome is None or meta.outcome is outcome):
            yield Entry(path, meta)


def require(
    root: Path,
    task: str | None = None,
    kind: Kind | None = None,
    outcome: Outcome | None = None,
) -> list[Entry]:
    """As :func:`iterate`, but an empty result is an error.

    Raises:
        EpisodeError: nothing matches; says what was looked for and what is there instead.
    """
    entries = list(iterate(root, task, kind, outcome))
    if entries:
        return entries
    wanted = [word for word in (task, kind and kind.value, outcome and outcome.value) if word]
    present = sorted({f'{e.meta.task}/{e.meta.kind.value}/{e.meta.outcome.value}' for e in iterate(root)})
    there = f'there are: {", ".join(present)}' if present else 'it has no episode at all'
    remains = len(partials(root))
    hint = f' ({remains} unfinished: `igrft episodes recover {root}`)' if remains else ''
    raise EpisodeError(f'{root}: no episode of {" / ".join(wanted) or "any kind"}; {there}{hint}')


def partials(root: Path) -> list[Path]:
    """Directories of recordings that were never completed (running, or killed)."""
    return sorted(path for path in root.glob(f'*/.*{PARTIAL}') if path.is_dir())


def find(root: Path, episode: str) -> Path:
    """The directory of an episode, by its path or by (the end of) its id.

    Raises:
        EpisodeError: none or more than one match.
    """
    path = Path(episode)
    if path.is_dir():
        return path
    matches = [p.parent for p in root.glob(f'*/*{escape(episode)}/{EPISODE_FILE}') if p.parent.name[0] != '.']
    if len(matches) == 1:
        return matches[0]
    raise EpisodeError(
        f"{root}: {len(matches)} episodes have an id that ends in '{episode}'; "
        + ('give more letters of it' if matches else '`igrft episodes list` shows them')
    )


def relabel(directory: Path, outcome: Outcome, by: str) -> EpisodeMeta:
    """Change an episode's outcome; its labels are derived anew when it is next read.

    Raises:
        EpisodeError: it is not an episode.
    """
    meta = replace(read_meta(directory), outcome=outcome, labelled_by=by)
    write_meta(directory, meta)
    return meta
