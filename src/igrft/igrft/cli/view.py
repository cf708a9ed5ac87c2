# SPDX-License-Identifier: Apache-2.0
"""`igrft episodes view`: an episode in Rerun, live or as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from igrft.console.pictures import jpeg
from igrft.episodes.replay import Replay
from igrft.types import ARM_ACTION_DIM

INSTALL = 'Rerun is not installed; `./run pip install -r tools/extras/rerun.txt`'
TIMELINE = 'episode'
"""[s] from the episode's begin"""
TWIST = ('vx', 'vy', 'vz', 'wx', 'wy', 'wz', 'gripper')
TITLES = {'potential': 'Φ', 'reward': 'reward', 'probability': 'p(interaction)', 'value': 'V'}


class ViewerError(RuntimeError):
    """Rerun cannot be used; the text says what to do."""


def view(replay: Replay, save: Path | None = None) -> None:
    """Open the episode in Rerun's viewer, or write it to a file that Rerun opens.

    Raises:
        ViewerError: Rerun is not installed.
    """
    try:
        import rerun as rr
    except ImportError as error:
        raise ViewerError(INSTALL) from error
    stream = rr.RecordingStream('igrft', recording_id=replay.meta.id)
    if save is not None:
        stream.save(save, default_blueprint=_blueprint(replay))
    else:
        stream.spawn(default_blueprint=_blueprint(replay))
    log(replay, stream)
    stream.flush()


def log(replay: Replay, stream: Any) -> None:
    """Everything an episode has: pictures, curves, actions, who drove, subtasks, things, the instruction."""
    import rerun as rr

    meta, episode = replay.meta, replay.episode
    times = np.arange(len(episode)) * meta.dt
    index = rr.TimeColumn(TIMELINE, duration=times)
    facts = f'# {meta.instruction}\n\n{meta.kind.value}, {meta.outcome.value}, seed {meta.seed}, `{meta.checkpoint}`\n'
    stream.log('about', rr.TextDocument(facts, media_type='text/markdown'), static=True)
    for camera, frames in episode.images.items():
        blobs = [jpeg(np.ascontiguousarray(frame)) for frame in frames]
        columns = rr.EncodedImage.columns(blob=blobs, media_type=['image/jpeg'] * len(blobs))
        stream.send_columns(f'camera/{camera}', [index], columns)
    for name, curve in replay.curves.items():
        stream.log(f'curve/{name}', rr.SeriesLines(names=TITLES[name]), static=True)
        known = np.isfinite(curve)
        if known.any():
            column = rr.TimeColumn(TIMELINE, duration=times[known])
            stream.send_columns(f'curve/{name}', [column], rr.Scalars.columns(scalars=curve[known]))
    stream.send_columns('curve/interaction', [index], rr.Scalars.columns(scalars=episode.interaction.astype(float)))
    for number in range(episode.actions.shape[1]):
        arm, part = divmod(number, ARM_ACTION_DIM)
        stream.send_columns(
            f'action/{arm}/{TWIST[part]}', [index], rr.Scalars.columns(scalars=episode.actions[:, number].astype(float))
        )
    for number in range(episode.poses.shape[1]):
        stream.send_columns(
            f'things/{number}', [index], rr.Points3D.columns(positions=np.asarray(episode.poses[:, number, :3]))
        )
    for stretch in replay.sources:
        stream.set_time(TIMELINE, duration=stretch.start)
        stream.log('driver', rr.TextLog(f'{stretch.what} drives until {stretch.end:.1f} s', level='INFO'))
    for name, done in replay.subtasks:
        if done is not None:
            stream.set_time(TIMELINE, duration=done)
            stream.log('subtask', rr.TextLog(f'{name} done', level='INFO'))


def _blueprint(replay: Replay) -> Any:
    import rerun.blueprint as rrb

    cameras = [rrb.Spatial2DView(origin=f'camera/{camera}', name=camera) for camera in replay.episode.images]
    plots = [
        rrb.TimeSeriesView(name='reward and value', contents=['curve/**']),
        rrb.TimeSeriesView(name='action', origin='action'),
    ]
    words = [rrb.TextDocumentView(origin='about', name='episode'), rrb.TextLogView(name='driver and subtasks')]
    return rrb.Blueprint(
        rrb.Vertical(rrb.Horizontal(*cameras, rrb.Vertical(*words)), rrb.Horizontal(*plots), row_shares=[3, 2]),
        rrb.TimePanel(state='collapsed'),
    )
