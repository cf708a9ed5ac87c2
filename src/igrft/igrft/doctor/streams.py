# SPDX-License-Identifier: Apache-2.0
"""Checks of topics that were listened to for a while: rate, stamps, skew, encoding, calibration, QoS."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from igrft.doctor.findings import Finding, error, ok, warn
from igrft.episodes.topics import JOINT_STATES, TopicSpec

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


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A publisher or subscription: its node, and its QoS in words."""

    node: str
    qos: str


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A publisher and a subscription between which nothing passes, and the policy that keeps them apart."""

    publisher: Endpoint
    subscription: Endpoint
    policy: str


@dataclass
class Heard:
    """What was heard of one topic.

    Attributes:
        spec: what it should be.
        publishers: who offers it.
        mismatches: pairs of incompatible QoS, igrft's own subscriptions among them.
        types: message types it is offered with.
        stamps: header stamps [s].
        ages: node time at receipt less header stamp [s].
        frame: ``frame_id`` of the last message.
        encoding, width, height: of the last image.
        joints: names in the last joint state.
        k: [9] of the last camera_info, None where none came.
    """

    spec: TopicSpec
    publishers: tuple[Endpoint, ...] = ()
    mismatches: tuple[Mismatch, ...] = ()
    types: tuple[str, ...] = ()
    stamps: list[float] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    frame: str = ''
    encoding: str = ''
    width: int = 0
    height: int = 0
    joints: tuple[str, ...] = ()
    k: tuple[float, ...] | None = None


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
