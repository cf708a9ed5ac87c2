# SPDX-License-Identifier: Apache-2.0
"""The operator's device: publishes `teleop/command` and, once a press, `teleop/event`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from sensor_msgs.msg import Joy as JoyMsg

from igrft import devices
from igrft.config import ConfigError, RobotConfig, named, nearest
from igrft.devices.frames import from_quaternion
from igrft.devices.joy import Joy
from igrft.devices.mapping import TeleopConfig, TeleopMapper
from igrft.episodes.topics import ee_pose_topics
from igrft.ros import messages, qos
from igrft.ros.clocks import ControlClock
from igrft.ros.diagnostics import Diagnostics, Status
from igrft.ros.parameters import Common, declare, parameter
from igrft.ros.runtime import spin
from igrft.ros.wake import Readable
from igrft.types import TeleopInput
from igrft_msgs.msg import GripperCommand, TaskState, Teleop, TeleopEvent


@dataclass(frozen=True)
class Parameters(Common):
    device: str = parameter('spacemouse', 'name or path of a config/teleop file')
    path: str = parameter('', "device file or recording, in place of the file's own")
    model: str = parameter('', "the SpaceMouse's name in pyspacemouse's tables, in place of the file's own")
    arm: str = parameter('', 'which arm is driven; empty is the first')
    idle_rate: float = parameter(
        10.0, 'of teleop/command while the operator does not drive', unit='Hz', minimum=5.0, maximum=200.0
    )
    pose_timeout: float = parameter(
        0.25, 'without a tool pose after which the frame `tool` stands', unit='s', minimum=0.02, maximum=5.0
    )


class TeleopNode(Node):
    """Real time: polls the device at the control rate, and at once when it has news. Lock-step: answers each tick."""

    def __init__(self) -> None:
        super().__init__('teleop_node')
        self.parameters = declare(self, Parameters)
        robot = named('robots', self.parameters.robot, RobotConfig)
        given = {'path': self.parameters.path, 'model': self.parameters.model}
        overrides = [f'{key}={value}' for key, value in given.items() if value]
        self.config = named('teleop', self.parameters.device, TeleopConfig, overrides)
        arm = self.parameters.arm or robot.arms[0]
        if arm not in robot.arms:
            raise ConfigError(f"robot '{robot.name}' has no arm '{arm}'; {nearest(arm, robot.arms)}")
        self._frame_id = robot.base_frame
        self._mapper = TeleopMapper(self.config, len(robot.arms), robot.arms.index(arm))
        self._device = devices.open_device(self.config)
        self._last: TeleopInput | None = None
        self._last_sent = float('-inf')

        self._command = qos.create_publisher(self, Teleop, 'teleop/command', qos.COMMAND)
        self._event = qos.create_publisher(self, TeleopEvent, 'teleop/event', qos.EVENT)
        qos.create_subscription(self, GripperCommand, 'gripper/command', self._on_gripper, qos.COMMAND)
        if isinstance(self._device, Joy):
            qos.create_subscription(self, JoyMsg, 'joy', self._on_joy, qos.SENSOR)
        clock = ControlClock(self)
        self._pose_silence = clock.silence()
        if self.config.frame == 'tool':
            topic = ee_pose_topics(robot)[robot.arms.index(arm)]
            qos.create_subscription(self, PoseStamped, topic, self._on_pose, qos.SENSOR)
        self._readable: Readable | None = None
        if self.parameters.lockstep:
            qos.create_subscription(self, TaskState, 'task_state', self._on_tick, qos.EVENT)
        else:
            clock.timer(1.0 / robot.control_rate, self._on_timer)
            self._readable = Readable(self, self._device.fileno, self._on_news)
        self._diagnostics = Diagnostics(self, self.config.device, {'device': self._status})

    def _on_gripper(self, message: GripperCommand) -> None:
        self._mapper.follow(np.asarray(message.opening, np.float32))

    def _on_joy(self, message: JoyMsg) -> None:
        device = self._device
        if isinstance(device, Joy):
            device.feed(message.axes, message.buttons, time.monotonic())

    def _on_pose(self, message: PoseStamped) -> None:
        q = message.pose.orientation
        try:
            self._mapper.orient(from_quaternion((q.w, q.x, q.y, q.z)))
        except ValueError as error:
            self.get_logger().error(f'ee_pose: {error}', throttle_duration_sec=1.0)
            return
        self._pose_silence.beat()

    def _on_tick(self, message: TaskState) -> None:
        self._publish(self._poll(message.header.stamp), message.header.stamp)

    def _on_timer(self) -> None:
        stamp = self.get_clock().now().to_msg()
        teleop = self._poll(stamp)
        idle = time.monotonic() - self._last_sent >= 1.0 / self.parameters.idle_rate
        if teleop.engaged or self._changed(teleop) or idle:
            self._publish(teleop, stamp)

    def _on_news(self) -> None:
        """A takeover, a release or a cable that is pulled goes out at once; motion keeps to the control rate."""
        stamp = self.get_clock().now().to_msg()
        teleop = self._poll(stamp)
        if self._changed(teleop):
            self._publish(teleop, stamp)

    def _changed(self, teleop: TeleopInput) -> bool:
        before = self._last
        return before is None or (before.engaged, before.connected) != (teleop.engaged, teleop.connected)

    def _poll(self, stamp: Time) -> TeleopInput:
        now = time.monotonic()
        if self._pose_silence.seconds() > self.parameters.pose_timeout:
            self._mapper.orient(None)
        teleop, events = self._mapper.update(self._device.poll(now), messages.seconds_of(stamp), now)
        for event in events:
            message = TeleopEvent(device=self.config.device, event=event)
            message.header.stamp = stamp
            message.header.frame_id = self._frame_id
            self._event.publish(message)
        return teleop

    def _publish(self, teleop: TeleopInput, stamp: Time) -> None:
        self._command.publish(messages.teleop_msg(teleop, stamp, self._frame_id))
        self._last, self._last_sent = teleop, time.monotonic()

    def _status(self) -> Status:
        teleop = self._last
        if teleop is None or not teleop.connected:
            return Status('warn', self._device.problem or f'{self.config.device} is not connected')
        locked = ', '.join(sorted(self._mapper.locked))
        values = {'engaged': teleop.engaged, 'frame': self.config.frame, 'locked': locked}
        if self.config.frame == 'tool' and self._pose_silence.seconds() > self.parameters.pose_timeout:
            return Status('warn', 'no tool pose: the frame `tool` is not known, the arm stands', values)
        return Status('ok', 'driving' if teleop.engaged else 'connected', values)

    def close(self) -> None:
        """The last thing said is that the device is gone, so that nobody waits for it to let go."""
        if self._readable is not None:
            self._readable.close()
        stamp = self.get_clock().now().to_msg()
        gone, _ = self._mapper.update(devices.device.GONE, messages.seconds_of(stamp), time.monotonic())
        self._publish(gone, stamp)
        self._device.close()


def main(argv: Sequence[str] | None = None) -> int:
    return spin(TeleopNode, argv, urgent=True)
