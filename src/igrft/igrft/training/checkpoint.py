# SPDX-License-Identifier: Apache-2.0
"""Checkpoints on disk: ``<root>/checkpoints/<id>/`` with weights, description and, last, a manifest of SHA-256 sums.

``policy.safetensors``  averaged weights, trunk and normalisation included ·  ``policy.json``  what builds the policy
``critic.safetensors``  the critic, once there is one ·  ``manifest.json``  stage, parents, settings, episodes, sums

A folder under its own name is complete, always; while it is written its name begins with a dot. Nothing is ever
unpickled.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from igrft.config import as_dict, parse
from igrft.method.critic import Critic, CriticConfig
from igrft.policies import registry
from igrft.policies.protocol import Policy
from igrft.training.folders import MANIFEST, manifests

FORMAT = 1


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the text names the file and the field."""


@dataclass
class Checkpoint:
    """A checkpoint in memory.

    Attributes:
        id: its folder's name.
        path: its folder, None before it is saved.
        policy: with averaged weights.
        critic: None after SFT.
        stage: that made it. round: of human-in-the-loop, 0 otherwise. step: gradient steps in this stage.
        lineage: ids of its ancestors, the SFT checkpoint first.
        about: whatever else is worth keeping (settings, episodes, losses).
    """

    id: str
    policy: Policy
    critic: Critic | None = None
    stage: str = 'sft'
    round: int = 0
    step: int = 0
    lineage: tuple[str, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None


def fsync(path: Path) -> None:
    """Make a file or folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(path: Path) -> str:
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def tensors(module: torch.nn.Module) -> dict[str, Tensor]:
    """A module's state as contiguous tensors that share no memory."""
    return {name: tensor.detach().to('cpu', copy=True).contiguous() for name, tensor in module.state_dict().items()}


def share_frozen(policy: Policy, other: Policy) -> None:
    """Let ``other`` use the frozen weights of ``policy`` where they are the same: a large trunk is held once."""
    own = dict(policy.named_parameters())
    for name, parameter in other.named_parameters():
        mine = own.get(name)
        if mine is not None and not mine.requires_grad and torch.equal(mine.detach().cpu(), parameter.detach().cpu()):
            parameter.data = mine.data


def save(checkpoint: Checkpoint, root: Path) -> Path:
    """Write ``<root>/checkpoints/<id>/`` in one atomic step; a folder of that id is replaced."""
    folder = root / 'checkpoints'
    final, partial = folder / checkpoint.id, folder / f'.{checkpoint.id}.partial'
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    description: dict[str, Any] = registry.describe(checkpoint.policy)
    save_file(tensors(checkpoint.policy), partial / 'policy.safetensors')
    if checkpoint.critic is not None:
        save_file(tensors(checkpoint.critic), partial / 'critic.safetensors')
        description['critic'] = as_dict(checkpoint.critic.config)
    (partial / 'policy.json').write_text(json.dumps(description, indent=1), encoding='utf-8')
    files = sorted(path.name for path in partial.iterdir())
    manifest = {
        'format': FORMAT,
        'id': checkpoint.id,
        'stage': checkpoint.stage,
        'round': checkpoint.round,
        'step': checkpoint.step,
        'policy': checkpoint.policy.name,
        'lineage': list(checkpoint.lineage),
        **checkpoint.about,
        'files': {name: _sha256(partial / name) for name in files},
    }
    for name in files:
        fsync(partial / name)
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding='utf-8')
    fsync(partial / MANIFEST)
    fsync(partial)
    if final.exists():
        old = folder / f'.{checkpoint.id}.old'
        shutil.rmtree(old, ignore_errors=True)
        os.rename(final, old)
        os.rename(partial, final)
        shutil.rmtree(old, ignore_errors=True)
    else:
        os.rename(partial, final)
    fsync(folder)
    checkpoint.path = final
    return final


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a checkpoint folder, its files checked against their sums.

    Raises:
        CheckpointError: naming the file.
    """
    manifest_path = path / MANIFEST
    if not manifest_path.is_file():
        raise CheckpointError(f'{path}: not a checkpoint: it has no {MANIFEST}')
    try:
        manifest = json.loads(manifest_path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise CheckpointError(f'{manifest_path}: not readable: {error}') from error
    if not isinstance(manifest, dict) or manifest.get('format') != FORMAT:
        raise CheckpointError(f'{manifest_path}: format is not {FORMAT}, which this version reads')
    for name, expected in manifest.get('files', {}).items():
        file = path / name
        if not file.is_file():
            raise CheckpointError(f'{file}: missing; the checkpoint is incomplete')
        if _sha256(file) != expected:
            raise CheckpointError(
                f'{file}: its content does not match the SHA-256 in {MANIFEST}; it was damaged or changed'
            )
    return manifest


def default_parent(root: Path, stage: str, task: str) -> str:
    """The newest checkpoint that a stage goes on from: of an earlier stage, or of hil itself, and of the same task or
    of several; '' if there is none. Who trains SFT again goes on from that, not from the rounds before.
    """
    order = ('sft', 'offline_rl', 'hil')
    earlier = order[: order.index(stage) + (stage == 'hil')]
    for manifest in manifests(root):
        if manifest.get('stage') in earlier and manifest.get('task', '') in (task, ''):
            return str(root / 'checkpoints' / str(manifest['id']))
    return ''


@contextmanager
def alone(root: Path, name: str) -> Iterator[None]:
    """While this process makes the checkpoint ``name`` no other one does.

    Raises:
        CheckpointError: another one does.
    """
    path = root / 'checkpoints' / f'.{name}.lock'
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('a') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            owned = path.is_file() and os.path.samestat(os.fstat(file.fileno()), path.stat())
        except BlockingIOError:
            owned = False
        if not owned:  # or it has just ended, and taken its lock away
            raise CheckpointError(
                f'another process trains {name} in {root} now; ask again when it is done (the same request then gives '
                'its checkpoint), or use another episodes_dir'
            )
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def load(path: Path | str, expect: Mapping[str, Any] | None = None) -> Checkpoint:
    """Read a checkpoint folder.

    Args:
        path: the folder.
        expect: what the robot needs: any of action_dim, proprio_dim, cameras, step_dt, policy.

    Raises:
        CheckpointError: naming the file and the field.
    """
    path = Path(path)
    manifest = read_manifest(path)
    description_path = path / 'policy.json'
    try:
        description = json.loads(description_path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise CheckpointError(f'{description_path}: not readable: {error}') from error
    for field_name, wanted in (expect or {}).items():
        found = description.get('family') if field_name == 'policy' else description.get('spec', {}).get(field_name)
        wanted = list(wanted) if isinstance(wanted, tuple) else wanted
        if found != wanted:
            raise CheckpointError(f'{description_path}: {field_name} is {found!r}, here {wanted!r} is needed')
    try:
        policy = registry.rebuild(description, str(description_path))
    except ValueError as error:
        raise CheckpointError(str(error)) from error
    _fill(policy, path / 'policy.safetensors')
    critic = None
    if 'critic' in description:
        critic = Critic(policy.critic_dim, parse(description['critic'], CriticConfig, f'{description_path}: critic'))
        _fill(critic, path / 'critic.safetensors')
    policy.eval()
    about = {
        k: v
        for k, v in manifest.items()
        if k not in ('format', 'id', 'stage', 'round', 'step', 'policy', 'lineage', 'files')
    }
    return Checkpoint(
        id=str(manifest['id']),
        policy=policy,
        critic=critic,
        stage=str(manifest['stage']),
        round=int(manifest['round']),
        step=int(manifest['step']),
        lineage=tuple(manifest['lineage']),
        about=about,
        path=path,
    )


def _fill(module: torch.nn.Module, path: Path) -> None:
    try:
        module.load_state_dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f'{path}: not readable: {error}') from error
    except RuntimeError as error:
        detail = str(error).splitlines()
        raise CheckpointError(f'{path}: does not fit policy.json: {detail[-1].strip()}') from error
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise CheckpointError(f'{path}: {name} has values that are not finite')
