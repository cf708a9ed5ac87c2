# SPDX-License-Identifier: Apache-2.0
"""Policies by name: from a configuration file, or from the description inside a checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from igrft.config import as_dict, config_dir, load, nearest, parse
from igrft.policies.act import Act, ActConfig
from igrft.policies.compact_flow import CompactFlow, CompactFlowConfig
from igrft.policies.lerobot import LerobotConfig
from igrft.policies.lerobot_models import Pi05, SmolVla
from igrft.policies.pi0 import Pi0, Pi0Config
from igrft.policies.pretrained import TrunkError, named_trunk
from igrft.policies.protocol import Policy, PolicyError, PolicySpec

FAMILIES: dict[str, tuple[type[Any], type[Any]]] = {
    Act.name: (Act, ActConfig),
    CompactFlow.name: (CompactFlow, CompactFlowConfig),
    Pi0.name: (Pi0, Pi0Config),
    Pi05.name: (Pi05, LerobotConfig),
    SmolVla.name: (SmolVla, LerobotConfig),
}
"""Family name to its policy class and its configuration class."""


@dataclass(frozen=True, kw_only=True)
class PolicyFile:
    """A file of ``config/policies``."""

    family: str
    """a key of :data:`FAMILIES`"""
    spec: dict[str, Any] = field(default_factory=dict)
    """of :class:`PolicySpec`, what the robot does not decide: image_size, horizon"""
    model: dict[str, Any] = field(default_factory=dict)
    """the family's own settings"""


def known() -> list[str]:
    """Names of the shipped policy configurations."""
    return sorted(path.stem for path in (config_dir() / 'policies').glob('*.yaml'))


def _family(name: object, where: str) -> tuple[type[Any], type[Any]]:
    if name not in FAMILIES:
        raise PolicyError(f"{where}: unknown policy family '{name}'; {nearest(str(name), FAMILIES)}")
    return FAMILIES[str(name)]


def _read(name: str, overrides: Sequence[str]) -> tuple[Path, dict[str, Any]]:
    path = Path(name) if name.endswith(('.yaml', '.yml')) else config_dir() / 'policies' / f'{name}.yaml'
    if not path.is_file():
        raise PolicyError(f"unknown policy '{name}'; {nearest(path.stem, known())}")
    file = load(path, PolicyFile, overrides)
    return path, {'family': file.family, 'spec': file.spec, 'model': file.model}


def settings(name: str, overrides: Sequence[str]) -> dict[str, Any]:
    """What a configuration says, as plain data: two that say the same make the same policy."""
    return _read(name, overrides)[1]


def trunk_digest(name: str, overrides: Sequence[str], spec: Mapping[str, Any]) -> str:
    """Of the file of the pretrained trunk that a new policy begins with, which may be another one under the same name;
    '' where it has none.
    """
    path, data = _read(name, overrides)
    config = parse(data['model'], _family(data['family'], str(path))[1], f'{path}: model')
    weights = getattr(config, 'trunk_weights', '')
    if not weights:
        return ''
    own = read_spec(name, overrides, spec)
    trunk = named_trunk(weights, own.cameras, own.image_size, own.proprio_dim)
    return hashlib.sha256(Path(trunk.where).read_bytes()).hexdigest()


def read_spec(name: str, overrides: Sequence[str], spec: Mapping[str, Any]) -> PolicySpec:
    """The spec that :func:`create` would give a policy."""
    path, data = _read(name, overrides)
    return parse({**data['spec'], **spec}, PolicySpec, f'{path}: spec')


def create(name: str, *, overrides: Sequence[str] = (), **spec: Any) -> Policy:
    """A new policy from ``config/policies/<name>.yaml`` (or the path of such a file).

    Args:
        name: of the configuration.
        overrides: ``model.width=128`` …
        **spec: what the robot decides: action_dim, proprio_dim, cameras, step_dt.

    Raises:
        PolicyError, ConfigError: naming the file and the key, and the nearest known one.
    """
    path, data = _read(name, overrides)
    policy_class, config_class = _family(data['family'], str(path))
    own = parse({**data['spec'], **spec}, PolicySpec, f'{path}: spec')
    config = parse(data['model'], config_class, f'{path}: model')
    policy: Policy = policy_class(own, config)
    return policy


def outline(name: str, overrides: Sequence[str], spec: Mapping[str, Any]) -> Policy:
    """As :func:`create`, for counting parameters only, see :meth:`Policy.outline`."""
    path, data = _read(name, overrides)
    policy_class, config_class = _family(data['family'], str(path))
    own = parse({**data['spec'], **spec}, PolicySpec, f'{path}: spec')
    policy: Policy = policy_class.outline(own, parse(data['model'], config_class, f'{path}: model'))
    return policy


def about(name: str) -> str:
    """What the file of a shipped configuration says of itself, in one line."""
    lines = (config_dir() / 'policies' / f'{name}.yaml').read_text(encoding='utf-8').splitlines()
    return next((line.lstrip('# ') for line in lines if line.startswith('# ') and 'SPDX' not in line), '')


def describe(policy: Policy) -> dict[str, Any]:
    """What :func:`rebuild` needs, as plain data."""
    return {'family': policy.name, 'spec': as_dict(policy.spec), 'model': policy.config_dict()}


def differences(policy: Policy, other: Policy) -> list[str]:
    """In which settings two policies differ: ``model.nudge is 0.02, not 0.0``."""
    flat = [
        {f'{part}.{key}': value for part in ('spec', 'model') for key, value in described[part].items()}
        | {'family': described['family']}
        for described in (describe(policy), describe(other))
    ]
    names = dict.fromkeys([*flat[0], *flat[1]])
    first, second = ([each.get(name) for name in names] for each in flat)
    return [f'{name} is {a}, not {b}' for name, a, b in zip(names, first, second, strict=True) if a != b]


def rebuild(description: Mapping[str, Any], where: str) -> Policy:
    """The policy of a checkpoint, still without its weights.

    Raises:
        PolicyError, ConfigError: naming ``where`` and the field.
    """
    policy_class, _ = _family(description.get('family'), f'{where}: family')
    spec = parse(description.get('spec', {}), PolicySpec, f'{where}: spec')
    try:
        policy: Policy = policy_class.rebuild(spec, description.get('model', {}))
    except (TrunkError, PolicyError) as error:
        raise PolicyError(f'{where}: {error}') from error
    return policy
