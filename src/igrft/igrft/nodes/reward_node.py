# SPDX-License-Identifier: Apache-2.0
"""The interaction signal of every frame, and the reward as far as it is known while the episode runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
from rclpy.node import Node
from sensor_msgs.msg import Image

from igrft.config import RobotConfig, TaskConfig, named
from igrft.episodes.topics import grid_camera, image_topic, mask_topic
from igrft.reward.hybrid import HybridConfig
from igrft.reward.interaction import InteractionDetector
from igrft.rollout.potential import PotentialTracker
from igrft.ros import qos
from igrft.ros.diagnostics import Diagnostics, Rate, Status
from igrft.ros.executor import event_driven
from igrft.ros.messages import MessageError, image_array, nanoseconds_of, seconds_of
from igrft.ros.parameters import declare, parameter
from igrft.ros.robot_masks import MaskParameters, UrdfMasks
from igrft.ros.runtime import spin
from igrft.types import UInt8
from igrft_msgs.msg import EpisodeStatus, Interaction, Reward, SubtaskMark, TeleopEvent

KEPT = 8
"""Frames that wait for their mask, and masks that wait for their frame."""


@dataclass(frozen=True)
class Parameters(MaskParameters):
    reward: str = parameter('hybrid', 'name or path of a config/reward file')


class RewardNode(Node):
    """Pairs each frame of the global camera with the mask of its stamp; the maths is in igrft.reward."""

    def __init__(self) -> None:
        super().__init__('reward_node')
        self.p = declare(self, Parameters)
        cv2.setNumThreads(1)  # a frame is too small to share, and the robot's nodes need the other cores
        self.robot = named('robots', self.p.robot, RobotConfig)
        self.config = named('reward', self.p.reward, HybridConfig)
        self.camera = grid_camera(self.robot)
        self._has_mask = self.p.mask == 'topic' or any(
            c.robot_mask for c in self.robot.cameras if c.name == self.camera
        )
        self._detector = InteractionDetector(self.config.interaction)
        self._use_task(self.p.task)
        self._episode = ''
        self._frames: dict[int, Image] = {}
        self._masks: dict[int, Image] = {}
        self._rate = Rate()
        self._problem = ''
        self._interaction = qos.create_publisher(self, Interaction, 'interaction', qos.EVENT)
        self._reward = qos.create_publisher(self, Reward, 'reward', qos.EVENT)
        self._drawn: UrdfMasks | None = None
        self._republished: Any = None
        if self.p.mask == 'urdf':
            self._drawn = UrdfMasks(self, self.robot, self.camera, self.p, self._advance, self._tell)
        elif self.p.mask == 'topic':
            self._republished = qos.create_publisher(self, Image, mask_topic(self.camera), qos.IMAGE)
        subscribe = qos.create_subscription
        subscribe(self, EpisodeStatus, 'episode/status', self._on_episode, qos.LATCHED)
        subscribe(self, SubtaskMark, 'subtask_mark', self._on_mark, qos.EVENT)
        subscribe(self, TeleopEvent, 'teleop/event', self._on_event, qos.EVENT)
        subscribe(self, Image, image_topic(self.camera), self._on_frame, qos.IMAGE)
        if self._drawn is None and self._has_mask:
            subscribe(self, Image, self.p.mask_topic or mask_topic(self.camera), self._on_mask, qos.IMAGE)
        self._diagnostics = Diagnostics(self, self.robot.name, {'interaction': self._health})

    def _use_task(self, name: str) -> None:
        self.task = named('tasks', name, TaskConfig)
        weights = tuple(subtask.weight for subtask in self.task.subtasks)
        self._potential = PotentialTracker(weights, self.config.kappa)

    def _on_episode(self, status: EpisodeStatus) -> None:
        begins = status.state == EpisodeStatus.STATE_RESETTING
        joined_late = status.state == EpisodeStatus.STATE_RECORDING and status.episode_id != self._episode
        if not (begins or joined_late):
            return
        self._episode = status.episode_id
        if status.task != self.task.name:
            self._use_task(status.task)
        self._potential.reset()
        self._detector.reset()
        self._frames.clear()
        self._masks.clear()
        if self._drawn is not None:
            self._drawn.forget()

    def _on_mark(self, mark: SubtaskMark) -> None:
        try:
            self._potential.mark(mark.index, seconds_of(mark.header.stamp))
        except ValueError as error:
            self.get_logger().error(f"subtask_mark '{mark.name}' of {mark.annotator}: {error}")

    def _on_event(self, event: TeleopEvent) -> None:
        """The operator's button completes the next open subtask."""
        if event.event == 'mark_subtask' and self._potential.completed < len(self.task.subtasks):
            self._potential.mark(self._potential.next_open, seconds_of(event.header.stamp))

    def _on_frame(self, image: Image) -> None:
        if self._drawn is not None:
            self._drawn.take(image)
        elif self._has_mask:
            self._pair(self._frames, image)
        else:
            self._advance(image, None)

    def _on_mask(self, image: Image) -> None:
        self._pair(self._masks, image)

    def _pair(self, own: dict[int, Image], image: Image) -> None:
        """Frame and mask of one stamp, whichever comes first."""
        stamp = nanoseconds_of(image.header.stamp)
        own[stamp] = image
        while len(own) > KEPT:
            own.pop(min(own))
        if stamp not in self._frames or stamp not in self._masks:
            return
        frame, mask = self._frames.pop(stamp), self._masks.pop(stamp)
        try:
            robot = image_array(mask, self.p.mask_topic or mask_topic(self.camera), 'mono8')
        except MessageError as error:
            self._tell(str(error))
            return
        if self._republished is not None:
            self._republished.publish(mask)
        self._advance(frame, robot)

    def _tell(self, problem: str) -> None:
        self._problem = problem
        if problem:
            self.get_logger().error(problem, throttle_duration_sec=2.0)

    def _advance(self, frame: Image, robot: UInt8 | None) -> None:
        stamp = seconds_of(frame.header.stamp)
        try:
            pixels = image_array(frame, image_topic(self.camera))
            before = self._detector.stamp
            sample = self._detector.update(pixels, robot, stamp)
        except ValueError as error:
            self._tell(str(error))
            return
        self._tell('')
        if before is not None and stamp <= before:
            return  # a tick that was published again was answered before
        self._rate.tick()
        message = Interaction(
            interacting=sample.interacting,
            moving_pixels=sample.moving_pixels,
            mean_flow=sample.mean_flow,
        )
        message.header = frame.header
        self._interaction.publish(message)
        subtask = self._potential.advance(stamp)
        reward = Reward(
            reward=self.config.lambda_subtask * subtask,
            subtask=subtask,
            potential=self._potential.value,
            completed=self._potential.completed,
        )
        reward.header = frame.header
        self._reward.publish(reward)

    def _health(self) -> Status:
        values = self._rate.report('interaction')
        return Status('error' if self._problem else 'ok', self._problem or 'ok', values)


def main(argv: Sequence[str] | None = None) -> int:
    return spin(RewardNode, argv, event_driven)


if __name__ == '__main__':
    raise SystemExit(main())
