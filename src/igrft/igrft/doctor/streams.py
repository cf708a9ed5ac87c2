# SPDX-License-Identifier: Apache-2.0
"""Checks of topics that were listened to for a while: presence, rate, stamps, content, QoS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from igrft.doctor.cameras import check_frames, check_skew
from igrft.doctor.findings import Finding, error, ok, warn
from igrft.doctor.heard import Heard
from igrft.episodes.topics import JOINT_STATES

LEAST_RATE, MOST_RATE = 0.8, 1.5
"""Shares of the expected rate."""
GAP = 2.5
"""Periods between two stamps from which frames count as dropped."""
STALE = 0.5
"""[s] age of a message at its receipt from which its stamp is of another clock, or of another time."""
FUTURE = 0.05
"""[s] by which a stamp may lie ahead: two clocks never agree."""
READABLE = ('rgb8', 'bgr8')
"""Encodings that everything in igrft reads where rgb8 is meant."""


def check_streams(
    heard: Mapping[str, Heard], joints: Sequence[str], seconds: float, max_skew: float, max_age: float = STALE
) -> Iterator[Finding]:
    """Everything about the streams.

    Args:
        heard: by relative topic name.
        joints: that ``joint_states`` must name.
        seconds: that were listened for.
        max_skew: [s] between cameras of one observation.
        max_age: [s] of a message at its receipt.
    """
    for stream in heard.values():
        yield from check_qos(stream)
        if stream.spec.required:
            yield from check_presence(stream, seconds, max_age)
        if stream.stamps and (stream.spec.required or stream.k is not None):
            yield from check_content(stream, joints)
    cameras = [h for h in heard.values() if h.spec.encoding == 'rgb8' and len(h.stamps) > 1]
    yield from check_skew(cameras, max_skew)
    yield from check_frames(heard)


def check_presence(stream: Heard, seconds: float, max_age: float) -> Iterator[Finding]:
    """Somebody publishes it, it arrives, and at its rate."""
    spec = stream.spec
    if not stream.publishers:
        what = 'start its camera_node, or remap the driver to this name' if spec.encoding else 'start the driver'
        yield error('presence', spec.name, 'nobody publishes it', f'{what}; check namespace and ROS_DOMAIN_ID')
        return
    by = ', '.join(sorted({p.node for p in stream.publishers}))
    if stream.types and spec.type not in stream.types:
        yield error(
            'presence',
            spec.name,
            f'{by} publishes {", ".join(stream.types)}',
            f'it must be {spec.type}; remap another topic',
        )
        return
    if not stream.stamps:
        remedy = (
            'see its qos finding'
            if stream.mismatches
            else f'look at the log and /diagnostics of {by}; is the device lost?'
        )
        yield error('presence', spec.name, f'nothing from {by} in {seconds:g} s', remedy)
        return
    if len(stream.publishers) > 1:
        yield error(
            'presence', spec.name, f'{len(stream.publishers)} publishers: {by}', 'stop all but one, or remap them'
        )
    yield from check_rate(stream)
    yield from check_stamps(stream, max_age)


def check_rate(stream: Heard) -> Iterator[Finding]:
    """Rate and dropped frames by header stamps, so that neither a busy listener nor a fast clock counts."""
    spec, stamps = stream.spec, np.unique(stream.stamps)
    if len(stamps) < 3:
        yield warn(
            'rate',
            spec.name,
            f'{len(stamps)} different stamp(s) only',
            'is it in lock-step, or paused? Listen longer (--seconds)',
        )
        return
    periods = np.diff(stamps)
    rate = 1.0 / float(np.median(periods))
    if not spec.rate:
        yield ok('rate', spec.name, f'{rate:.1f} Hz')
        return
    lost = float(np.sum(np.where(periods > GAP / spec.rate, np.rint(periods * spec.rate) - 1, 0)))
    text = f'{rate:.1f} Hz of {spec.rate:g} expected'
    if rate < LEAST_RATE * spec.rate:
        yield error(
            'rate', spec.name, text, 'less exposure time, another pixel_format (MJPG), or a USB port of its own'
        )
    elif rate > MOST_RATE * spec.rate:
        yield warn('rate', spec.name, text, "lower the driver's rate, or raise it in the robot's configuration")
    elif lost > 0.02 * (len(stamps) + lost):
        yield warn(
            'rate',
            spec.name,
            f'{text}, {lost:.0f} frames dropped of {len(stamps) + lost:.0f}',
            'free the CPU, or the USB bus',
        )
    else:
        yield ok('rate', spec.name, text)


def check_stamps(stream: Heard, max_age: float) -> Iterator[Finding]:
    """Stamps are of acquisition, by this machine's clock."""
    name, age = stream.spec.name, float(np.median(stream.ages))
    if stream.stamps[-1] == 0:
        yield error(
            'stamps', name, 'the stamps are zero', 'let the driver stamp its messages with the time of acquisition'
        )
    elif age > max_age:
        yield error(
            'stamps', name, f'messages are {age:.2f} s old when they arrive',
            'synchronise the clocks (chrony) if another machine stamps; else shorten the queue before the stamp, or '
            'set use_sim_time alike everywhere',
        )  # fmt: skip
    elif age < -FUTURE:
        yield error(
            'stamps',
            name,
            f'stamps lie {-age:.2f} s in the future',
            'synchronise the clocks (chrony), or set use_sim_time alike everywhere',
        )
    elif np.any(np.diff(stream.stamps) < 0):
        yield error(
            'stamps', name, 'stamps go backwards', 'one publisher only; and no step of the clock (chrony, not ntpdate)'
        )
    else:
        yield ok('stamps', name, f'{age * 1e3:.0f} ms old at receipt')


def check_content(stream: Heard, joints: Sequence[str]) -> Iterator[Finding]:
    """Encoding, size, joint names, calibration."""
    spec = stream.spec
    if spec.encoding:
        good = (spec.encoding,) if spec.encoding != 'rgb8' else READABLE
        if stream.encoding not in good:
            yield error(
                'encoding', spec.name, f"'{stream.encoding}', must be {' or '.join(good)}",
                "set the driver's encoding, or let camera_node convert it (source:=topic:<driver's topic>)",
            )  # fmt: skip
        elif (stream.width, stream.height) != (spec.width, spec.height):
            yield error(
                'encoding', spec.name, f'{stream.width}x{stream.height}, the robot says {spec.width}x{spec.height}',
                "change the driver's size, the robot's configuration, or let camera_node fit it (source:=topic:…)",
            )  # fmt: skip
        else:
            yield ok('encoding', spec.name, f'{stream.encoding} {stream.width}x{stream.height}')
    if spec.name == JOINT_STATES:
        missing = [name for name in joints if name not in stream.joints]
        if missing:
            yield error('joints', spec.name, f"no '{missing[0]}' among {', '.join(stream.joints)}",
                        "name the joints in the robot's configuration as the driver does")  # fmt: skip
        else:
            yield ok('joints', spec.name, f'all {len(joints)} are named')
    if stream.k is not None:
        if stream.k[0] > 0:
            yield ok('calibration', spec.name, f'focal length {stream.k[0]:.1f} px')
        else:
            yield warn('calibration', spec.name, 'K is zero: the camera is not calibrated',
                       'igrft calibrate intrinsics, then calibration:=<file> of its camera_node')  # fmt: skip


def check_qos(stream: Heard) -> Iterator[Finding]:
    """Every publisher can serve every subscription, those of igrft included, whether they run or not."""
    for mismatch in stream.mismatches:
        yield error(
            'qos', stream.spec.name,
            f'nothing passes from {mismatch.publisher.node} ({mismatch.publisher.qos}) to {mismatch.subscription.node} '
            f'({mismatch.subscription.qos}): {mismatch.policy}',
            f'let {mismatch.publisher.node} offer what is asked for (its qos_overrides parameters, or its own)',
        )  # fmt: skip
