# SPDX-License-Identifier: Apache-2.0
"""Policies by name: from a configuration file, or from the description inside a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from igrft.config import ConfigError, config_dir, nearest, parse
from igrft.policies.compact_flow import CompactFlow, CompactFlowConfig
from igrft.policies.pi0 import Pi0, Pi0Config
from igrft.policies.protocol import Policy, PolicyError, PolicySpec

FAMILIES: dict[str, tuple[type[Any], type[Any]]] = {
    CompactFlow.name: (CompactFlow, CompactFlowConfig),
    Pi0.name: (Pi0, Pi0Config),
}
"""Family name to its policy class and its configuration class."""


def known() -> list[str]:
    """Names of the shipped policy configurations."""
    return sorted(path.stem for path in (config_dir() / 'policies').glob('*.yaml'))


def _family(name: object, where: str) -> tuple[type[Any], type[Any]]:
    if name not in FAMILIES:
        raise PolicyError(f"{where}: unknown policy family '{name}'; {nearest(str(name), FAMILIES)}")
    return FAMILIES[str(name)]


def create(name: str, *, overrides: Sequence[str] = (), **spec: Any) -> Policy:
    """A new policy from ``config/policies/<name>.yaml`` (or the path of such a file).

    The file has ``family``, ``spec`` (image_size, horizon …) and ``model`` (the family's own settings).

    Args:
        name: of the configuration.
        overrides: ``model.width=128`` …
        **spec: what the robot decides: action_dim, proprio_dim, cameras, step_dt.

    Raises:
        PolicyError, ConfigError: naming the file and the key, and the nearest known one.
    """
    path = Path(name) if name.endswith(('.yaml', '.yml')) else config_dir() / 'policies' / f'{name}.yaml'
    if not path.is_file():
        raise PolicyError(f"unknown policy '{name}'; {nearest(path.stem, known())}")
    data = yaml.safe_load(path.read_text(encoding='utf-8')) or {}
    for override in overrides:
        key, _, value = override.partition('=')
        node = data
        *parents, last = key.split('.')
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = yaml.safe_load(value)
    unknown = set(data) - {'family', 'spec', 'model'}
    if unknown:
        key = sorted(unknown)[0]
        raise ConfigError(f"{path}: unknown key '{key}'; {nearest(key, ('family', 'spec', 'model'))}")
    policy_class, config_class = _family(data.get('family'), str(path))
    own = parse({**data.get('spec', {}), **spec}, PolicySpec, f'{path}: spec')
    config = parse(data.get('model', {}), config_class, f'{path}: model')
    policy: Policy = policy_class(own, config)
    return policy


def describe(policy: Policy) -> dict[str, Any]:
    """What :func:`rebuild` needs, as plain data."""
    from igrft.config import as_dict

    return {'family': policy.name, 'spec': as_dict(policy.spec), 'model': policy.config_dict()}


def rebuild(description: Mapping[str, Any], where: str) -> Policy:
    """The policy of a checkpoint, still without its weights.

    Raises:
        PolicyError, ConfigError: naming ``where`` and the field.
    """
    policy_class, _ = _family(description.get('family'), f'{where}: family')
    spec = parse(description.get('spec', {}), PolicySpec, f'{where}: spec')
    policy: Policy = policy_class.rebuild(spec, description.get('model', {}))
    return policy
