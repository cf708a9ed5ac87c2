# SPDX-License-Identifier: Apache-2.0
"""The console's bridge to the graph: latched states always, pictures and plots only while a browser looks."""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image
from std_msgs.msg import String

from igrft.config import ConfigError, RobotConfig, TaskConfig, named
from igrft.console.bridge import Frame
from igrft.console.state import (
    Component,
    ConsoleState,
    EpisodeState,
    SafetyState,
    Sample,
)
from igrft.ros import qos
from igrft.ros.console_commands import ConsoleCommands
from igrft.ros.console_health import HealthWatch
from igrft.ros.console_states import checkpoint_state, driver_state, help_state, trainer_state
from igrft.ros.messages import MessageError, image_array, seconds_of, teleop_msg
from igrft.types import Float32, Mode, TeleopInput
from igrft_msgs.msg import (
    ActionChunk,
    Checkpoint,
    EpisodeStatus,
    GripperCommand,
    HelpRequest,
    Interaction,
    Intervention,
    Reward,
    SafetyStatus,
    Teleop,
    TrainerStatus,
)

SAMPLES = 1200
"""Points the plots keep."""
SAFETY_SILENCE = 3.0
"""[s]; safety/status comes every second."""
EPISODE_STATES = ('idle', 'resetting', 'recording', 'finalising')
SAFETY_STATES = ('ok', 'limited', 'stale', 'invalid', 'e_stop')


class ConsoleBridge(ConsoleCommands):
    """Implements :class:`igrft.console.bridge.Bridge`.

    Subscription callbacks run in the executor's thread, everything public in the server's; they share single
    references to immutable things, which Python replaces atomically.

    Args:
        node: owner; spun by a single-threaded executor.
        robot: its cameras are shown.
        task: shown until an episode names another.
        pad: the on-screen pad may drive the arm.
    """

    def __init__(self, node: Node, robot: RobotConfig, task: TaskConfig, pad: bool = False) -> None:
        super().__init__(node, robot.base_frame)
        self._robot = robot
        self._task = task
        self._latest: dict[type[Any], Any] = {}
        self._loop: dict[str, Any] | None = None
        self._loop_runs = False
        self._safety_heard = -math.inf
        self._began: float | None = None
        self._raw: dict[str, tuple[int, bytes]] = {}
        self._problems: dict[str, str] = {}
        self._samples: deque[Sample] = deque(maxlen=SAMPLES)
        self._watching: list[Subscription] = []
        self._health = HealthWatch(node.get_namespace())
        self._teleop = qos.create_publisher(node, Teleop, 'teleop/command', qos.COMMAND) if pad else None
        subscribe = qos.create_subscription
        subscribe(node, EpisodeStatus, 'episode/status', self._on_episode, qos.LATCHED)
        subscribe(node, SafetyStatus, 'safety/status', self._on_safety, qos.LATCHED)
        subscribe(node, String, 'loop/status', self._on_loop, qos.LATCHED)
        for kind, topic in (
            (Intervention, 'intervention'),
            (TrainerStatus, 'trainer/status'),
            (Checkpoint, 'checkpoint'),
            (HelpRequest, 'help'),
        ):
            subscribe(node, kind, topic, self._keep, qos.LATCHED)

    # The graph's side: the executor's thread ----------------------------------------------------------------

    def _keep(self, message: Any) -> None:
        self._latest[type(message)] = message

    def _on_episode(self, message: EpisodeStatus) -> None:
        before: EpisodeStatus | None = self._latest.get(EpisodeStatus)
        self._keep(message)
        recording = message.state == EpisodeStatus.STATE_RECORDING
        if not recording:
            self._began = None
        elif before is None or (before.state, before.episode_id) != (message.state, message.episode_id):
            self._began = seconds_of(message.header.stamp)
        if message.state == EpisodeStatus.STATE_RESETTING:
            self._latest.pop(Reward, None)
        if message.task and message.task != self._task.name:
            try:
                self._task = named('tasks', message.task, TaskConfig)
                self._problems.pop('task', None)
            except ConfigError as error:
                self._problems['task'] = str(error)

    def _on_safety(self, message: SafetyStatus) -> None:
        self._safety_heard = time.monotonic()
        self._keep(message)

    def _on_loop(self, message: String) -> None:
        try:
            status = json.loads(message.data)
        except json.JSONDecodeError as error:
            self._problems['loop'] = f'loop/status: not JSON: {error}'
            return
        if not isinstance(status, dict):
            self._problems['loop'] = 'loop/status: expected a JSON object'
            return
        self._problems.pop('loop', None)
        self._loop = status

    def check_graph(self) -> None:
        """Look once a second for what no message tells: whether the loop's node is still there."""
        self._loop_runs = self._node.count_publishers('loop/status') > 0

    def _on_image(self, camera: str, data: bytes) -> None:
        # Kept serialised: at most every picture that is shown is taken apart, and not in this thread.
        before = self._raw.get(camera)
        self._raw[camera] = ((before[0] if before else 0) + 1, data)

    def _on_reward(self, message: Reward) -> None:
        self._keep(message)
        chunk: ActionChunk | None = self._latest.get(ActionChunk)
        interaction: Interaction | None = self._latest.get(Interaction)
        driver: Intervention | None = self._latest.get(Intervention)
        self._samples.append(
            Sample(
                sequence=self._samples[-1].sequence + 1 if self._samples else 1,
                stamp=seconds_of(message.header.stamp),
                reward=message.reward,
                potential=message.potential,
                probability=chunk.interaction_probability if chunk else math.nan,
                value=chunk.value if chunk else math.nan,
                interacting=bool(interaction and interaction.interacting),
                human=bool(driver and driver.mode == Mode.CORRECTING),
            )
        )

    def _apply(self) -> None:
        """Make or destroy what only a browser needs."""
        super()._apply()
        if self._wanted and not self._watching:
            subscribe = qos.create_subscription
            self._watching = [
                subscribe(self._node, Reward, 'reward', self._on_reward, qos.EVENT),
                subscribe(self._node, Interaction, 'interaction', self._keep, qos.EVENT),
                subscribe(self._node, ActionChunk, 'policy/action_chunk', self._keep, qos.COMMAND),
                *(self._watch_camera(camera.name) for camera in self._robot.cameras),
                self._node.create_subscription(
                    DiagnosticArray, '/diagnostics', self._health.take, QoSProfile(depth=100)
                ),
            ]
            if self._teleop is not None:
                self._watching.append(
                    subscribe(self._node, GripperCommand, 'gripper/command', self._keep, qos.COMMAND)
                )
        elif not self._wanted:
            for subscription in self._watching:
                self._node.destroy_subscription(subscription)
            self._watching = []
            for kind in (Reward, Interaction, ActionChunk, GripperCommand):
                self._latest.pop(kind, None)
            self._health.clear()

    def _watch_camera(self, camera: str) -> Subscription:
        callback: Callable[[bytes], None] = lambda data: self._on_image(camera, data)  # noqa: E731
        return qos.create_subscription(self._node, Image, f'camera/{camera}/image_raw', callback, qos.IMAGE, raw=True)

    # The page's side: the server's threads ------------------------------------------------------------------

    def watch(self, watched: bool) -> None:
        """Asks the executor's thread, which owns the subscriptions."""
        self._wanted = watched
        self._switch.trigger()

    def samples(self, after: int) -> Sequence[Sample]:
        return [sample for sample in self._samples.copy() if sample.sequence > after]

    def frame(self, camera: str, after: int) -> Frame | None:
        sequence, data = self._raw.get(camera, (0, b''))
        if not data or sequence == after:
            return None
        topic = f'camera/{camera}/image_raw'
        try:
            image = deserialize_message(data, Image)
            pixels = image_array(image, topic)
        except MessageError as error:
            self._problems[topic] = str(error)
            return None
        self._problems.pop(topic, None)
        return Frame(sequence, seconds_of(image.header.stamp), pixels)

    def health(self) -> Sequence[Component]:
        return self._health.components()

    def openings(self) -> Float32 | None:
        message: GripperCommand | None = self._latest.get(GripperCommand)
        return None if message is None else np.asarray(message.opening, np.float32)

    def drive(self, teleop: TeleopInput) -> None:
        stamp = self._clock.stamp()
        if self._teleop is not None and stamp is not None:
            self._teleop.publish(teleop_msg(teleop, stamp, self._frame_id))

    def state(self) -> ConsoleState:
        task = self._task
        episode: EpisodeStatus | None = self._latest.get(EpisodeStatus)
        reward: Reward | None = self._latest.get(Reward)
        loop = self._loop
        return ConsoleState(
            robot=self._robot.name,
            task=task.name,
            instruction=(episode.instruction if episode else '') or task.instruction,
            cameras=tuple(camera.name for camera in self._robot.cameras),
            subtasks=tuple(subtask.name for subtask in task.subtasks),
            completed=reward.completed if reward else 0,
            episode=self._episode(episode, task) if episode else None,
            driver=driver_state(self._latest.get(Intervention)),
            safety=self._safety(self._latest.get(SafetyStatus)),
            trainer=trainer_state(self._latest.get(TrainerStatus)),
            checkpoint=checkpoint_state(self._latest.get(Checkpoint)),
            help=help_state(self._latest.get(HelpRequest)),
            serving=self._health.value('policy_node', 'checkpoint'),
            pad=self._teleop is not None,
            loop={**loop, 'running': self._loop_runs and loop.get('phase') != 'done'} if loop else None,
            problems=tuple(self._problems.copy().values()),
        )

    def _episode(self, message: EpisodeStatus, task: TaskConfig) -> EpisodeState:
        began = self._began
        now = self._clock.seconds()
        return EpisodeState(
            state=EPISODE_STATES[message.state],
            id=message.episode_id,
            kind=message.kind,
            seed=message.seed,
            outcome=message.outcome,
            path=message.path,
            problem=message.problem,
            elapsed=None if began is None or now is None else round(max(now - began, 0.0), 1),
            max_duration=task.max_duration,
        )

    def _safety(self, message: SafetyStatus | None) -> SafetyState | None:
        if message is None:
            return None
        return SafetyState(
            state=SAFETY_STATES[message.state],
            text=message.text,
            rejected=message.rejected,
            limited=message.limited,
            silent=time.monotonic() - self._safety_heard > SAFETY_SILENCE,
        )
