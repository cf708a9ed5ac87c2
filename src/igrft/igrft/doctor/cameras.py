# SPDX-License-Identifier: Apache-2.0
"""Checks of what the cameras have in common: their moments, and their frames."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from igrft.doctor.findings import Finding, error, ok, warn
from igrft.doctor.heard import Heard


def check_skew(cameras: Sequence[Heard], max_skew: float) -> Iterator[Finding]:
    """How far apart the cameras' exposures lie: each frame of one and the nearest of the other."""
    for first, second in itertools.combinations(cameras, 2):
        a, b = np.unique(first.stamps), np.unique(second.stamps)
        subject = f'{first.spec.name} and {second.spec.name}'
        offsets = a[:, None] - b[None, :]
        nearest = offsets[np.arange(len(a)), np.argmin(np.abs(offsets), 1)]
        inside = (a >= b[0] - max_skew) & (a <= b[-1] + max_skew)
        if not inside.any():
            apart = float(np.min(np.abs(offsets)))
            yield error(
                'skew',
                subject,
                f'their stamps never meet: {apart:.2f} s apart at least',
                'synchronise the clocks that stamp them (chrony)',
            )
            continue
        middle, worst = float(np.median(nearest[inside])), float(np.max(np.abs(nearest[inside])))
        text = f'{middle * 1e3:+.1f} ms (worst {worst * 1e3:.1f} ms, n = {int(inside.sum())})'
        if worst <= max_skew:
            yield ok('skew', subject, text)
        else:
            yield error('skew', subject, f'{text}, at most {max_skew * 1e3:g} ms fit into one observation',
                        'trigger the cameras together, raise their rate, or max_skew of policy_node')  # fmt: skip


def check_frames(heard: Mapping[str, Heard]) -> Iterator[Finding]:
    """Every stream names its frame, and no two cameras the same."""
    cameras: dict[str, str] = {}
    for stream in heard.values():
        if not stream.stamps or not (stream.spec.required or stream.k is not None):
            continue
        if not stream.frame:
            yield error('frames', stream.spec.name, 'frame_id is empty', "set the driver's frame_id")
        elif stream.spec.encoding == 'rgb8':
            other = cameras.setdefault(stream.frame, stream.spec.name)
            if other != stream.spec.name:
                yield error(
                    'frames',
                    stream.spec.name,
                    f"frame_id '{stream.frame}' is also that of {other}",
                    'give each camera a frame of its own',
                )


def check_tree(transforms: Mapping[str, str], base: str, frames: Sequence[str]) -> Iterator[Finding]:
    """Every camera's frame hangs on the robot's base in tf.

    Args:
        transforms: child frame to parent frame, as /tf and /tf_static have them.
        base: the robot's base frame.
        frames: of the cameras.
    """
    for frame in frames:
        at, seen = frame, {frame}
        while at != base and at in transforms and transforms[at] not in seen:
            at = transforms[at]
            seen.add(at)
        if at == base:
            yield ok('frames', frame, f"hangs on '{base}' in tf")
        else:
            remedy = 'igrft calibrate extrinsics, then publish its result with static_transform_publisher'
            yield warn('frames', frame, f"tf has no way to '{base}'; it ends at '{at}'", remedy)
