# SPDX-License-Identifier: Apache-2.0
"""Between the graph and MoveIt Servo: keeps it taking twists and tells how it fares (`servo/status`)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from moveit_msgs.msg import ServoStatus as MoveItStatus
from moveit_msgs.srv import ServoCommandType
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import SetBool

from igrft.config import RobotConfig, named
from igrft.control.servo_link import Ask, Health, ServoLink
from igrft.ros import qos
from igrft.ros.clocks import ControlClock
from igrft.ros.diagnostics import Diagnostics, Rate, Status
from igrft.ros.parameters import Common, declare, parameter
from igrft.ros.runtime import spin
from igrft_msgs.msg import Intervention, ServoStatus


@dataclass(frozen=True)
class Parameters(Common):
    servo: str = parameter('servo_node', "name of MoveIt Servo's node")
    period: float = parameter(0.1, 'between two looks at Servo', unit='s', minimum=0.02, maximum=1.0)


class ServoLinkNode(Node):
    """Servo's services are called from one timer; no callback ever waits."""

    def __init__(self) -> None:
        super().__init__('servo_link_node')
        self.parameters = p = declare(self, Parameters)
        self.robot = named('robots', p.robot, RobotConfig)
        self.link = ServoLink()
        self._steady = ControlClock(self)
        self._statuses = Rate()
        self._told: Health | None = None
        self._twist = self.create_client(ServoCommandType, f'{p.servo}/{Ask.TWIST.value}')
        self._pause = self.create_client(SetBool, f'{p.servo}/{Ask.RESUME.value}')
        self._status = qos.create_publisher(self, ServoStatus, 'servo/status', qos.LATCHED)
        qos.create_subscription(self, MoveItStatus, f'{p.servo}/status', self._on_status, qos.SENSOR)
        qos.create_subscription(self, Intervention, 'intervention', self._on_intervention, qos.LATCHED)
        self._diagnostics = Diagnostics(self, self.robot.name, {'servo': self._component})
        self._steady.timer(p.period, self._on_timer)

    def _on_status(self, message: MoveItStatus) -> None:
        self._statuses.tick()
        self.link.status(message.code, message.message, self._steady.now())
        self._tell()

    def _on_intervention(self, message: Intervention) -> None:
        self.link.driving(message.mode != Intervention.MODE_HOLD, self._steady.now())

    def _on_timer(self) -> None:
        now = self._steady.now()
        self.link.there(self._twist.service_is_ready() and self._pause.service_is_ready(), now)
        for ask in self.link.wanted(now):
            if ask is Ask.TWIST:
                future = self._twist.call_async(ServoCommandType.Request(command_type=ServoCommandType.Request.TWIST))
            else:
                self.get_logger().warning('MoveIt Servo is silent while somebody drives: asking it to go on')
                future = self._pause.call_async(SetBool.Request(data=False))
            future.add_done_callback(functools.partial(self._on_answer, ask))
        self._tell()

    def _on_answer(self, ask: Ask, future: Future) -> None:
        answer: Any = future.result()
        self.link.answered(ask, bool(answer.success))
        self._tell()

    def _tell(self) -> None:
        """Publish what has changed."""
        health = self.link.health(self._steady.now())
        if health == self._told:
            return
        before, self._told = self._told, health
        message = ServoStatus(code=int(health.code), message=health.text)
        message.header.stamp = self.get_clock().now().to_msg()
        message.header.frame_id = self.robot.base_frame
        self._status.publish(message)
        if before is None or health.level != before.level:
            self._diagnostics.report()  # which logs it, too; a halt shorter than its period must not go unseen

    def _component(self) -> Status:
        health = self.link.health(self._steady.now())
        values = {'code': int(health.code), 'name': health.code.name} | self._statuses.report('status')
        return Status(health.level, health.text, values)


def main(argv: Sequence[str] | None = None) -> int:
    return spin(ServoLinkNode, argv)
