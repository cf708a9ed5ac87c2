# SPDX-License-Identifier: Apache-2.0
"""Dense optical flow behind one interface: DIS (OpenCV, the default) and RAFT (torchvision, optional)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from igrft.types import Float32, UInt8

FLOWS = ('dis', 'raft')
SMALLEST = 128
"""[px] a side below which RAFT's coarsest correlation has nothing to correlate."""


class FlowError(RuntimeError):
    """An optical flow that cannot be used here; the text says what is missing."""


class Flow(Protocol):
    """Dense optical flow of two frames."""

    def calc(self, first: UInt8, second: UInt8) -> Float32:
        """[H, W, 2] px per frame, from ``first`` to ``second`` [H, W] grey."""
        ...


class Dis:
    """Dense inverse search (Kroeger et al. 2016), for objects of ten pixels."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        # At the preset's quarter resolution an object of ten pixels has no flow of its own.
        self._dis.setFinestScale(0)
        self._dis.setVariationalRefinementIterations(0)

    def calc(self, first: UInt8, second: UInt8) -> Float32:
        pair = np.ascontiguousarray(first), np.ascontiguousarray(second)
        return np.asarray(self._dis.calc(*pair, None), np.float32)  # type: ignore[call-overload]


class Raft:
    """RAFT small (Teed and Deng 2020) as torchvision has it.

    Args:
        weights: safetensors file of ``raft_small``'s state; nothing is downloaded, and nothing is unpickled.

    Raises:
        FlowError: torchvision or the weights are missing, or the weights are another model's.
    """

    def __init__(self, weights: Path) -> None:
        try:
            import torch
            from safetensors.torch import load_file
            from torchvision.models.optical_flow import raft_small
        except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision that was built for another torch
            raise FlowError(
                'flow: raft needs torch and torchvision that fit each other: '
                f"pip install './src/igrft[flow]' ({error}); flow: dis needs neither"
            ) from error
        if not weights.is_file():
            raise FlowError(
                f"flow_weights '{weights}': no such file; docs/cameras.md says how to make it from torchvision's "
                'raft_small weights; flow: dis needs none'
            )
        self._torch: Any = torch
        self._model: Any = raft_small(weights=None, progress=False).eval()
        try:
            self._model.load_state_dict(load_file(weights))
        except Exception as error:  # safetensors and torch raise kinds of their own
            raise FlowError(f'{weights}: not the weights of torchvision raft_small: {error}') from error

    def calc(self, first: UInt8, second: UInt8) -> Float32:
        height, width = first.shape
        rows, columns = (max(SMALLEST, -(-side // 8) * 8) for side in (height, width))
        padding = (0, rows - height, 0, columns - width)
        pair = [cv2.copyMakeBorder(frame, *padding, cv2.BORDER_REPLICATE) for frame in (first, second)]
        torch = self._torch
        batch = torch.from_numpy(np.stack(pair)).float().div_(127.5).sub_(1.0)
        with torch.inference_mode():
            flow = self._model(*(frame.expand(1, 3, rows, columns) for frame in batch))[-1][0]
        return np.ascontiguousarray(flow[:, :height, :width].permute(1, 2, 0).numpy(), np.float32)


def make_flow(name: str, weights: str = '') -> Flow:
    """A flow by name.

    Raises:
        FlowError: unknown, or it cannot be used here.
    """
    if name == 'dis':
        return Dis()
    if name == 'raft':
        return Raft(Path(weights).expanduser())
    raise FlowError(f"flow '{name}'; known are: {', '.join(FLOWS)}")
