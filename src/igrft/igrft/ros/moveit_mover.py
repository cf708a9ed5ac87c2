# SPDX-License-Identifier: Apache-2.0
"""Planned motions with MoveItPy. MoveIt Servo is paused meanwhile: both command the same controller."""

from __future__ import annotations

import threading
import time
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import SetBool

from igrft.config import ConfigError, RobotConfig
from igrft.control.motion import MotionError
from igrft.ros.movers import Progress

PATIENCE = 2.0
"""[s] for Servo to answer that it pauses."""


class _Phase(Enum):
    REST = 0
    PAUSING = 1
    MOVING = 2
    RESUMING = 3


class ServoPause:
    """Asks MoveIt Servo to pause or to go on, without waiting."""

    def __init__(self, node: Node, servo: str) -> None:
        self._client = node.create_client(SetBool, f'{servo}/pause_servo')
        self._future: Future | None = None
        self._since = 0.0

    def ask(self, pause: bool) -> None:
        """Begin. A Servo that is not there needs no pause."""
        self._since = time.monotonic()
        ready = self._client.service_is_ready()
        self._future = self._client.call_async(SetBool.Request(data=pause)) if ready else None

    def answer(self) -> str | None:
        """None while there is none; '' when it was granted; else why not."""
        if self._future is None:
            return ''
        if self._future.done():
            result: Any = self._future.result()
            return '' if result.success else f'MoveIt Servo refused: {result.message}'
        late = time.monotonic() - self._since > PATIENCE
        return f'MoveIt Servo does not answer {self._client.srv_name}; restart it' if late else None


class MoveItMover:
    """Plans around obstacles and executes, in a thread of its own.

    Args:
        node: for its name, namespace, log and the call that pauses Servo.
        robot: with hardware; its joints are in the planning group's order.
        parameters: YAML file with MoveIt's parameters for this arm; the launch files write it.
        servo: name of MoveIt Servo's node.

    Raises:
        ConfigError: the robot has no hardware, or there is no such file.
        MotionError: MoveItPy is not installed, or does not start.
    """

    def __init__(self, node: Node, robot: RobotConfig, parameters: str, servo: str = 'servo_node') -> None:
        try:
            from moveit.core.robot_state import RobotState
            from moveit.planning import MoveItPy
        except ImportError as error:
            raise MotionError(
                f"backend 'moveit' needs MoveItPy: sudo apt install ros-$ROS_DISTRO-moveit-py ({error})"
            ) from error
        if robot.hardware is None:
            raise ConfigError(f"robot '{robot.name}' has no hardware; take backend 'ruckig'")
        if not Path(parameters).is_file():
            raise ConfigError(
                f"moveit_parameters: no file '{parameters}'; the launch files write it, see docs/bring_up.md"
            )
        self._state_type: Any = RobotState
        self._group = robot.hardware.servo.group
        self._moveit: Any = MoveItPy(
            node_name=f'{node.get_name()}_moveit',
            name_space=node.get_namespace().strip('/'),
            launch_params_filepaths=[parameters],
            provide_planning_service=False,
            # Absolute, whatever namespace this node is in: the drivers are in none.
            remappings={'joint_states': '/joint_states', 'robot_description': robot.hardware.description},
        )
        self._component: Any = self._moveit.get_planning_component(self._group)
        self._log = node.get_logger()
        self._pause = ServoPause(node, servo)
        self._phase = _Phase.REST
        self._goal: Any = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._problem = ''

    def begin(self, target: list[float]) -> None:
        self._goal = self._state_type(self._moveit.get_robot_model())
        self._goal.set_joint_group_positions(self._group, np.asarray(target, np.float64))
        self._problem = ''
        self._stop.clear()
        self._pause.ask(True)
        self._phase = _Phase.PAUSING

    def step(self) -> Progress:
        if self._phase is _Phase.PAUSING:
            self._after_pausing()
        elif self._phase is _Phase.MOVING and self._thread is not None:
            if not self._thread.is_alive():
                self._thread = None
                self._resume()
            elif self._stop.is_set():
                # Said between the plan and its execution, the first word stopped nothing.
                self._stop_execution()
        elif self._phase is _Phase.RESUMING:
            answer = self._pause.answer()
            if answer:
                self._log.warning(f'after the motion: {answer}')
            if answer is not None:
                self._phase = _Phase.REST
        if self._phase is _Phase.REST:
            return Progress(1.0, done=True, problem=self._problem)
        return Progress(0.0)

    def _after_pausing(self) -> None:
        answer = self._pause.answer()
        if self._stop.is_set() or answer:
            self._problem = answer or 'stopped'
            self._resume()
        elif answer is not None:
            self._thread = threading.Thread(target=self._run, name='moveit', daemon=True)
            self._phase = _Phase.MOVING
            self._thread.start()

    def _resume(self) -> None:
        self._pause.ask(False)
        self._phase = _Phase.RESUMING

    def _run(self) -> None:
        try:
            self._plan_and_execute()
        except Exception as error:  # noqa: BLE001  whatever MoveIt throws ends this motion, not the node
            self._problem = f'MoveIt: {error}'

    def _plan_and_execute(self) -> None:
        self._component.set_start_state_to_current_state()
        self._component.set_goal_state(robot_state=self._goal)
        plan = self._component.plan()
        if self._stop.is_set():
            self._problem = 'stopped'
        elif not plan:
            self._problem = f'MoveIt found no plan (error code {plan.error_code.val}); see its log'
        else:
            status = self._moveit.execute(plan.trajectory, controllers=[])
            if not status:
                self._problem = f'MoveIt did not execute the plan to its end ({status.status})'

    def brake(self) -> None:
        """Stops the trajectory; a plan that is still being made is not executed."""
        self._stop.set()
        if self._phase is _Phase.MOVING:
            self._stop_execution()

    def _stop_execution(self) -> None:
        self._moveit.get_trajectory_execution_manager().stop_execution()

    def close(self) -> None:
        """The arm stands when the process is gone."""
        self.brake()
        deadline = time.monotonic() + PATIENCE
        while self._thread is not None and self._thread.is_alive() and time.monotonic() < deadline:
            self._stop_execution()
            self._thread.join(0.05)
        self._moveit.shutdown()
