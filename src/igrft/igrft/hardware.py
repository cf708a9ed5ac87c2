# SPDX-License-Identifier: Apache-2.0
"""What a real arm's configuration says of the software and the limits behind it (`hardware:` in ``config/robots``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class JointLimitsConfig:
    """Where the joints may be, arm by arm as ``joints``; what the manufacturer allows, less a margin.

    MoveIt Servo halts at the margin, and no named pose and no planned motion ends beyond it.
    """

    lower: tuple[float, ...]
    """[rad]"""
    upper: tuple[float, ...]
    """[rad]"""
    margin: float
    """[rad] kept from each limit"""

    def __post_init__(self) -> None:
        if len(self.lower) != len(self.upper):
            raise ValueError(f'{len(self.lower)} lower limits but {len(self.upper)} upper ones')
        if self.margin < 0:
            raise ValueError('margin must not be negative [rad]')
        for index, (low, high) in enumerate(zip(self.lower, self.upper, strict=True)):
            if not low + 2 * self.margin < high:
                raise ValueError(f'joint {index + 1}: nothing is left between {low} and {high} less the margin')

    def violation(self, positions: Sequence[float], names: Sequence[str]) -> str:
        """Which joint is not within its limits less the margin, in words; '' when all are (NaN is not)."""
        for name, value, low, high in zip(names, positions, self.lower, self.upper, strict=True):
            if not low + self.margin <= value <= high - self.margin:
                return (
                    f"joint '{name}' at {value:.3f} rad is not within [{low + self.margin:.3f}, "
                    f'{high - self.margin:.3f}] (its limits less the margin of {self.margin:g} rad)'
                )
        return ''


@dataclass(frozen=True, kw_only=True)
class ServoConfig:
    """MoveIt Servo's settings for this arm; the launch files hand them to ``servo_node``."""

    group: str
    """MoveIt's planning group; its chain must run from ``base_frame`` to ``tool_frame``"""
    output: str
    """Topic of the joint trajectory controller; the same controller executes planned motions"""
    publish_period: float = 0.01
    """[s]"""
    command_timeout: float = 0.1
    """[s] age of a twist's stamp at which Servo halts"""
    singularity_slow: float = 17.0
    """Condition number of the Jacobian from which the arm is slowed"""
    singularity_stop: float = 30.0
    """At which it halts"""
    self_collision_distance: float = 0.01
    """[m] from which the arm is slowed"""
    scene_collision_distance: float = 0.02
    """[m]"""

    def __post_init__(self) -> None:
        if not 0 < self.publish_period <= 0.05:
            raise ValueError('publish_period must be in (0, 0.05] [s]')
        if not 0.02 <= self.command_timeout <= 0.5:
            raise ValueError('command_timeout must be in [0.02, 0.5] [s]: later the arm moves on without anybody')
        if not 1.0 <= self.singularity_slow < self.singularity_stop:
            raise ValueError('singularity_slow must lie in [1, singularity_stop)')


@dataclass(frozen=True, kw_only=True)
class GripperConfig:
    """One parallel gripper behind an action."""

    action: str
    """Name of the driver's action"""
    type: Literal['parallel', 'single'] = 'parallel'
    """`control_msgs/ParallelGripperCommand`, or `control_msgs/GripperCommand` where the driver has only that"""
    joint: str
    """The joint in ``joint_states`` whose position is the opening"""
    open: float
    """Joint position when open ([m] or [rad], as the driver counts)"""
    closed: float
    """When closed"""
    effort: float
    """[N] or [Nm] at most"""
    velocity: float = 0.0
    """[m/s] or [rad/s] at most; 0 leaves it to the driver"""

    def __post_init__(self) -> None:
        if self.open == self.closed:
            raise ValueError('open and closed are the same position')
        if self.effort <= 0 or self.velocity < 0:
            raise ValueError('effort must be positive, velocity not negative')

    def position(self, opening: float) -> float:
        """The joint's position at an opening in [0, 1]."""
        return self.closed + min(max(opening, 0.0), 1.0) * (self.open - self.closed)

    def opening(self, position: float) -> float:
        """The opening in [0, 1] at a joint position."""
        return min(max((position - self.closed) / (self.open - self.closed), 0.0), 1.0)


@dataclass(frozen=True, kw_only=True)
class PlanningConfig:
    """Planned motions: home, reset, named poses."""

    velocity_scaling: float = 0.15
    """Share of the joints' velocity limits"""
    acceleration_scaling: float = 0.15

    def __post_init__(self) -> None:
        if not (0 < self.velocity_scaling <= 1 and 0 < self.acceleration_scaling <= 1):
            raise ValueError('velocity_scaling and acceleration_scaling must be in (0, 1]')


@dataclass(frozen=True, kw_only=True)
class PackageFile:
    """A file in the share folder of an installed package; one that ends in .xacro is expanded."""

    package: str
    file: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    """of xacro"""


@dataclass(frozen=True, kw_only=True)
class MoveItConfig:
    """Where the arm's MoveIt configuration lies. The URDF comes from the topic ``description``."""

    semantic: PackageFile
    """SRDF"""
    kinematics: PackageFile
    joint_limits: PackageFile
    controllers: PackageFile
    planning: PackageFile
    """OMPL"""


@dataclass(frozen=True, kw_only=True)
class DriverConfig:
    """A launch file of somebody else's that starts a driver."""

    package: str
    launch: str
    """file in the package's launch folder"""
    install: str
    """what to type where the package is missing"""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """``{robot_ip}``, ``{use_fake_hardware}``: the launch arguments; ``{share[package]}``: a package's share folder"""


@dataclass(frozen=True, kw_only=True)
class HardwareConfig:
    """One real arm: its drivers, MoveIt, its gripper."""

    servo: ServoConfig
    gripper: GripperConfig
    moveit: MoveItConfig
    drivers: tuple[DriverConfig, ...]
    controllers: tuple[str, ...] = ()
    """ros2_control controllers that no driver's launch file starts"""
    planning: PlanningConfig = PlanningConfig()
    joint_states: tuple[str, ...] = ('/joint_states',)
    """Topics on which the drivers publish joint positions: arm and gripper, together or apart"""
    description: str = '/robot_description'
    """Latched topic with the URDF, from which the tool's pose is computed"""

    def __post_init__(self) -> None:
        if not self.joint_states:
            raise ValueError('joint_states: name at least one topic')


def filled(arguments: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, str]:
    """Arguments with their placeholders filled.

    >>> filled({'ip': '{robot_ip}'}, {'robot_ip': '10.0.0.2'})
    {'ip': '10.0.0.2'}

    Raises:
        ValueError: a placeholder that is not known.
    """
    try:
        return {name: text.format_map(values) for name, text in arguments.items()}
    except KeyError as error:
        raise ValueError(f'unknown placeholder {{{error.args[0]}}}; known are: {", ".join(sorted(values))}') from error
