# SPDX-License-Identifier: Apache-2.0
"""`arm_node` with its MoveIt backend, as a process, against a double of MoveItPy and of Servo's pause."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import rclpy
from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from std_srvs.srv import SetBool

from igrft.config import RobotConfig, named
from igrft.ros import qos
from igrft_msgs.action import MoveTo
from igrft_msgs.msg import Intervention, SafetyStatus
from igrft_msgs.srv import ResetCell

FAKE = Path(__file__).resolve().parents[1] / 'support/fake_moveit'
HOME = list(named('robots', 'fr3', RobotConfig).poses['home'])
PATIENCE = 60.0
"""[s] until something that must happen counts as not happening"""


class Rig:
    """The process, and the ends of its interfaces."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / 'moveit.log'
        parameters = folder / 'moveit.yaml'
        parameters.write_text('/**: {ros__parameters: {}}')
        environment = {
            **os.environ,
            'PYTHONPATH': f'{FAKE}{os.pathsep}{os.environ.get("PYTHONPATH", "")}',
            'FAKE_MOVEIT_LOG': str(self.log),
        }
        main = 'from igrft.nodes.arm_node import main; raise SystemExit(main())'
        words = ['robot:=fr3', 'backend:=moveit', f'moveit_parameters:={parameters}', 'serve_reset:=true']
        arguments = [word for one in words for word in ('-p', one)]
        self.process = subprocess.Popen([sys.executable, '-c', main, '--ros-args', *arguments], env=environment)
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node('rig', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.pauses: list[bool] = []
        self.granted = True
        self.node.create_service(SetBool, 'servo_node/pause_servo', self._on_pause)
        self.mode = qos.create_publisher(self.node, Intervention, 'intervention', qos.LATCHED)
        self.mode.publish(Intervention(mode=Intervention.MODE_HOLD))
        self.safety = qos.create_publisher(self.node, SafetyStatus, 'safety/status', qos.LATCHED)
        self.move = ActionClient(self.node, MoveTo, 'arm_node/move_to')
        self.reset = self.node.create_client(ResetCell, 'reset')

    def _on_pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.pauses.append(request.data)
        response.success, response.message = self.granted, '' if self.granted else 'not now'
        return response

    def until(self, condition, what: str) -> None:  # type: ignore[no-untyped-def]
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f'never happened: {what}; MoveIt was asked: {self.asked()}'
            assert self.process.poll() is None, f'arm_node ended with {self.process.returncode}'
            self.executor.spin_once(timeout_sec=0.05)

    def wait(self, future, what: str):  # type: ignore[no-untyped-def]
        self.until(future.done, what)
        return future.result()

    def goal(self, first: float):  # type: ignore[no-untyped-def]
        return self.wait(self.move.send_goal_async(MoveTo.Goal(positions=[first, *HOME[1:]])), 'an answer to the goal')

    def begun(self, first: float):  # type: ignore[no-untyped-def]
        """A goal that is accepted as soon as it is heard that nobody drives any more."""
        found = []

        def accepted() -> bool:
            found.append(self.goal(first))
            return bool(found[-1].accepted)

        self.until(accepted, 'an accepted goal')
        return found[-1]

    def result(self, handle):  # type: ignore[no-untyped-def]
        return self.wait(handle.get_result_async(), 'the result')

    def asked(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def forget(self) -> None:
        self.log.write_text('')
        self.pauses.clear()


@pytest.fixture(scope='module')
def running(tmp_path_factory) -> Iterator[Rig]:  # type: ignore[no-untyped-def]
    rig = Rig(tmp_path_factory.mktemp('moveit'))
    try:
        rig.until(lambda: rig.move.server_is_ready() and rig.reset.service_is_ready(), 'arm_node')
        rig.until(lambda: rig.mode.get_subscription_count() == 1, 'its subscription')
        yield rig
        rig.process.send_signal(signal.SIGINT)
        assert rig.process.wait(PATIENCE) == 0
        assert rig.asked()[-1] == 'shutdown'
    finally:
        rig.process.kill()
        rig.executor.shutdown()
        rig.node.destroy_node()
        rclpy.try_shutdown(context=rig.context)


@pytest.fixture
def rig(running: Rig) -> Iterator[Rig]:
    running.forget()
    yield running
    running.granted = True
    running.mode.publish(Intervention(mode=Intervention.MODE_HOLD))


def test_a_goal_is_planned_and_executed_while_servo_is_paused(rig: Rig) -> None:
    answer = rig.result(rig.goal(0.5))
    assert answer.status == GoalStatus.STATUS_SUCCEEDED and answer.result.success
    assert rig.asked() == ['plan', 'execute'] and rig.pauses == [True, False]


@pytest.mark.parametrize(('first', 'reason', 'calls'), [(2.5, 'no plan (error code -1)', 1), (1.5, 'ABORTED', 2)])
def test_what_moveit_cannot_do_is_told_and_servo_goes_on(rig: Rig, first: float, reason: str, calls: int) -> None:
    answer = rig.result(rig.goal(first))
    assert answer.status == GoalStatus.STATUS_ABORTED and reason in answer.result.message
    assert len(rig.asked()) == calls and rig.pauses == [True, False]


def test_without_servos_pause_nothing_moves(rig: Rig) -> None:
    rig.granted = False
    answer = rig.result(rig.goal(0.5))
    assert answer.status == GoalStatus.STATUS_ABORTED and 'not now' in answer.result.message
    assert rig.asked() == []


def test_a_takeover_stops_the_motion(rig: Rig) -> None:
    handle = rig.begun(-1.0)
    rig.until(lambda: 'execute' in rig.asked(), 'the motion')
    rig.mode.publish(Intervention(mode=Intervention.MODE_CORRECTING, reason='device'))
    answer = rig.result(handle)
    assert answer.status == GoalStatus.STATUS_ABORTED
    assert rig.asked()[-1] == 'stop' and rig.pauses == [True, False]
    assert not rig.goal(0.5).accepted, 'somebody drives'


def test_a_stop_between_the_plan_and_its_execution_stops_the_motion(rig: Rig) -> None:
    handle = rig.begun(-2.0)
    rig.until(lambda: 'execute' in rig.asked(), 'the plan')
    rig.mode.publish(Intervention(mode=Intervention.MODE_CORRECTING, reason='device'))
    assert rig.result(handle).status == GoalStatus.STATUS_ABORTED
    rig.until(lambda: rig.asked().count('stop') > 1 and rig.pauses == [True, False], 'a second stop, and Servo goes on')


def test_an_emergency_stop_stops_the_motion(rig: Rig) -> None:
    handle = rig.begun(-1.0)
    rig.until(lambda: 'execute' in rig.asked(), 'the motion')
    rig.safety.publish(SafetyStatus(state=SafetyStatus.STATE_E_STOP, text='emergency stop: button'))
    answer = rig.result(handle)
    assert answer.status == GoalStatus.STATUS_ABORTED and 'emergency stop: button' in answer.result.message
    assert 'stop' in rig.asked() and not rig.goal(0.5).accepted
    rig.safety.publish(SafetyStatus())
    rig.until(lambda: rig.goal(0.5).accepted, 'goals are taken after the reset')
    rig.until(lambda: rig.asked().count('execute') == 2 and rig.pauses[-1] is False, 'the motion after the reset')


def test_a_cancelled_motion_stops(rig: Rig) -> None:
    rig.until(lambda: (h := rig.goal(-1.0)).accepted and (setattr(rig, 'handle', h) is None), 'an accepted goal')
    rig.until(lambda: 'execute' in rig.asked(), 'the motion')
    rig.wait(rig.handle.cancel_goal_async(), 'the cancellation')  # type: ignore[attr-defined]
    assert rig.result(rig.handle).status == GoalStatus.STATUS_CANCELED  # type: ignore[attr-defined]
    assert 'stop' in rig.asked()


def test_a_goal_beyond_the_joint_limits_is_refused(rig: Rig) -> None:
    handle = rig.wait(rig.move.send_goal_async(MoveTo.Goal(positions=[0.0] * 7)), 'an answer')
    assert not handle.accepted and rig.asked() == []


def test_reset_moves_home_once_however_often_it_is_asked(rig: Rig) -> None:
    request = ResetCell.Request(task='block_stacking')
    first, second = rig.reset.call_async(request), rig.reset.call_async(request)
    answers = [rig.wait(first, 'the reset'), rig.wait(second, 'the reset, asked again')]
    assert all(answer.success and answer.stamp.sec for answer in answers)
    assert rig.asked() == ['plan', 'execute']


def test_a_missing_moveit_is_named(tmp_path: Path) -> None:
    main = "import sys; sys.modules['moveit'] = None\nfrom igrft.nodes.arm_node import main; raise SystemExit(main())"
    arguments = ['--ros-args', '-p', 'robot:=fr3', '-p', 'backend:=moveit']
    ended = subprocess.run([sys.executable, '-c', main, *arguments], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1 and 'ros-$ROS_DISTRO-moveit-py' in ended.stderr + ended.stdout
