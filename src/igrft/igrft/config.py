# SPDX-License-Identifier: Apache-2.0
"""YAML to frozen dataclasses: every key known, every value of the right type, every error with a remedy."""

from __future__ import annotations

import difflib
import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_type_hints

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from igrft.hardware import HardwareConfig, JointLimitsConfig
from igrft.types import BESIDES_JOINTS, Subtask

T = TypeVar('T')


class ConfigError(ValueError):
    """A configuration that cannot be used; the text names the file, the key and the remedy."""


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint for an unknown word: the nearest known one, or all of them.

    >>> nearest('batch_sise', ['batch_size', 'steps'])
    "did you mean 'batch_size'?"
    """
    choices = sorted(known)
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f'known are: {", ".join(choices)}'


def _check_keys(data: Any, cls: Any, where: str) -> None:
    """Refuse keys that ``cls`` does not have, at every depth, before any value is looked at."""
    if isinstance(cls, UnionType):  # `X | None`
        cls = next(kind for kind in get_args(cls) if kind is not type(None))
    if not (is_dataclass(cls) and isinstance(data, Mapping)):
        return
    hints = get_type_hints(cls)
    for key, value in data.items():
        if key not in hints:
            raise ConfigError(f"{where}: unknown key '{key}'; {nearest(str(key), hints)}")
        hint = hints[key]
        _check_keys(value, hint, f'{where}: {key}')
        args = get_args(hint)
        if args and isinstance(value, Mapping):
            for name, item in value.items():
                _check_keys(item, args[-1], f'{where}: {key}.{name}')
        elif args and isinstance(value, Sequence) and not isinstance(value, str):
            for index, item in enumerate(value):
                _check_keys(item, args[0], f'{where}: {key}[{index}]')


def parse(data: Mapping[str, Any], cls: type[T], where: str) -> T:
    """Build the dataclass ``cls`` from plain data.

    Raises:
        ConfigError: unknown key, missing key, wrong type, or a value the dataclass refuses.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f'{where}: expected a mapping of keys, found {type(data).__name__}')
    _check_keys(data, cls, where)
    try:
        hashable: Any = cls
        found: T = _adapter(hashable).validate_python(dict(data))
        return found
    except ValidationError as error:
        first = error.errors()[0]
        key = '.'.join(str(part) for part in first['loc']) or '(whole)'
        raise ConfigError(f'{where}: {key}: {first["msg"]}') from error


@functools.cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    strict: Any = with_config(ConfigDict(extra='forbid'))
    return TypeAdapter(strict(cls))


def load(path: Path | str, cls: type[T], overrides: Sequence[str] = ()) -> T:
    """Read a YAML file into ``cls``; ``overrides`` are ``dotted.key=value`` strings.

    Raises:
        ConfigError: naming the file and the key.
    """
    path = Path(path)
    try:
        data = yaml.safe_load(path.read_text(encoding='utf-8')) or {}
    except OSError as error:
        raise ConfigError(f'{path}: cannot be read: {error.strerror}') from error
    except yaml.YAMLError as error:
        raise ConfigError(f'{path}: not YAML: {error}') from error
    for override in overrides:
        data = _override(data, override)
    return parse(data, cls, str(path))


def _override(data: dict[str, Any], override: str) -> dict[str, Any]:
    dotted, separator, value = override.partition('=')
    if not separator or not dotted:
        raise ConfigError(f"override '{override}': write it as key=value")
    node = data
    *parents, last = dotted.split('.')
    for name in parents:
        node = node.setdefault(name, {})
        if not isinstance(node, dict):
            raise ConfigError(f"override '{override}': '{name}' has no keys below it")
    node[last] = yaml.safe_load(value)
    return data


def config_dir() -> Path:
    """The folder of the shipped YAML files: the installed share, or the source tree's ``config/``.

    Raises:
        ConfigError: neither exists.
    """
    here = Path(__file__).resolve()
    source = here.parents[3] / 'config'
    if (source / 'robots').is_dir():
        return source
    for parent in here.parents:
        shared = parent / 'share' / 'igrft' / 'config'
        if shared.is_dir():
            return shared
    raise ConfigError('igrft is installed without its config folder; build it with colcon, or pass paths of YAML files')


def locate(kind: str, name: str) -> Path:
    """The file ``config/<kind>/<name>.yaml``, or ``name`` itself where it is a path of a YAML file.

    Raises:
        ConfigError: no such file; names the nearest one that exists.
    """
    path = Path(name).expanduser() if name.endswith(('.yaml', '.yml')) else config_dir() / kind / f'{name}.yaml'
    if not path.is_file():
        siblings = [p.stem for p in path.parent.glob('*.yaml')] if path.parent.is_dir() else []
        hint = nearest(path.stem, siblings) if siblings else 'the folder has no YAML file'
        raise ConfigError(f'{path}: no such file; {hint}')
    return path


def named(kind: str, name: str, cls: type[T], overrides: Sequence[str] = ()) -> T:
    """Load what :func:`locate` finds."""
    return load(locate(kind, name), cls, overrides)


@dataclass(frozen=True, kw_only=True)
class TaskConfig:
    """One task: what to say to the policy, and the ordered parts it consists of (``config/tasks``)."""

    name: str
    instruction: str
    subtasks: tuple[Subtask, ...]
    max_duration: float
    """[s] after which an episode is a timeout."""
    robot: str = 'sim'
    """The robot cell that the task is for (`config/robots`)."""

    def __post_init__(self) -> None:
        total = sum(subtask.weight for subtask in self.subtasks)
        if abs(total - 1.0) > 1e-6:
            raise ValueError(f'the subtask weights sum to {total:g}, they must sum to 1')
        if self.max_duration <= 0:
            raise ValueError('max_duration must be positive [s]')


@dataclass(frozen=True, kw_only=True)
class CameraConfig:
    """One camera stream of a robot (topics ``camera/<name>/…``)."""

    name: str
    width: int
    height: int
    rate: float
    """[Hz]"""
    robot_mask: bool = False
    """True for the global camera whose motion the interaction signal is computed from."""


@dataclass(frozen=True, kw_only=True)
class LimitsConfig:
    """What the safety node lets through, per arm."""

    linear_velocity: float
    """[m/s] norm"""
    angular_velocity: float
    """[rad/s] norm"""
    linear_acceleration: float
    """[m/s²]"""
    angular_acceleration: float
    """[rad/s²]"""
    workspace_min: tuple[float, float, float]
    """[m] in base_link"""
    workspace_max: tuple[float, float, float]

    def __post_init__(self) -> None:
        for name in ('linear_velocity', 'angular_velocity', 'linear_acceleration', 'angular_acceleration'):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f'{name} must be positive and finite')
        corners = (*self.workspace_min, *self.workspace_max)
        if not all(map(math.isfinite, corners)):
            raise ValueError('workspace_min and workspace_max must be finite [m]')
        if any(low >= high for low, high in zip(self.workspace_min, self.workspace_max, strict=True)):
            raise ValueError('workspace_min must lie below workspace_max on every axis')


@dataclass(frozen=True, kw_only=True)
class RobotConfig:
    """One robot cell (``config/robots``): its arms, cameras, rates and limits."""

    name: str
    arms: tuple[str, ...]
    """Arm names; one is `('arm',)`. Topics of one arm carry no prefix."""
    joints: tuple[str, ...]
    """Joint names in the order of joint_states, arm by arm."""
    base_frame: str
    tool_frame: str
    control_rate: float
    """[Hz] of arbiter, safety and servo"""
    policy_rate: float
    """[Hz] of action steps; one step is 1 / policy_rate seconds"""
    limits: LimitsConfig
    cameras: tuple[CameraConfig, ...]
    poses: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Named joint positions [rad], arm by arm"""
    bases: tuple[tuple[float, float, float], ...] = ()
    """[m] where each arm stands in base_frame, all facing x; empty: one arm at its origin"""
    joint_limits: JointLimitsConfig | None = None
    """Of all joints; a real arm must have them"""
    hardware: HardwareConfig | None = None
    """The software behind a real arm; None is the simulated cell"""

    def __post_init__(self) -> None:
        limits, count = self.joint_limits, len(self.joints)
        if limits is not None and len(limits.lower) != count:
            raise ValueError(f'joint_limits: {len(limits.lower)} limits for {count} joints')
        for name, pose in self.poses.items():
            if len(pose) != count:
                raise ValueError(f"pose '{name}' has {len(pose)} positions for {count} joints")
            problem = limits.violation(pose, self.joints) if limits is not None else ''
            if problem:
                raise ValueError(f"pose '{name}': {problem}")
        if self.hardware is not None and limits is None:
            raise ValueError('a robot with hardware needs joint_limits')
        if self.hardware is not None and len(self.arms) != 1:
            raise ValueError('hardware describes one arm; run one graph for each, in namespaces')

    @property
    def action_dim(self) -> int:
        return 7 * len(self.arms)

    @property
    def proprio_dim(self) -> int:
        return len(self.joints) + BESIDES_JOINTS * len(self.arms)


def as_dict(config: Any) -> dict[str, Any]:
    """A dataclass as plain YAML/JSON data, tuples as lists."""

    def plain(value: Any) -> Any:
        if is_dataclass(value) and not isinstance(value, type):
            return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
        if isinstance(value, Mapping):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        return value

    result: dict[str, Any] = plain(config)
    return result
