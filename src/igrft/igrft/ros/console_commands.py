# SPDX-License-Identifier: Apache-2.0
"""The console's commands as the graph's services and topics; awaited in the server's event loop."""

from __future__ import annotations

import asyncio
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.client import Client
from rclpy.node import Node
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from igrft.console.bridge import RefusedError, UnavailableError
from igrft.ros import qos
from igrft.ros.answers import call
from igrft.ros.console_clock import WatchedClock
from igrft.ros.console_training import TrainingCommands
from igrft_msgs.msg import TeleopEvent
from igrft_msgs.srv import LabelEpisode, StartEpisode, StopEpisode

TIMEOUT = 5.0
"""[s] until a service that is there counts as not answering."""
CLOCK_TRIES = 100
CLOCK_PERIOD = 0.02
"""[s] between two looks for simulated time that has just been asked for."""
RELEASE_TRIES = 10
RELEASE_PERIOD = 0.1
"""[s] between two tries to reset, while the release of our own stop is still on its way."""


class ConsoleCommands(TrainingCommands):
    """The command half of :class:`igrft.console.bridge.Bridge`.

    Args:
        node: owner; spun in another thread.
        frame_id: of the events.
    """

    def __init__(self, node: Node, frame_id: str) -> None:
        super().__init__(node)
        self._node = node
        self._frame_id = frame_id
        self._clock = WatchedClock(node)
        self._wanted = False
        self._stamping = 0
        self._switch = node.create_guard_condition(self._apply)
        self._stop = qos.create_publisher(node, Bool, 'console/e_stop', qos.LATCHED)
        self._events = qos.create_publisher(node, TeleopEvent, 'teleop/event', qos.EVENT)
        self._start = node.create_client(StartEpisode, 'episode/start')
        self._finish = node.create_client(StopEpisode, 'episode/stop')
        self._discard = node.create_client(Trigger, 'episode/discard')
        self._label = node.create_client(LabelEpisode, 'episode/label')
        self._reset = node.create_client(Trigger, 'safety_node/e_stop_reset')

    def _apply(self) -> None:
        """In the executor's thread: listen to what is needed now."""
        self._clock.follow(self._wanted or self._stamping > 0)

    async def _stamp(self) -> Time:
        """Now; without a browser that keeps the clock awake it is woken first.

        Raises:
            UnavailableError: time is simulated and nobody publishes it.
        """
        self._stamping += 1
        self._switch.trigger()
        try:
            for _ in range(CLOCK_TRIES):
                if (stamp := self._clock.stamp()) is not None:
                    return stamp
                await asyncio.sleep(CLOCK_PERIOD)
        finally:
            self._stamping -= 1
            self._switch.trigger()
        raise UnavailableError('no message on /clock; is the simulation running, or is use_sim_time set by mistake?')

    async def start(self, kind: str, seed: int, split: str) -> str:
        answer = await self._call(self._start, StartEpisode.Request(kind=kind, seed=seed, split=split))
        return f'episode {answer.episode_id} begins'

    async def finish(self, outcome: str) -> str:
        answer = await self._call(self._finish, StopEpisode.Request(outcome=outcome))
        return f'{outcome}: {answer.path}'

    async def discard(self) -> str:
        await self._call(self._discard, Trigger.Request())
        return 'episode discarded'

    async def label(self, episode: str, outcome: str) -> str:
        await self._call(self._label, LabelEpisode.Request(episode_id=episode, outcome=outcome))
        return f'{episode or "last episode"}: {outcome}'

    async def event(self, name: str) -> str:
        message = TeleopEvent(device='console', event=name)
        message.header.stamp = await self._stamp()
        message.header.frame_id = self._frame_id
        self._events.publish(message)
        return name.replace('_', ' ')

    async def e_stop(self) -> str:
        self._stop.publish(Bool(data=True))
        if self._stop.get_subscription_count() == 0:
            raise UnavailableError(
                'nobody listens to console/e_stop: safety_node is not running. Use the hardware stop.'
            )
        return 'stop sent'

    async def reset_e_stop(self) -> str:
        # Also what a console before us has latched; what others assert has topics of its own and stays.
        self._stop.publish(Bool(data=False))
        for attempt in range(RELEASE_TRIES):
            try:
                await self._call(self._reset, Trigger.Request())
                return 'stop reset'
            except RefusedError as error:
                # Topic and service are not ordered: our release may be a moment behind the request.
                if 'still asserted' not in str(error) or attempt == RELEASE_TRIES - 1:
                    raise
                await asyncio.sleep(RELEASE_PERIOD)
        raise AssertionError('unreachable')

    async def _call(self, client: Client, request: Any) -> Any:
        return await call(client, request, TIMEOUT)
