# SPDX-License-Identifier: Apache-2.0
"""Trains a stage when asked (`train_stage`), in a process of its own, from the episodes on disk; announces the
checkpoint.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.task import Future

from igrft.config import named, nearest
from igrft.rollout.curriculum import CurriculumConfig
from igrft.ros import qos
from igrft.ros.diagnostics import Diagnostics, Status
from igrft.ros.lifecycle import Lifecycle, autostart_parameter
from igrft.ros.mailbox import Mailbox
from igrft.ros.parameters import Common, declare, parameter
from igrft.ros.runtime import spin
from igrft.training.checkpoint import default_parent
from igrft.training.client import WorkerClient
from igrft.training.config import STAGES
from igrft.training.worker import Job
from igrft_msgs.action import TrainStage
from igrft_msgs.msg import Checkpoint as CheckpointMsg
from igrft_msgs.msg import TrainerStatus

STOP_TIMEOUT = 8.0
"""[s] that a training process gets to save its state."""


@dataclass(frozen=True)
class Parameters(Common):
    """See the descriptions."""

    policy: str = parameter('compact_flow', 'name or path of a config/policies file')
    episodes_dir: str = parameter('~/igrft_data', 'has <task>/ (episodes), checkpoints/, tensorboard/')
    curriculum: str = parameter('quick', 'name or path of a config/curriculum file, which names the training')
    training: str = parameter('', "name or path of a config/training file; '' takes the curriculum's")
    niceness: int = parameter(10, 'added to the training process', minimum=0, maximum=19)
    autostart: bool = autostart_parameter()


class TrainerNode(Lifecycle):
    """One training at a time, in a child process."""

    def __init__(self) -> None:
        super().__init__('trainer_node')
        self.p = declare(self, Parameters)
        self.root = Path(self.p.episodes_dir).expanduser()
        self.training = self.p.training or named('curriculum', self.p.curriculum, CurriculumConfig).training
        self._client: WorkerClient | None = None
        self._state = TrainerStatus(state='idle')
        self._mail = Mailbox(self)

    def configure(self) -> None:
        self._status = qos.create_publisher(self, TrainerStatus, 'trainer/status', qos.LATCHED)
        self._checkpoint = qos.create_publisher(self, CheckpointMsg, 'checkpoint', qos.LATCHED)
        self._server = ActionServer(
            self,
            TrainStage,
            'train_stage',
            execute_callback=self._execute,
            goal_callback=self._judge,
            cancel_callback=self._cancel,
        )
        self._diagnostics = Diagnostics(self, self.p.robot, {'training': self._health})

    def activate(self) -> None:
        self._publish(state='idle', message='')

    def deactivate(self) -> None:
        client = self._client
        if client is not None:
            client.stop()
            if not client.wait(STOP_TIMEOUT):
                self.get_logger().error(
                    f'the training did not stop within {STOP_TIMEOUT:g} s and is killed; its last saved state stays'
                )
                client.kill()

    def cleanup(self) -> None:
        self._server.destroy()
        self.destroy_publisher(self._status)
        self.destroy_publisher(self._checkpoint)
        self._diagnostics.destroy()

    def _judge(self, goal: Any) -> GoalResponse:
        problem = ''
        if not self.is_active:
            problem = 'the node is not active'
        elif goal.stage not in STAGES:
            problem = f"unknown stage '{goal.stage}'; {nearest(goal.stage, STAGES)}"
        elif self._client is not None:
            problem = f'{self._state.stage} is being trained; wait, or cancel it'
        if problem:
            self.get_logger().error(f'train_stage refused: {problem}')
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    async def _execute(self, handle: Any) -> Any:
        """Follow the child until its last event; the executor goes on meanwhile."""
        goal = handle.request
        task = goal.task or self.p.task
        job = Job(
            root=str(self.root),
            stage=goal.stage,
            task=task,
            round=goal.round,
            training=self.training,
            overrides=tuple(goal.overrides),
            policy=self.p.policy,
            robot=self.p.robot,
            parent=goal.initial_checkpoint or default_parent(self.root, goal.stage, task),
            niceness=self.p.niceness,
        )
        begin = self.get_clock().now()
        last: Future = Future()

        def on_event(event: Mapping[str, Any]) -> None:
            if event['event'] == 'progress':
                self._progress(handle, event)
            elif not last.done():
                last.set_result(event)

        begun = {'stage': goal.stage, 'round': goal.round, 'step': 0, 'total_steps': 0, 'eta': 0.0}
        self._publish(state='training', **begun, message='reading the episodes')
        self._client = WorkerClient(job, self._mail.deferred(on_event))
        try:
            event: Mapping[str, Any] = await last
        finally:
            self._client = None
        seconds = (self.get_clock().now() - begin).nanoseconds * 1e-9
        return self._finish(handle, event, seconds)

    def _cancel(self, handle: Any) -> CancelResponse:
        if self._client is not None:
            self._client.stop()
        return CancelResponse.ACCEPT

    def _progress(self, handle: Any, event: Mapping[str, Any]) -> None:
        values = {'stage': event['stage'], 'step': event['step'], 'total_steps': event['total']}
        numbers = {'loss': event['loss'], 'effective_sample_size': event['ess'], 'eta': event['eta']}
        handle.publish_feedback(TrainStage.Feedback(**values, **numbers))
        self._publish(state='training', **values, **numbers, round=event['round'], message=event['part'])

    def _finish(self, handle: Any, event: Mapping[str, Any], seconds: float) -> Any:
        result = TrainStage.Result(duration=seconds, loss=self._state.loss)
        if event['event'] == 'done':
            if event['excluded']:
                self.get_logger().warning(f'{len(event["excluded"])} episodes were left out:')
            for episode, reason in event['excluded'].items():
                self.get_logger().warning(f'episode {episode} was left out: {reason}')
            result.success, result.checkpoint = True, event['checkpoint']
            result.message = f'saved {event["id"]}'
            self._announce(event)
            self._publish(state='idle', checkpoint=event['id'], message=result.message)
            handle.succeed()
        elif event['event'] == 'stopped':
            result.message = event['message']
            self._publish(state='idle', message=event['message'])
            if handle.is_cancel_requested:
                handle.canceled()
            else:
                handle.abort()
        else:
            result.message = event['message']
            self.get_logger().error(f'training failed: {event["message"]}')
            self._publish(state='failed', message=event['message'])
            handle.abort()
        return result

    def _announce(self, event: Mapping[str, Any]) -> None:
        message = CheckpointMsg(
            id=event['id'], path=event['checkpoint'], stage=event['stage'], policy=event['policy'], step=event['step']
        )
        message.header.stamp = self.get_clock().now().to_msg()
        self._checkpoint.publish(message)

    def _publish(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self._state, name, value)
        self._state.header.stamp = self.get_clock().now().to_msg()
        if self.context.ok():
            self._status.publish(self._state)

    def _health(self) -> Status:
        level = 'error' if self._state.state == 'failed' else 'ok'
        values = {'stage': self._state.stage, 'step': self._state.step, 'of': self._state.total_steps}
        return Status(level, self._state.message or self._state.state, values)


def main(argv: list[str] | None = None) -> int:
    """Entry point."""
    return spin(TrainerNode, argv)


if __name__ == '__main__':
    sys.exit(main())
