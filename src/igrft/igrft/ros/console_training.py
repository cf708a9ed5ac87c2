# SPDX-License-Identifier: Apache-2.0
"""The console's commands to the trainer and to the policy, beside those to the episode."""

from __future__ import annotations

from typing import Any

from action_msgs.srv import CancelGoal
from rclpy.action import ActionClient
from rclpy.node import Node

from igrft.console.bridge import RefusedError, UnavailableError
from igrft.ros.answers import answered, call
from igrft_msgs.action import TrainStage
from igrft_msgs.srv import LoadCheckpoint

LOAD_TIMEOUT = 60.0
"""[s] in which a policy is read and warmed up."""
TIMEOUT = 5.0
"""[s] until a trainer that is there counts as not answering."""


class TrainingCommands:
    """Starts and stops a stage, and has a checkpoint served. Awaited in the server's event loop.

    Args:
        node: owner; spun in another thread.
    """

    def __init__(self, node: Node) -> None:
        self._trainer = ActionClient(node, TrainStage, 'train_stage')
        # The action's own service, with empty goal information: cancels whoever's goal runs.
        self._cancel = node.create_client(CancelGoal, 'train_stage/_action/cancel_goal')
        self._load = node.create_client(LoadCheckpoint, 'policy_node/load_checkpoint')

    async def train(self, stage: str, round_number: int, parent: str) -> str:
        """The goal is followed by its status, so that it goes on whatever becomes of the console."""
        if not self._trainer.server_is_ready():
            raise UnavailableError("no node serves 'train_stage'; is trainer_node running? `ros2 node list`")
        goal = TrainStage.Goal(stage=stage, round=round_number, initial_checkpoint=parent)
        handle = await answered(lambda: self._trainer.send_goal_async(goal), TIMEOUT, 'train_stage')
        if not handle.accepted:
            raise RefusedError('trainer_node refused: it trains already, or is not active; its log says which')
        return f'training of {stage} begins'

    async def stop_training(self) -> str:
        if not self._cancel.service_is_ready():
            raise UnavailableError("no node serves 'train_stage'; is trainer_node running? `ros2 node list`")
        request = CancelGoal.Request()
        answer = await answered(lambda: self._cancel.call_async(request), TIMEOUT, 'train_stage')
        if not answer.goals_canceling:
            raise RefusedError('nothing is being trained')
        return 'training stops; its state is saved, and starting the same stage goes on there'

    async def serve(self, checkpoint: str) -> str:
        answer: Any = await call(self._load, LoadCheckpoint.Request(path=checkpoint), LOAD_TIMEOUT)
        return f'serving {answer.id}'

