# SPDX-License-Identifier: Apache-2.0
"""`moveit.core.robot_state`."""

import numpy as np


class RobotModel:
    """What a state is of."""


class RobotState:
    def __init__(self, robot_model: RobotModel) -> None:
        assert isinstance(robot_model, RobotModel)
        self.positions = np.zeros(0)

    def set_joint_group_positions(self, joint_model_group_name: str, position_values: np.ndarray) -> None:
        assert isinstance(position_values, np.ndarray) and position_values.dtype == np.float64
        self.positions = position_values
