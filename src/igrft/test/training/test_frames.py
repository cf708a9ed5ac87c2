# SPDX-License-Identifier: Apache-2.0
"""Batches of images: the same rows wherever the images lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from igrft.training import frames
from igrft.training.frames import Frames
from igrft.training.scene_store import Scenes


@pytest.fixture
def scenes(tmp_path: Path) -> Scenes:
    rng = np.random.default_rng(0)
    for camera in ('front', 'wrist'):
        np.save(tmp_path / f'{camera}.npy', rng.integers(0, 256, (11, 4, 4, 3), dtype=np.uint8))
    images = {camera: np.load(tmp_path / f'{camera}.npy', mmap_mode='r') for camera in ('front', 'wrist')}
    return Scenes(images, np.zeros((11, 17), np.float32), np.zeros((11, 1), np.float32), ('a/b.base.x',))


def test_a_batch_holds_the_rows_that_were_asked_for(scenes: Scenes) -> None:
    rows = torch.tensor([0, 3, 3, 10])
    batch = Frames(scenes, torch.device('cpu')).take(rows)
    assert list(batch) == ['front', 'wrist']
    for camera, taken in batch.items():
        assert taken.dtype == torch.uint8
        assert np.array_equal(taken.numpy(), scenes.images[camera][[0, 3, 3, 10]])


def test_a_copy_is_whole_whatever_the_size_of_the_pieces(scenes: Scenes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, 'PIECE', 4)
    for images in scenes.images.values():
        assert np.array_equal(frames.copied(images, torch.device('cpu')).numpy(), images)
