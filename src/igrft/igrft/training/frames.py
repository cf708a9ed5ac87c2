# SPDX-License-Identifier: Apache-2.0
"""Batches of a scene store's images on the device that trains."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from igrft.training.scene_store import Scenes
from igrft.types import UInt8

PIECE = 4096
"""Scenes that are copied to a GPU at a time."""


class Frames:
    """The images of scenes. On a CPU they stay in their files; a GPU holds all of them, and no batch waits for a copy.

    Args:
        scenes: N of them.
        device: ``cpu``, or one whose memory takes N × cameras × S × S × 3 bytes.
    """

    def __init__(self, scenes: Scenes, device: torch.device) -> None:
        self.device = device
        self._files = scenes.images
        self._held: dict[str, Tensor] = {}
        if device.type != 'cpu':
            self._held = {camera: copied(frames, device) for camera, frames in scenes.images.items()}

    def take(self, rows: Tensor) -> dict[str, Tensor]:
        """Camera to [B, S, S, 3] uint8 of these rows, which a file gives fastest in rising order."""
        if self._held:
            index = rows.to(self.device)
            return {camera: held[index] for camera, held in self._held.items()}
        chosen = rows.numpy()
        return {camera: torch.from_numpy(frames[chosen]) for camera, frames in self._files.items()}

    def precision(self) -> torch.autocast:
        """How the first look reads them: in half precision on a CPU, for its speed; in full on a GPU."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == 'cpu')


def copied(frames: UInt8, device: torch.device) -> Tensor:
    """Images [N, S, S, 3] of a file in a device's memory, piece by piece."""
    held = torch.empty(frames.shape, dtype=torch.uint8, device=device)
    for begin in range(0, len(frames), PIECE):
        held[begin : begin + PIECE] = torch.from_numpy(np.array(frames[begin : begin + PIECE]))
    return held
