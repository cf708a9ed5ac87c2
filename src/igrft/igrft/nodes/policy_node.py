# SPDX-License-Identifier: Apache-2.0
"""Answers `policy/request` with an action chunk from a fresh observation; swaps checkpoints between two inferences."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.task import Future

from igrft.config import RobotConfig, TaskConfig, named
from igrft.policies.server import PolicyServer, Swap
from igrft.policies.serving import committed
from igrft.ros import qos
from igrft.ros.diagnostics import Diagnostics, Rate, Status
from igrft.ros.lifecycle import Lifecycle, autostart_parameter
from igrft.ros.mailbox import Mailbox
from igrft.ros.messages import chunk_msg, seconds_of
from igrft.ros.observations import ObservationStreams
from igrft.ros.parameters import Common, declare, parameter
from igrft.ros.runtime import spin
from igrft.training.agents import AgentSource
from igrft.training.worker import robot_spec
from igrft.types import ActionChunk, Kind
from igrft_msgs.msg import ActionChunk as ActionChunkMsg
from igrft_msgs.msg import Checkpoint as CheckpointMsg
from igrft_msgs.msg import ChunkRequest, EpisodeStatus
from igrft_msgs.srv import LoadCheckpoint

REPORTED = ('temperature', 'interaction_probability', 'value', 'inference_time')


@dataclass(frozen=True)
class Parameters(Common):
    """See the descriptions."""

    policy: str = parameter('compact_flow', 'family or configuration that checkpoints should be of, for the log')
    checkpoint: str = parameter('', "checkpoint folder to begin with; '' waits for one")
    sigma_base: float = parameter(0.5, 'temperature above sigma_min where nothing is touched', minimum=0.0, maximum=3.0)
    alpha: float = parameter(0.8, 'share of sigma_base that an interaction takes away', minimum=0.0, maximum=1.0)
    sigma_min: float = parameter(0.1, 'least temperature', minimum=0.0, maximum=3.0)
    evaluation_temperature: float = parameter(-1.0, 'in evaluation episodes; below 0: as in the others', minimum=-1.0)
    disagreement_draws: int = parameter(
        0, 'draws whose spread a chunk tells, where features are cached; 0: none', minimum=0, maximum=64
    )
    require_episode: bool = parameter(True, 'answer only while an episode records; false answers always')
    rtc_guidance: float = parameter(
        10.0, 'pull of a chunk towards the running one where inference outlasts a step; 0 only freezes', minimum=0.0
    )
    max_skew: float = parameter(0.06, 'between the streams of one observation', unit='s', minimum=0.0, maximum=0.5)
    device: str = parameter('cpu', 'what the policy computes on: cpu or cuda')
    server: str = parameter('', "ws://host:port of `igrft policies serve`; '' computes here")
    server_token_file: str = parameter('', "file with the server's token, where it needs one")
    server_timeout: float = parameter(2.0, 'in which the server must answer', unit='s', minimum=0.05, maximum=60.0)
    autostart: bool = autostart_parameter()


class PolicyNode(Lifecycle):
    """Wires topics to the observation assembler and the policy server."""

    def __init__(self) -> None:
        super().__init__('policy_node')
        self.p = declare(self, Parameters)
        self.robot = named('robots', self.p.robot, RobotConfig)
        self.task = named('tasks', self.p.task, TaskConfig)
        self._requested: float | None = None
        self._in_flight: float | None = None
        self._answered: float | None = None
        self._running = 0.0, 0.0
        self._episode = ''
        self._fixed: float | None = None
        self._problem = 'no checkpoint yet'
        self._last: ActionChunk | None = None
        self._rate = Rate()
        # The server's threads speak to the node through its executor.
        self._mail = Mailbox(self)

    def configure(self) -> None:
        torch.set_num_threads(1)
        skew = 0.0 if self.p.lockstep else self.p.max_skew
        self._streams = ObservationStreams(self, self.robot, self.task.instruction, skew, self._advance, self._on_error)
        mail = self._mail
        callbacks = (mail.deferred(self._on_chunk), mail.deferred(self._on_failed), mail.deferred(self._on_swap))
        source = AgentSource.of(robot_spec(self.robot), self.p)
        self._server = PolicyServer(source, *callbacks, retry=2.0 if self.p.server else None)
        self._chunks = qos.create_publisher(self, ActionChunkMsg, 'policy/action_chunk', qos.COMMAND)
        self._subscriptions_ = [
            qos.create_subscription(self, ChunkRequest, 'policy/request', self._on_request, qos.COMMAND),
            qos.create_subscription(self, EpisodeStatus, 'episode/status', self._on_episode, qos.LATCHED),
            qos.create_subscription(self, CheckpointMsg, 'checkpoint', self._on_announced, qos.LATCHED),
        ]
        # A group of its own: while the answer is awaited, the default group must go on.
        own = MutuallyExclusiveCallbackGroup()
        self._service = self.create_service(LoadCheckpoint, '~/load_checkpoint', self._on_load, callback_group=own)
        self._diagnostics = Diagnostics(self, self.p.robot, {'policy': self._health})
        if self.p.checkpoint or self.p.server:
            self._server.load(Path(self.p.checkpoint).expanduser())

    def deactivate(self) -> None:
        self._requested = None

    def cleanup(self) -> None:
        self._server.close()
        self._streams.destroy()
        for subscription in self._subscriptions_:
            self.destroy_subscription(subscription)
        self.destroy_service(self._service)
        self.destroy_publisher(self._chunks)
        self._diagnostics.destroy()

    def _on_episode(self, message: Any) -> None:
        recording = message.state == EpisodeStatus.STATE_RECORDING
        if recording and message.episode_id != self._episode:
            fixed = self.p.evaluation_temperature
            self._fixed = fixed if message.kind == Kind.EVALUATION.value and fixed >= 0 else None
            self._in_flight = self._answered = None
            self._server.seed(message.seed)
        self._episode = message.episode_id if recording else ''
        if not recording and self.p.require_episode:
            self._requested = None
        self._advance()

    def _on_request(self, message: Any) -> None:
        stamp = seconds_of(message.header.stamp)
        if stamp == self._in_flight:
            return
        if stamp == self._answered and self._last is not None:
            # Asked again, the answer was lost: the same one, so that noise and result stay the same.
            self._publish(self._last)
            return
        self._requested = stamp
        self._running = seconds_of(message.running), message.latency
        self._advance()

    def _advance(self) -> None:
        """Answer the request as soon as the episode runs and an observation is new enough."""
        ready = bool(self._episode) or not self.p.require_episode
        if self._requested is None or not ready or not self.is_active:
            return
        observation = self._streams.observation(self._requested)
        if observation is not None:
            self._in_flight, self._requested = self._requested, None
            running = self._last if self._last is not None and self._last.stamp == self._running[0] else None
            meanwhile = committed(running, observation.stamp, self._running[1], self.p.rtc_guidance)
            self._server.submit(observation, self._fixed, meanwhile)

    def _on_chunk(self, chunk: ActionChunk) -> None:
        self._answered, self._in_flight, self._problem = self._in_flight, None, ''
        self._publish(chunk)

    def _publish(self, chunk: ActionChunk) -> None:
        if not self.is_active or not self.context.ok():
            return
        self._last = chunk
        self._rate.tick()
        self._chunks.publish(chunk_msg(chunk, self.p.policy, self.robot.base_frame))

    def _on_announced(self, message: Any) -> None:
        if message.id != self._server.checkpoint:
            self._server.load(Path(message.path))

    async def _on_load(self, request: Any, response: Any) -> Any:
        """Answer when the checkpoint is ready to serve, or refused; the executor goes on meanwhile."""
        answer: Future = Future()
        self._server.load(Path(request.path).expanduser(), self._mail.deferred(answer.set_result))
        swap: Swap = await answer
        response.success, response.message, response.id = not swap.problem, swap.problem, swap.id
        return response

    def _on_swap(self, swap: Swap) -> None:
        if swap.problem:
            kept = self._server.checkpoint or 'none'
            self._on_error(f'checkpoint refused: {swap.problem}; serving stays with {kept}')
        else:
            self._problem = ''
            self.get_logger().info(f'serving checkpoint {swap.id}')

    def _on_failed(self, text: str) -> None:
        self._in_flight = None
        self._on_error(text)

    def _on_error(self, text: str) -> None:
        self._problem = text
        self.get_logger().error(text, throttle_duration_sec=2.0)

    def _health(self) -> Status:
        values: dict[str, Any] = {'checkpoint': self._server.checkpoint, **self._rate.report('chunks')}
        if self._last is not None:
            values.update({name: f'{getattr(self._last, name):.4f}' for name in REPORTED})
        waiting = self._streams.missing() if self._requested is not None and self._episode else ''
        problem = waiting or self._problem
        return Status('warn' if problem else 'ok', problem or 'ok', values)


def main(argv: list[str] | None = None) -> int:
    """Entry point."""
    return spin(PolicyNode, argv)


if __name__ == '__main__':
    sys.exit(main())
