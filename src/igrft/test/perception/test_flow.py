# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cv2
import numpy as np
import pytest

from igrft.perception.flow import FlowError, make_flow
from igrft.reward.interaction import InteractionConfig, InteractionDetector


def frames(shift: int) -> tuple[np.ndarray, np.ndarray]:
    noise = np.random.default_rng(0).integers(0, 256, (96, 136), np.uint8)
    texture = cv2.GaussianBlur(noise, (0, 0), 2.0)
    return texture[:, 4:132], np.roll(texture, shift, 1)[:, 4:132]


def test_dis_measures_a_shift_and_its_sign() -> None:
    flow = make_flow('dis').calc(*frames(2))
    assert flow.shape == (96, 128, 2)
    assert np.median(flow[8:-8, 8:-8], (0, 1)) == pytest.approx((2.0, 0.0), abs=0.2)


def test_flows_that_cannot_be_used_say_what_is_missing(tmp_path) -> None:
    with pytest.raises(FlowError, match='known are: dis, raft'):
        make_flow('farneback')
    with pytest.raises(FlowError, match=r'raft needs .*igrft\[flow\]|no such file.*docs/cameras\.md'):
        make_flow('raft', str(tmp_path / 'none.safetensors'))
    with pytest.raises(FlowError):
        InteractionDetector(InteractionConfig(flow='raft'))


def test_raft_takes_its_weights_and_no_others(tmp_path) -> None:
    """The model's shape and plumbing, with random weights: the trained ones are a download that tests do without."""
    try:
        from torchvision.models import optical_flow as models
    except (ImportError, RuntimeError) as error:
        pytest.skip(f'torchvision is an optional extra (igrft[flow]): {error}')
    from safetensors.torch import save_file

    path = tmp_path / 'raft.safetensors'
    save_file(models.raft_small(weights=None).state_dict(), path)
    flow = make_flow('raft', str(path)).calc(*frames(2))
    assert flow.shape == (96, 128, 2) and flow.dtype == np.float32 and np.isfinite(flow).all()
    import torch

    save_file({'a': torch.zeros(1)}, path)
    with pytest.raises(FlowError, match='not the weights'):
        make_flow('raft', str(path))
