# SPDX-License-Identifier: Apache-2.0
"""`moveit.planning`."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import SimpleNamespace

from moveit.core.robot_state import RobotModel, RobotState

_LOCK = threading.Lock()


def _note(text: str) -> None:
    with _LOCK, open(os.environ['FAKE_MOVEIT_LOG'], 'a', encoding='utf-8') as file:
        file.write(text + '\n')


class _Plan:
    def __init__(self, goal: RobotState) -> None:
        self.goal = goal
        self.error_code = SimpleNamespace(val=1 if self else -1)

    def __bool__(self) -> bool:
        return bool(abs(self.goal.positions[0]) <= 2.0)

    @property
    def trajectory(self) -> RobotState:
        return self.goal


class _Status:
    def __init__(self, status: str) -> None:
        self.status = status

    def __bool__(self) -> bool:
        return self.status == 'SUCCEEDED'


class _Component:
    def __init__(self) -> None:
        self._started, self._goal = False, None

    def set_start_state_to_current_state(self) -> None:
        self._started = True

    def set_goal_state(self, *, robot_state: RobotState) -> bool:
        self._goal = robot_state
        return True

    def plan(self) -> _Plan:
        assert self._started and self._goal is not None
        _note('plan')
        return _Plan(self._goal)


class _Execution:
    def __init__(self) -> None:
        self.stopped = threading.Event()

    def stop_execution(self, auto_clear: bool = True) -> None:
        _note('stop')
        self.stopped.set()


class MoveItPy:
    def __init__(
        self,
        node_name: str = 'moveit_py',
        name_space: str = '',
        launch_params_filepaths: list[str] | None = None,
        config_dict: dict | None = None,
        provide_planning_service: bool = True,
        remappings: dict[str, str] | None = None,
    ) -> None:
        assert launch_params_filepaths and all(Path(path).is_file() for path in launch_params_filepaths)
        assert (remappings or {}).get('joint_states') == '/joint_states'
        self._execution = _Execution()
        _note(f'start {node_name}')

    def get_robot_model(self) -> RobotModel:
        return RobotModel()

    def get_planning_component(self, planning_component_name: str) -> _Component:
        _note(f'component {planning_component_name}')
        return _Component()

    def get_trajectory_execution_manager(self) -> _Execution:
        return self._execution

    def execute(self, robot_trajectory: RobotState, controllers: list[str]) -> _Status:
        first = robot_trajectory.positions[0]
        self._execution.stopped.clear()
        _note('execute')
        if first == -2.0:  # a stop that comes before the controller has begun stops nothing
            self._execution.stopped.wait()
            self._execution.stopped.clear()
        if first > 1.0:
            return _Status('ABORTED')
        # A goal of exactly -1 or -2 is on its way until it is stopped.
        stopped = self._execution.stopped.wait(None if first in (-1.0, -2.0) else 0.05)
        return _Status('PREEMPTED' if stopped else 'SUCCEEDED')

    def shutdown(self) -> None:
        _note('shutdown')
