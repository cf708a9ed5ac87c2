# SPDX-License-Identifier: Apache-2.0
"""Watching the streams of an episode: alive, well-formed, complete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from igrft.config import RobotConfig, nearest
from igrft.episodes.cdr import MalformedError, header_stamp, image_header
from igrft.episodes.definitions import DECODE_ERRORS, writing_typestore
from igrft.episodes.topics import JOINT_STATES, TopicSpec, gripper_joints


@dataclass
class Stream:
    """One topic as the recorder sees it.

    Attributes:
        spec: what it should be.
        joints: names that ``joint_states`` must contain; empty for every other topic.
        fresh: messages since :meth:`renew`.
        received: monotonic time of the last message [s].
        stamp: of the last message [ns].
        last: the last message, kept of latched topics and of those that say how the world is.
        lost: messages that never arrived since :meth:`renew`.
        problem: why the stream cannot be used, '' when it can.
    """

    spec: TopicSpec
    joints: tuple[str, ...] = ()
    fresh: int = 0
    received: float = float('-inf')
    stamp: int = 0
    last: bytes | None = None
    lost: int = 0
    problem: str = ''
    _sequence: int = 0
    _floor: int = -1
    _oldest: int = 0

    def renew(self, frozen: bool = False) -> None:
        """From here on only new messages count as a sign of life.

        Args:
            frozen: time stands still (lock-step), so a message with the last stamp is the last one repeated.
        """
        self.fresh = 0
        self.problem = ''
        self._floor = self.stamp if frozen else -1
        self._oldest = 0

    def require(self, stamp: int) -> None:
        """From here on only messages stamped at ``stamp`` [ns] or later are a sign of life."""
        self._oldest = stamp
        if self.stamp < stamp:
            self.fresh = 0

    def take(self, data: bytes, now: float, sequence: int, check: bool) -> None:
        """Take a message.

        Args:
            data: serialised.
            now: monotonic time [s].
            sequence: publication sequence number, 0 when the middleware has none.
            check: look at the content, not only at the stamp.
        """
        try:
            stamp = header_stamp(data)
        except MalformedError as error:
            self.problem = f"'{self.spec.name}': {error}"
            return
        self._count(sequence, stamp)
        self.fresh += stamp != self._floor and stamp >= self._oldest
        self.received = now
        self.stamp = stamp
        if self.spec.latched or self.spec.state:
            self.last = data
        if check:
            self.problem = self._examine(data)

    def _count(self, sequence: int, stamp: int) -> None:
        if sequence:
            if self._sequence and sequence > self._sequence + 1:
                self.lost += sequence - self._sequence - 1
            self._sequence = sequence
        elif self.spec.rate and self.stamp and stamp > self.stamp:
            period = 1e9 / self.spec.rate
            self.lost += max(0, round((stamp - self.stamp) / period) - 1)

    def _examine(self, data: bytes) -> str:
        name = self.spec.name
        try:
            if self.spec.encoding:
                return self._examine_image(data)
            if self.joints:
                return self._examine_joints(data)
        except MalformedError as error:
            return f"'{name}': {error}"
        except DECODE_ERRORS as error:
            return f"'{name}' is not a {self.spec.type}: {error}"
        return ''

    def _examine_image(self, data: bytes) -> str:
        image, spec = image_header(data), self.spec
        if image.encoding != spec.encoding:
            return (
                f"'{spec.name}' has encoding '{image.encoding}', an episode needs '{spec.encoding}'; "
                'set the camera driver to it'
            )
        if (image.width, image.height) != (spec.width, spec.height):
            return (
                f"'{spec.name}' is {image.width}x{image.height}, the robot's configuration says "
                f'{spec.width}x{spec.height}; change one of the two'
            )
        channels = 3 if spec.encoding == 'rgb8' else 1
        if image.step < image.width * channels or image.size != image.step * image.height:
            return f"'{spec.name}' has {image.size} bytes in rows of {image.step}: not {image.encoding}"
        return ''

    def _examine_joints(self, data: bytes) -> str:
        message: Any = writing_typestore().deserialize_cdr(data, self.spec.type)
        names = list(message.name)
        missing = [joint for joint in self.joints if joint not in names]
        if missing:
            return f"'{self.spec.name}' has no joint '{missing[0]}'; {nearest(missing[0], names)}"
        if len(message.position) != len(names):
            return f"'{self.spec.name}' has {len(message.position)} positions of {len(names)} joints"
        return ''


def make_streams(topics: tuple[TopicSpec, ...], robot: RobotConfig) -> list[Stream]:
    """One stream a topic, in the same order."""
    joints = (*robot.joints, *gripper_joints(robot))
    return [Stream(topic, joints if topic.name == JOINT_STATES else ()) for topic in topics]
