# SPDX-License-Identifier: Apache-2.0
"""Trunks on disk: one safetensors file in half precision, its description in the file's own metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from igrft.config import as_dict, nearest, parse
from igrft.policies.glimpse import EXACT, Glimpses, Lens
from igrft.policies.trunk import Trunk, TrunkConfig

WEIGHTS = Path(__file__).parent / 'weights'
"""Folder of the trunks that the package ships."""


class TrunkError(ValueError):
    """A trunk that cannot be used; the text names the file and the field."""


@dataclass(frozen=True)
class PretrainedTrunk:
    """A trunk and what it was made for.

    Attributes:
        targets: names of the predictions at the end of the features.
        frames: camera to the frame it is fixed to, see :class:`.glimpse.Lens`; empty of a trunk without second looks.
        weights: its state, None leaves it random until a checkpoint fills it.
    """

    where: str
    cameras: tuple[str, ...]
    image_size: int
    proprio_dim: int
    targets: tuple[str, ...]
    config: TrunkConfig
    frames: Mapping[str, str] = field(default_factory=dict)
    weights: dict[str, Tensor] | None = None

    def check(self, cameras: tuple[str, ...], image_size: int, proprio_dim: int) -> None:
        """Refuse a policy that feeds the trunk other things than it was trained on.

        Raises:
            TrunkError: naming the field.
        """
        wanted = {'cameras': cameras, 'image_size': image_size, 'proprio_dim': proprio_dim}
        for what, value in wanted.items():
            own = getattr(self, what)
            if own != value:
                raise TrunkError(
                    f'{self.where}: {what} is {own}, the robot gives {value}; pretrain a trunk for it '
                    '(python -m igrft.training.pretrain)'
                )

    def build(self) -> Trunk:
        """The module, with its weights where there are any."""
        lenses = {camera: Lens(frame, torch.zeros(3, 4)) for camera, frame in self.frames.items()}
        glimpses = Glimpses(self.targets, lenses, self.proprio_dim, self.config.glimpse) if lenses else None
        trunk = Trunk(self.cameras, self.image_size, self.proprio_dim, len(self.targets), self.config, glimpses)
        if self.weights is not None:
            trunk.load_state_dict({name: tensor.float() for name, tensor in self.weights.items()})
        return trunk


def save_trunk(trunk: Trunk, path: Path, targets: tuple[str, ...], config: TrunkConfig, image_size: int) -> None:
    """Write a trunk in half precision, atomically."""
    about = {
        'format': 'igrft-trunk-2',
        'cameras': list(trunk.cameras),
        'image_size': image_size,
        'proprio_dim': len(trunk.proprio_mean),
        'targets': list(targets),
        'config': as_dict(config),
        'frames': dict(zip(trunk.glimpses.cameras, trunk.glimpses.frames, strict=True)) if trunk.glimpses else {},
    }
    kept = {f'glimpses.{name}' for name in EXACT} | {'proprio_mean', 'proprio_scale'}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix('.partial')
    tensors = {
        name: (tensor.detach() if name in kept else tensor.detach().half()).contiguous()
        for name, tensor in trunk.state_dict().items()
    }
    save_file(tensors, partial, metadata={'igrft': json.dumps(about)})
    partial.replace(path)


def load_trunk(name: str) -> PretrainedTrunk:
    """A trunk by the name under which the package ships it, or by the path of its file.

    Raises:
        TrunkError: no such trunk, or not one.
    """
    path = Path(name) if name.endswith('.safetensors') else WEIGHTS / f'{name}.safetensors'
    if not path.is_file():
        hint = nearest(path.stem, [file.stem for file in WEIGHTS.glob('*.safetensors')])
        raise TrunkError(f'trunk_weights: {path}: no such file; {hint}')
    try:
        with safe_open(path, framework='pt') as file:
            about = json.loads((file.metadata() or {}).get('igrft', '{}'))
            weights: dict[str, Tensor] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise TrunkError(f'{path}: not a trunk: {error}') from error
    if about.get('format') != 'igrft-trunk-2':
        raise TrunkError(f"{path}: format is {about.get('format')!r}, expected 'igrft-trunk-2'")
    return PretrainedTrunk(
        str(path),
        tuple(about['cameras']),
        int(about['image_size']),
        int(about['proprio_dim']),
        tuple(about['targets']),
        parse(about['config'], TrunkConfig, str(path)),
        about['frames'],
        weights,
    )


def fitting_trunk(cameras: tuple[str, ...], image_size: int, proprio_dim: int) -> PretrainedTrunk:
    """The newest trunk that the package ships for these cameras, image and proprioception size.

    Raises:
        TrunkError: there is none; says which there are.
    """
    shipped = [load_trunk(file.stem) for file in sorted(WEIGHTS.glob('*.safetensors'), reverse=True)]
    for trunk in shipped:
        if (trunk.cameras, trunk.image_size, trunk.proprio_dim) == (cameras, image_size, proprio_dim):
            return trunk
    known = '; '.join(f'{Path(t.where).stem}: {", ".join(t.cameras)} at {t.image_size} px' for t in shipped)
    raise TrunkError(
        f'trunk_weights: shipped: no trunk for {", ".join(cameras)} at {image_size} px and proprioception of '
        f'{proprio_dim}; there are {known}. Pretrain one: python -m igrft.training.pretrain'
    )


def named_trunk(name: str, cameras: tuple[str, ...], image_size: int, proprio_dim: int) -> PretrainedTrunk:
    """The trunk that a policy's configuration names: 'shipped', a name of the package's, or the path of a file.

    Raises:
        TrunkError: there is none, or it was made for another robot.
    """
    found = fitting_trunk(cameras, image_size, proprio_dim) if name == 'shipped' else load_trunk(name)
    found.check(cameras, image_size, proprio_dim)
    return found


def refuse_older(settings: Mapping[str, Any]) -> None:
    """Refuse the settings of a policy that learned on features which no longer mean the same.

    Raises:
        TrunkError: saying what to do.
    """
    waves = any('.in.' in target for target in settings.get('targets', ()))
    if waves and 'glimpse' not in settings.get('trunk', {}):
        raise TrunkError(
            'model: trunk.glimpse is missing: this checkpoint is older than the calculated waves of a place, and its '
            'policy would misread them; train it anew from its episodes'
        )


def is_finite(weights: dict[str, Tensor]) -> bool:
    """Whether every weight is a finite number."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in weights.values())
