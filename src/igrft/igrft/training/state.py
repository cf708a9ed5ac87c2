# SPDX-License-Identifier: Apache-2.0
"""The state of an unfinished stage on disk: one safetensors file a part, replaced atomically."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from igrft.episodes.sampler import ChunkSampler
from igrft.training.checkpoint import fsync
from igrft.training.learner import Learner


class TrainingState:
    """Weights, averages, optimiser moments, random generators and sampler of a stage, in
    ``<folder>/<part>.safetensors``.

    Weights on disk after an interruption are those of a step that was completed; going on from them gives the same
    result as never having been interrupted.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        self.folder, self.device = folder, device

    def step(self) -> int:
        """The newest saved step of any part, 0 if there is none."""
        return max((int(self._load(path)[1]['step']) for path in self._files()), default=0)

    def save(self, part: str, step: int, learner: Learner, sampler: ChunkSampler, extra: dict[str, Tensor]) -> None:
        """Write the part's state."""
        tensors = {**learner.state(), **{f'extra.{name}': tensor.clone() for name, tensor in extra.items()}}
        tensors['random'] = torch.get_rng_state()
        if self.device.type == 'cuda':
            tensors['random.cuda'] = torch.cuda.get_rng_state(self.device)
        self._write(part, tensors, {'step': step, 'sampler': sampler.state(), 'finished': False})

    def finish(self, part: str, step: int, learner: Learner) -> None:
        """Write that the part is done, with its result, so that a later part can go on without it."""
        self._write(part, learner.state(), {'step': step, 'sampler': '', 'finished': True})

    def resume(self, part: str, learner: Learner, sampler: ChunkSampler, extra: dict[str, Tensor]) -> None:
        """Put the saved state, if any, back into the learner, the sampler, the random generator and ``extra``.

        Raises:
            ValueError: the state cannot be read, or is of another stage; the text names the file to remove.
        """
        path = self.folder / f'{part}.safetensors'
        if not path.is_file():
            return
        tensors, about = self._load(path)
        try:
            learner.restore(tensors)
        except (KeyError, ValueError) as error:
            raise unusable(path, error) from error
        if about['finished']:
            return
        sampler.restore(str(about['sampler']))
        torch.set_rng_state(tensors['random'])
        if self.device.type == 'cuda' and 'random.cuda' in tensors:
            torch.cuda.set_rng_state(tensors['random.cuda'], self.device)
        for name, tensor in extra.items():
            tensor.copy_(tensors[f'extra.{name}'])

    def remove(self) -> None:
        """Forget everything; the stage's checkpoint has taken its place."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob('*.safetensors')) if self.folder.is_dir() else []

    def _write(self, part: str, tensors: dict[str, Tensor], about: dict[str, object]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f'{part}.safetensors'
        partial = path.with_suffix('.partial')
        save_file(tensors, partial, metadata={'igrft': json.dumps(about)})
        fsync(partial)
        os.replace(partial, path)
        fsync(self.folder)

    @staticmethod
    def _load(path: Path) -> tuple[dict[str, Tensor], dict[str, int | str | bool]]:
        try:
            with safe_open(path, framework='pt') as file:
                about = json.loads((file.metadata() or {})['igrft'])
                return {key: file.get_tensor(key) for key in file.keys()}, about  # noqa: SIM118
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise unusable(path, error) from error


def unusable(path: Path, error: Exception) -> ValueError:
    """What to do about a state that cannot be gone on from."""
    return ValueError(f'{path}: not a training state of this stage ({error}); remove it to begin the stage anew')
