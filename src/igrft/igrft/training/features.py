# SPDX-License-Identifier: Apache-2.0
"""Trunk features on disk: a frame goes through a frozen trunk once, whatever is trained on it afterwards."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from igrft.policies.protocol import Policy
from igrft.training.dataset import encode_episode
from igrft.types import DecodedEpisode


def trunk_digest(policy: Policy) -> str:
    """A short hash of what the features depend on: trunk weights, cameras, image size."""
    about = f'{policy.name} {policy.spec.cameras} {policy.spec.image_size} {policy.feature_dim}'
    digest = hashlib.sha256(about.encode())
    for name, tensor in sorted(policy.state_dict().items()):
        if name.startswith('trunk.'):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


class FeatureStore:
    """Keeps features in ``<folder>/<trunk>/<episode>.safetensors``; deleting the folder costs only time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._digest: tuple[int, str] | None = None

    def __call__(self, policy: Policy, episode: DecodedEpisode) -> Tensor:
        """Features [T, F] of an episode, read or computed and kept."""
        if self._digest is None or self._digest[0] != id(policy):
            self._digest = (id(policy), trunk_digest(policy))
        path = self.folder / self._digest[1] / f'{episode.info.id}.safetensors'
        if path.is_file():
            try:
                found: Tensor = load_file(path)['features']
                if found.shape == (len(episode), policy.feature_dim):
                    return found
            except (SafetensorError, KeyError, OSError):
                path.unlink(missing_ok=True)
        features = encode_episode(policy, episode).contiguous()
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f'.{os.getpid()}.partial')
        save_file({'features': features.to(torch.float32)}, partial)
        os.replace(partial, path)
        return features
