# SPDX-License-Identifier: Apache-2.0
"""What an episode's bag contains: the topic list, derived from the robot's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from igrft.config import RobotConfig

EXECUTED_ACTION = 'executed_action'
INTERVENTION = 'intervention'
ACTION_CHUNK = 'policy/action_chunk'
HELP = 'help'
SUBTASK_MARK = 'subtask_mark'
TELEOP_EVENT = 'teleop/event'
TASK_STATE = 'task_state'
JOINT_STATES = 'joint_states'


class Qos(str, Enum):
    """The profiles of ``docs/architecture.md`` by name."""

    IMAGE = 'image'
    SENSOR = 'sensor'
    COMMAND = 'command'
    EVENT = 'event'
    LATCHED = 'latched'


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic of an episode.

    Attributes:
        name: relative topic name.
        type: ROS type, ``package/msg/Name``.
        qos: the profile its publisher offers.
        required: an episode does not start without it, and ends when it falls silent.
        encoding: of an image stream, '' otherwise.
        width: of an image stream [px].
        height: of an image stream [px].
        rate: of a stream with a known one [Hz], 0 otherwise.
    """

    name: str
    type: str
    qos: Qos
    required: bool = False
    encoding: str = ''
    width: int = 0
    height: int = 0
    rate: float = 0.0

    @property
    def state(self) -> bool:
        """It says how the world is, not what anybody wants: the tick before the first step has it."""
        return self.qos in (Qos.IMAGE, Qos.SENSOR) or self.name == TASK_STATE

    @property
    def latched(self) -> bool:
        """The last message before the episode belongs to it."""
        return self.qos is Qos.LATCHED


def resolved(namespace: str, name: str) -> str:
    """A relative topic name as it appears in the bag.

    >>> resolved('/', 'joint_states'), resolved('/cell_a', 'joint_states')
    ('/joint_states', '/cell_a/joint_states')
    """
    return f'{namespace.rstrip("/")}/{name}'


def image_topic(camera: str) -> str:
    """Topic of a camera's frames."""
    return f'camera/{camera}/image_raw'


def mask_topic(camera: str) -> str:
    """Topic of a camera's robot mask."""
    return f'camera/{camera}/robot_mask'


def info_topic(camera: str) -> str:
    """Topic of a camera's calibration."""
    return f'camera/{camera}/camera_info'


def ee_pose_topics(robot: RobotConfig) -> tuple[str, ...]:
    """One end-effector pose topic an arm; a single arm carries no prefix."""
    return ('ee_pose',) if len(robot.arms) == 1 else tuple(f'{arm}/ee_pose' for arm in robot.arms)


def servo_status_topics(robot: RobotConfig) -> tuple[str, ...]:
    """One status of the servo an arm; a single arm carries no prefix."""
    prefixes = [''] if len(robot.arms) == 1 else [f'{arm}/' for arm in robot.arms]
    return tuple(f'{prefix}servo/status' for prefix in prefixes)


def gripper_joints(robot: RobotConfig) -> tuple[str, ...]:
    """The gripper's name in ``joint_states``, one an arm; a single arm's carries no number."""
    return ('gripper',) if len(robot.arms) == 1 else tuple(f'gripper{index}' for index in range(len(robot.arms)))


def grid_camera(robot: RobotConfig) -> str:
    """The camera whose stamps are the policy's time grid: the global one, else the first.

    Raises:
        ValueError: the robot has no camera.
    """
    if not robot.cameras:
        raise ValueError(f"robot '{robot.name}' has no camera; an episode needs at least one")
    return next((camera.name for camera in robot.cameras if camera.robot_mask), robot.cameras[0].name)


def episode_topics(robot: RobotConfig) -> tuple[TopicSpec, ...]:
    """Every topic of an episode of ``robot``."""
    image = 'sensor_msgs/msg/Image'
    topics: list[TopicSpec] = []
    for camera in robot.cameras:
        size = (camera.width, camera.height, camera.rate)
        topics.append(TopicSpec(image_topic(camera.name), image, Qos.IMAGE, True, 'rgb8', *size))
        if camera.robot_mask:
            topics.append(TopicSpec(mask_topic(camera.name), image, Qos.IMAGE, True, 'mono8', *size))
        topics.append(TopicSpec(info_topic(camera.name), 'sensor_msgs/msg/CameraInfo', Qos.SENSOR))
    topics.append(TopicSpec(JOINT_STATES, 'sensor_msgs/msg/JointState', Qos.SENSOR, True))
    for name in ee_pose_topics(robot):
        topics.append(TopicSpec(name, 'geometry_msgs/msg/PoseStamped', Qos.SENSOR, True))
    return (
        *topics,
        TopicSpec(TASK_STATE, 'igrft_msgs/msg/TaskState', Qos.EVENT),
        TopicSpec(ACTION_CHUNK, 'igrft_msgs/msg/ActionChunk', Qos.COMMAND),
        TopicSpec('teleop/command', 'igrft_msgs/msg/Teleop', Qos.COMMAND),
        TopicSpec(TELEOP_EVENT, 'igrft_msgs/msg/TeleopEvent', Qos.EVENT),
        TopicSpec('command', 'igrft_msgs/msg/Command', Qos.COMMAND),
        TopicSpec(EXECUTED_ACTION, 'igrft_msgs/msg/Command', Qos.EVENT),
        TopicSpec(INTERVENTION, 'igrft_msgs/msg/Intervention', Qos.LATCHED),
        TopicSpec(HELP, 'igrft_msgs/msg/HelpRequest', Qos.LATCHED),
        TopicSpec('safety/status', 'igrft_msgs/msg/SafetyStatus', Qos.LATCHED),
        *(TopicSpec(name, 'igrft_msgs/msg/ServoStatus', Qos.LATCHED) for name in servo_status_topics(robot)),
        TopicSpec('interaction', 'igrft_msgs/msg/Interaction', Qos.EVENT),
        TopicSpec('reward', 'igrft_msgs/msg/Reward', Qos.EVENT),
        TopicSpec(SUBTASK_MARK, 'igrft_msgs/msg/SubtaskMark', Qos.EVENT),
    )
