# SPDX-License-Identifier: Apache-2.0
"""All streams of an episode together: who is alive, what time it is by them, whether everything has come."""

from __future__ import annotations

from collections.abc import Iterator

from igrft.config import RobotConfig
from igrft.episodes.definitions import describe
from igrft.episodes.states import Ports, TopicName
from igrft.episodes.streams import Stream, make_streams
from igrft.episodes.topics import EXECUTED_ACTION, TELEOP_EVENT, episode_topics, grid_camera, image_topic


class Intake:
    """Takes the messages of an episode's topics.

    Args:
        robot: whose topics.
        lockstep: time is that of the newest tick, whatever the clock says.
        ports: who knows why a topic is silent.

    Attributes:
        topics: of the episode; their numbers are what messages come with.
        streams: one a topic, in the same order.
        event: number of the operator's buttons.
    """

    def __init__(self, robot: RobotConfig, lockstep: bool, ports: Ports) -> None:
        self._lockstep, self._ports = lockstep, ports
        self.topics = episode_topics(robot)
        self.streams: list[Stream] = make_streams(self.topics, robot)
        self._required = [stream for stream in self.streams if stream.spec.required]
        self._grid = self._named(image_topic(grid_camera(robot)))
        self._executed = self._named(EXECUTED_ACTION)
        self.event = self.streams.index(self._named(TELEOP_EVENT))
        for topic in self.topics:  # the first episode must not wait for the definitions
            describe(topic.type)

    def _named(self, name: TopicName) -> Stream:
        return next(stream for stream in self.streams if stream.spec.name == name)

    @property
    def grid(self) -> TopicName:
        """The topic whose stamps are the steps of an episode."""
        return self._grid.spec.name

    @property
    def alive(self) -> bool:
        """Every required stream has sent something since :meth:`renew`."""
        return all(stream.fresh for stream in self._required)

    @property
    def problem(self) -> str:
        """Why a required stream cannot be used, '' where all can."""
        return next((stream.problem for stream in self._required if stream.problem), '')

    def renew(self, frozen: bool) -> None:
        """From here on only new messages count as a sign of life (see :meth:`Stream.renew`)."""
        for stream in self.streams:
            stream.renew(frozen=frozen)

    def after_reset(self, stamp: int) -> None:
        """The cell was reset; its first tick has ``stamp`` [ns], 0 where it does not say."""
        for stream in self.streams:
            # In lock-step the tick after the reset has a new stamp, and may have come before the answer.
            if stamp and stream.spec.required:
                stream.require(stamp)
            elif not (self._lockstep and stream.fresh):
                stream.renew()

    def present(self, node_time: int) -> int:
        """Now [ns]; in lock-step the newest tick."""
        return self._grid.stamp if self._lockstep else node_time

    def log_time(self, stream: Stream, node_time: int) -> int:
        """When a stream's last message is said to have come [ns]."""
        return stream.stamp if self._lockstep or not node_time else node_time

    def silence(self) -> str:
        """Which required streams are silent since :meth:`renew`, and why."""
        silent = [stream.spec.name for stream in self._required if not stream.fresh]
        return '; '.join(f"'{name}' is silent: {self._ports.explain(name)}" for name in silent)

    def stalled(self, since: float, now: float, limit: float) -> str:
        """Which required stream fell silent for more than ``limit`` [s], and why; '' for none."""
        for stream in self._required:
            if now - max(stream.received, since) > limit:
                name = stream.spec.name
                return f"'{name}' fell silent for {limit:g} s: {self._ports.explain(name)}"
        return ''

    def complete(self, end: int, step: int) -> bool:
        """Everything that belongs before ``end`` [ns] has come, of steps of ``step`` [ns]."""
        return self._executed.stamp >= end - step and all(stream.stamp >= end for stream in self._required)

    def said_before(self, start: int, node_time: int) -> Iterator[tuple[int, int, int, bytes]]:
        """What holds at ``start`` [ns] and was said before: topic number, log time, stamp, message."""
        for index, stream in enumerate(self.streams):
            stream.lost = 0
            # The first tick of a lock-step episode was published before the recording began.
            first = self._lockstep and stream.spec.state and stream.stamp >= start
            if stream.last is not None and (stream.spec.latched or first):
                log_time = start if stream.spec.latched else self.log_time(stream, node_time)
                yield index, log_time, stream.stamp, stream.last

    def lost(self) -> dict[TopicName, int]:
        """Messages that never arrived, by topic."""
        return {stream.spec.name: stream.lost for stream in self.streams}
